import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { ClassEvaluation } from '../../src/metrics/evaluation.js';
import { evaluateModel } from '../../src/pipeline/evaluate-model.js';
import { verifyRun } from '../../src/pipeline/verify-run.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import { predictInputs } from '../../src/pipeline/predict-inputs.js';
import { runAll, type RunReport } from '../../src/pipeline/run-all.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { openSession } from '../../src/runtime/open-session.js';
import { randomBert } from '../text/random-bert.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';
import { graft, startGraft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('the main job on texts', () => {
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const train = path.join(folder, 'train.csv');
  const test = path.join(folder, 'test.csv');
  const reviews = makeReviews(200);
  // What a page must not run.
  const tagged = { text: 'the <script>alert(1)</script> film', label: 'good' } as const;
  let report: RunReport;
  let model: string;

  before(async () => {
    const backbone = writeTextBackbone(path.join(folder, 'backbone'), { width: 32, layers: 1 });
    writeFileSync(train, toCsv([...reviews, tagged, { ...tagged, text: `${tagged.text} !`, label: 'bad' }]));
    writeFileSync(test, toCsv(makeReviews(60, 2)));
    report = await graftJsonHere<RunReport>(
      ['run', '--backbone', backbone, '--data', train, '--out', path.join(folder, 'run'), '--device', 'cpu'],
      env,
    );
    // Nothing but the one file is there when it is used.
    model = path.join(folder, 'alone', 'model.onnx');
    mkdirSync(path.dirname(model));
    writeFileSync(model, readFileSync(report.model));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('learns words that tell the classes apart, and verifies what it exported', () => {
    expect(report.validation).to.have.property('accuracy').above(0.9);
    expect(report.verified.maxAbsDiff).to.be.below(1e-4);
    expect(report.verified.providers.map(({ name }) => name)).to.include.members(['cpu', 'wasm']);
    expect(report.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).to.deep.equal([
      ['input_ids', 'int64', ['batch', 'sequence_length']],
      ['attention_mask', 'int64', ['batch', 'sequence_length']],
      ['token_type_ids', 'int64', ['batch', 'sequence_length']],
    ]);
    for (const name of ['tokenizer.json', 'config.json', 'report.html'])
      expect(existsSync(path.join(report.run, name)), name).to.equal(true);
  });

  it('is measured on other texts, and verified again from the run alone', async () => {
    const evaluation = await evaluateModel({ model, data: test, device: 'cpu' });
    expect(evaluation).to.include({ examples: 60 });
    expect((evaluation as ClassEvaluation).accuracy).to.be.above(0.9);
    const verified = await verifyRun({ model, run: report.run });
    expect(verified.maxAbsDiff).to.be.below(1e-4);
  });

  it('labels texts, files, folders and lines alike', async () => {
    const texts = ['a great film, love it', 'awful and bad, a poor card'];
    const files = path.join(folder, 'texts');
    mkdirSync(files);
    for (const [i, text] of texts.entries()) writeFileSync(path.join(files, `${i}.txt`), text);
    const inputs = [...texts, path.join(files, '0.txt'), files, '-'];
    const predictions = await predictInputs({ model, inputs, readLines: async () => texts, device: 'cpu' });
    expect(predictions.map(({ input }) => input)).to.deep.equal([
      ...texts,
      path.join(files, '0.txt'),
      path.join(files, '0.txt'),
      path.join(files, '1.txt'),
      ...texts,
    ]);
    const scores = predictions.map(({ scores: own }) => own!.good!);
    for (const [i, of] of [0, 1, 0, 0, 1, 0, 1].entries()) expect(scores[i]).to.be.closeTo(scores[of]!, 1e-5);
    expect(predictions[0]!.label).to.equal('good');
    expect(predictions[1]!.label).to.equal('bad');
    const predictor = await openPredictor(model, { device: 'cpu' });
    const own = await predictor.predict(texts);
    await predictor.release();
    expect(own[predictor.metadata.labels.indexOf('good')]).to.be.closeTo(scores[0]!, 1e-5);
  });

  it('refuses lines that are not UTF-8, and says nothing of none', async () => {
    const call = ['predict', '--model', model, '-', '--device', 'cpu'];
    const wrong = await graft(call, env, Buffer.from('good\ncaf\xe9\n', 'latin1'));
    expect(wrong.stderr).to.equal(
      'graft: Line 2 of the standard input is not UTF-8 text; save it as UTF-8.\n',
    );
    expect(wrong.status).to.equal(1);
    expect(await graft(call, env)).to.include({ stdout: '', status: 0 });
  });

  it('reads lines from stdin with -', async () => {
    const { stdout } = await graft(
      ['predict', '--model', model, '-', '--json'],
      env,
      'love the great film\n\nhate the awful film\r\n',
    );
    const predictions = JSON.parse(stdout) as Prediction[];
    expect(predictions.map(({ input, label }) => [input, label])).to.deep.equal([
      ['love the great film', 'good'],
      ['hate the awful film', 'bad'],
    ]);
  });

  it('waits for lines no longer than to Ctrl-C', async () => {
    const { child, ended } = startGraft(['predict', '--model', model, '-', '--device', 'cpu'], env);
    // More than a pipe holds is gone when it is being read; then stdin stays open.
    await new Promise((resolve) => child.stdin.write('a good film\n'.repeat(100_000), resolve));
    child.kill('SIGINT');
    const { status, stdout, stderr } = await ended;
    expect(stderr).to.match(/Stopped while the standard input was read; nothing was labelled/);
    expect([status, stdout]).to.deep.equal([130, '']);
  });

  it('says how many texts are longer than what the model reads, and which', async () => {
    const long = 'a great film '.repeat(400);
    const call = ['predict', '--model', model, '--device', 'cpu', '--json'];
    const some = await graftHere([...call, 'a great film', long, long], env);
    expect(some.stderr).to.match(
      /^warning: 2 of 3 texts are longer than the \d+ tokens that the model reads: the rest is left out\.$/m,
    );
    const predictions = JSON.parse(some.stdout) as Prediction[];
    expect(predictions.map(({ isCut }) => isCut)).to.deep.equal([undefined, true, true]);
    expect((await graftHere([...call, long], env)).stderr).to.match(/warning: The text is longer than the /);
    expect((await graftHere([...call, 'a great film'], env)).stderr).not.to.include('longer');
    // The fifth of many is asked in another thread.
    const lines = Array.from({ length: 40 }, (_, i) => (i === 37 ? long : `film ${i}`)).join('\n');
    expect((await graft([...call, '-'], env, lines)).stderr).to.include('1 of 40 texts is longer');
    const table = path.join(folder, 'long.csv');
    writeFileSync(table, toCsv([...makeReviews(20, 3), { text: long, label: 'good' }]));
    const measured = await graftHere(['eval', '--model', model, '--data', table, '--device', 'cpu'], env);
    expect(measured.stderr).to.include('1 of 21 texts is longer');
  });

  it('labels what begins with a dash behind --', async () => {
    const call = [
      'predict',
      '--model',
      model,
      '--json',
      '--',
      '-5 stars, an awful film',
      '--great film',
      '-',
    ];
    const { stdout, stderr } = await graft(call, env, 'a great film\n');
    const inputs = (JSON.parse(stdout) as Prediction[]).map(({ input }) => input);
    expect(inputs, stderr).to.deep.equal(['-5 stars, an awful film', '--great film', 'a great film']);
  });

  it('is not measured as what it does not predict', async () => {
    const call = ['eval', '--model', model, '--data', test, '--task', 'multi'];
    const { status, stderr } = await graftHere(call, env);
    expect(stderr).to.match(
      /model\.onnx was trained with --task single and is measured so; leave --task multi/,
    );
    expect(status).to.equal(2);
  });

  it('says that a file of texts is missing rather than labelling its name', async () => {
    const error = await predictInputs({ model, inputs: ['missing.txt'], device: 'cpu' }).catch(
      (caught: unknown) => caught as Error,
    );
    expect(error).to.have.property('message', 'There is no file missing.txt; check the path.');
  });

  it('fails to cache, and to train on, a data set of which no text can be used', async () => {
    const blank = path.join(folder, 'blank');
    for (const label of ['good', 'bad']) {
      mkdirSync(path.join(blank, label), { recursive: true });
      for (const name of ['1.txt', '2.txt']) writeFileSync(path.join(blank, label, name), '');
    }
    const call = ['cache', '--backbone', 'hashed-ngrams', '--data', blank, '--device', 'cpu'];
    const { status, stderr } = await graftHere(call, env);
    expect(stderr).to.match(/None of the 4 .* can be used, the first one, .*1\.txt, as: .*token/);
    expect(status).to.equal(1);
    const out = path.join(folder, 'none');
    const trained = await graftHere(['train', ...call.slice(1), '--out', out], env);
    expect(trained.stderr).to.match(/None of the 4 .* can be used/);
    expect(trained.status).to.equal(1);
  });

  it('labels the rows of a table, whatever else they hold, each in its place', async () => {
    const table = path.join(folder, 'rows.csv');
    writeFileSync(table, 'id,text,note\n1,"a great, great film",\n2,,nothing\n3,an awful film,\n');
    const call = ['predict', '--model', model, '--device', 'cpu'];
    const predictions = await graftJsonHere<Prediction[]>([...call, table], env);
    expect(predictions.map(({ input, label }) => [input, label])).to.deep.equal([
      ['a great, great film', 'good'],
      [`${table}#3`, null],
      ['an awful film', 'bad'],
    ]);
    expect(predictions[1]!.reason).to.match(/There is no text in row 3 of .*rows\.csv/);
    const named = await graftJsonHere<Prediction[]>([...call, table, '--text-column', 'id'], env);
    expect(named.map(({ input }) => input)).to.deep.equal(['1', '2', '3']);
    const lines = path.join(folder, 'lines.tsv');
    writeFileSync(lines, 'a great film\nan awful film\n');
    const bare = await graftJsonHere<Prediction[]>([...call, lines, '--no-header'], env);
    expect(bare.map(({ label }) => label)).to.deep.equal(['good', 'bad']);
    writeFileSync(path.join(folder, 'empty.csv'), 'text\n');
    writeFileSync(path.join(folder, 'torn.csv'), 'text,note\na great film,\n"open');
    for (const [inputs, status, message] of [
      [[path.join(folder, 'empty.csv')], 1, /There is no row in the table .*empty\.csv/],
      [[path.join(folder, 'torn.csv')], 1, /torn\.csv cannot be read: .*quotation mark/],
      [['absent.csv'], 1, /There is no file absent\.csv/],
      [
        [table, '--text-column', 'words'],
        1,
        /Expected a column words in .*rows\.csv but it has id, text, note/,
      ],
      [['a film', '--text-column', 'text'], 2, /--text-column is for tables .* no input is one/],
      [[table, '--image-column', 'text'], 2, /The model takes texts; name their column with --text-column/],
    ] as const) {
      const refused = await graftHere([...call, ...inputs], env);
      expect(refused.stderr).to.match(message);
      expect(refused.status).to.equal(status);
    }
  });

  it('labels the good ones among inputs that cannot be used, and says why each of those was left out', async () => {
    const broken = path.join(folder, 'latin1.txt');
    writeFileSync(broken, Uint8Array.of(0x66, 0xfc, 0x72));
    const inputs = ['a great film', broken, 'missing.txt', 'an awful film'];
    const command = ['predict', '--model', model, ...inputs, '--device', 'cpu'];
    const { status, stdout, stderr } = await graftHere([...command, '--json'], env);
    expect(status).to.equal(0);
    const predictions = JSON.parse(stdout) as Prediction[];
    expect(predictions.map(({ input }) => input)).to.deep.equal(inputs);
    expect(predictions.map(({ label }) => label)).to.deep.equal(['good', null, null, 'bad']);
    expect(predictions[1]!.reason).to.match(/not UTF-8/);
    expect(predictions[2]!.reason).to.match(/no file missing\.txt/);
    expect(stderr)
      .to.match(/Left out .*latin1\.txt: .*not UTF-8/)
      .and.to.match(/Left out missing\.txt/);
    const strict = await graftHere([...command, '--on-error', 'fail'], env);
    expect(strict).to.include({ status: 1, stdout: '' });
    expect(strict.stderr).to.match(/Cannot predict .*latin1\.txt: .*not UTF-8/);
  });

  it('masks what texts are filled up with inside the exported file', async () => {
    const session = await openSession(model, { device: 'cpu', threads: 1 });
    const feed = (filled: number) => {
      const row = (values: number[], fill: number): BigInt64Array =>
        BigInt64Array.from([...values, ...new Array<number>(filled).fill(fill)], BigInt);
      const dims = [1, 4 + filled];
      return {
        input_ids: { dtype: 'int64', dims, data: row([2, 6, 9, 3], 5) },
        attention_mask: { dtype: 'int64', dims, data: row([1, 1, 1, 1], 0) },
        token_type_ids: { dtype: 'int64', dims, data: row([0, 0, 0, 0], 0) },
      } as const;
    };
    const [short, long] = [await session.run(feed(0)), await session.run(feed(9))];
    await session.release();
    for (const [i, value] of (short.logits!.data as Float32Array).entries())
      expect(long.logits!.data[i]).to.be.closeTo(value, 1e-4);
  });

  it('shows the texts that it takes for another class on its page, escaped', () => {
    const page = readFileSync(report.report, 'utf8');
    expect(page).to.include('<blockquote>');
    expect(page).to.not.include('<script>');
    const evaluation = readFileSync(path.join(report.run, 'evaluation.json'), 'utf8');
    const { leastCertain } = JSON.parse(evaluation) as { leastCertain: { path: string; text: string }[] };
    expect(leastCertain[0]!.path).to.match(/train\.csv#\d+$/);
    expect(leastCertain[0]!.text).to.match(/[a-z]+/);
  });

  it('needs no file and no network with the built-in text backbone', async () => {
    const out = path.join(folder, 'built-in');
    const { validation, verified } = await runAll({
      ...{ backbone: 'hashed-ngrams', data: train, out, cache: env.GRAFT_CACHE, device: 'cpu', l2: 30 },
    });
    expect(validation).to.have.property('accuracy').above(0.9);
    expect(verified.maxAbsDiff).to.be.below(1e-4);
    const [prediction] = await predictInputs({
      model: path.join(out, 'model.onnx'),
      inputs: ['what a great film, I love it'],
      device: 'cpu',
    });
    expect(prediction!.label).to.equal('good');
  });

  it('does far better than chance on 77 intents with a random network and a real tokenizer', async function () {
    const shared = path.resolve('../shared');
    const tokenizer = path.join(shared, 'models/minilm-tokenizer/tokenizer.json');
    const questions = path.join(shared, 'datasets/banking77/train.csv');
    if (!existsSync(tokenizer) || !existsSync(questions)) return this.skip();
    const backbone = path.join(folder, 'random.onnx');
    writeFileSync(backbone, randomBert({ vocabulary: 30522, width: 32, layers: 1, positions: 64 }));
    const [header, ...rows] = readFileSync(questions, 'utf8').trim().split('\n');
    const data = path.join(folder, 'questions.csv');
    writeFileSync(data, [header, ...rows.filter((row, i) => i % 10 === 0 && !row.includes('"'))].join('\n'));
    const out = path.join(folder, 'questions');
    const { validation, classes } = await runAll({
      ...{ backbone, tokenizer, data, out, cache: env.GRAFT_CACHE },
      ...{ device: 'cpu', l2: 3 },
    });
    expect(classes.length).to.be.above(70);
    expect(validation).to.have.property('accuracy').above(0.2);
  });

  it('refuses views in a sentence', async () => {
    const backbone = path.join(folder, 'backbone', 'model.onnx');
    const out = path.join(folder, 'refused');
    const options = { backbone, data: train, out, views: 2, cache: env.GRAFT_CACHE, device: 'cpu' } as const;
    const error = await trainRun(options).catch((caught: unknown) => caught as Error);
    expect(error)
      .to.have.property('message')
      .that.matches(/--views makes random views of photos/);
  });
});
