/** Pairs of texts from the table to the exported file, by every command that meets them. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { ClassEvaluation } from '../../src/metrics/evaluation.js';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import type { RunReport } from '../../src/pipeline/run-all.js';
import type { TrainReport } from '../../src/pipeline/training-run.js';
import { openPredictor } from '../../src/predict/predictor.js';
import type { TextPair } from '../../src/sources/text-pair.js';
import { tinyBackbone } from '../features/tiny-backbone.js';
import { randomBert } from '../text/random-bert.js';
import { makePairs, pairsCsv } from '../text/pair-world.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';
import { graft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';
import { killWhen, linesOf } from './killed-run.js';

describe('the main job on pairs of texts', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const at = (name: string): string => path.join(folder, name);
  const env = { GRAFT_CACHE: at('cache') };
  const pairs = makePairs(400);
  const both = ['--text-column', 'premise,hypothesis'];
  const common = ['--device', 'cpu', '--duplicates', 'keep', '--l2', '0.01'];
  let backbone: string;
  let report: RunReport;
  const train = (out: string, ...more: readonly string[]): Promise<TrainReport> =>
    graftJsonHere(
      ['train', '--backbone', backbone, '--data', at('pairs.csv'), '--out', at(out), ...common, ...more],
      env,
    );

  before(async () => {
    backbone = writeTextBackbone(at('backbone'), { width: 64 });
    writeFileSync(at('pairs.csv'), pairsCsv(pairs));
    writeFileSync(at('test.csv'), pairsCsv(makePairs(80, 2)));
    writeFileSync(at('settings.json'), JSON.stringify({ 'text-column': ['premise', 'hypothesis'] }));
    report = await graftJsonHere(
      [
        ...['run', '--backbone', backbone, '--data', at('pairs.csv'), '--out', at('run'), ...common],
        ...['--config', at('settings.json')],
      ],
      env,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('learns what neither text alone tells', async () => {
    const accuracyOf = ({ validation }: TrainReport): number => (validation as { accuracy: number }).accuracy;
    expect(accuracyOf(report)).to.be.above(0.8);
    for (const column of ['premise', 'hypothesis'])
      expect(accuracyOf(await train(column, '--text-column', column)), column).to.be.below(0.65);
  });

  it('verifies the file it exported, which alone measures and labels pairs in every form alike', async () => {
    expect(report.verified.maxAbsDiff).to.be.below(1e-4);
    mkdirSync(at('alone'));
    const model = at('alone/model.onnx');
    writeFileSync(model, readFileSync(report.model));
    const evaluation = await graftJsonHere<ClassEvaluation>(
      ['eval', '--model', model, '--data', at('test.csv'), '--device', 'cpu'],
      env,
    );
    expect(evaluation.accuracy).to.be.above(0.75);
    const verified = await graftJsonHere<{ maxAbsDiff: number }>(
      ['verify', '--model', model, '--run', at('run')],
      env,
    );
    expect(verified.maxAbsDiff).to.be.below(1e-4);
    const some = pairs.slice(0, 4).map(({ premise, hypothesis }): TextPair => [premise, hypothesis]);
    writeFileSync(at('some.csv'), pairsCsv(pairs.slice(0, 4)));
    writeFileSync(at('bare.tsv'), some.map((pair) => pair.join('\t')).join('\n'));
    const call = ['predict', '--model', model, '--device', 'cpu', '--json'];
    const predictor = await openPredictor(model, { device: 'cpu' });
    const own = await predictor.predict(some);
    await predictor.release();
    const said = await Promise.all([
      graft([...call, at('some.csv'), ...both], env),
      graft([...call, at('some.csv')], env),
      graft([...call, at('bare.tsv'), '--no-header'], env),
      graft([...call, ...some.flat()], env),
      graft([...call, '-'], env, some.map((pair) => pair.join('\t')).join('\r\n')),
      graft([...call, '-'], env, some.map((pair) => JSON.stringify(pair)).join('\n')),
    ]);
    for (const { stdout, stderr } of said) {
      const predictions = JSON.parse(stdout || stderr) as Prediction[];
      expect(predictions.map(({ input, texts }) => [input, texts])).to.deep.equal(
        some.map((pair) => [pair.join(' | '), pair]),
      );
      for (const [i, { scores }] of predictions.entries())
        expect(scores!.other).to.be.closeTo(own[2 * i]!, 1e-5);
    }
  });

  it('tells a pair from the same texts in the other order, and one text from a pair', async () => {
    const predictor = await openPredictor(report.model, { device: 'cpu' });
    const [ab, ba] = await Promise.all(
      [
        ['the good', 'film bad'],
        ['film bad', 'the good'],
      ].map((pair) => predictor.predict([pair as unknown as TextPair])),
    );
    expect(Math.abs(ab![0]! - ba![0]!)).to.be.above(1e-3);
    for (const wrong of ['the good', Buffer.from('the good')]) {
      const error = await predictor.predict([wrong]).catch((caught: unknown) => caught);
      expect(String(error)).to.match(/Expected a pair of texts \(\[string, string\]\) for examples\[0\]/);
    }
    await predictor.release();
  });

  it('finds features of pairs again in any table, and never takes a text or another division for one', async () => {
    const cache = async (name: string, ...more: readonly string[]): Promise<CacheReport> =>
      graftJsonHere(['cache', '--backbone', backbone, '--data', at(name), '--device', 'cpu', ...more], env);
    writeFileSync(at('bare.csv'), pairsCsv(pairs).split('\n').slice(1).join('\n'));
    const bare = ['--no-header', '--text-column', '0,1', '--label-column', '2'];
    expect(await cache('bare.csv', ...bare)).to.include({ examples: 400, cached: 400 });
    writeFileSync(at('rows.csv'), pairsCsv(pairs).replace('hypothesis', '"a,b"'));
    // A name with a comma of its own is one column.
    expect(await cache('rows.csv', '--text-column', 'a,b')).to.include({ examples: 400 });
    writeFileSync(at('divided.csv'), 'text_a,text_b,label\nab,c,x\na,bc,y\nabc,abc,x\n"abc",,y\n');
    expect(await cache('divided.csv')).to.include({ examples: 3, computed: 3 });
    writeFileSync(at('folded.csv'), 'text,label\nabc,x\nab c,y\n');
    expect(await cache('folded.csv')).to.include({ examples: 2, computed: 2 });
  });

  it('still takes pairs where the head was trained on a file of their features and merged later', async () => {
    const [features, model] = [at('features.safetensors'), at('merged.onnx')];
    const of = ['--backbone', backbone, '--data', at('pairs.csv'), '--device', 'cpu'];
    await graftJsonHere(['cache', 'export', ...of, '--format', 'safetensors', '--out', features], env);
    await graftJsonHere(['train', '--features', features, '--out', at('apart'), '--l2', '0.01']);
    const merge = ['export', '--run', at('apart'), '--out', model, '--backbone'];
    const { verified } = await graftJsonHere<RunReport>([...merge, backbone], env);
    expect(verified.maxAbsDiff).to.be.below(1e-4);
    const call = ['eval', '--model', model, '--data', at('test.csv'), '--device', 'cpu'];
    expect((await graftJsonHere<ClassEvaluation>(call, env)).accuracy).to.be.above(0.75);
    writeFileSync(at('photos.onnx'), tinyBackbone());
    const other = await graftHere([...merge, at('photos.onnx'), '--layer', 'features'], env);
    expect(other.stderr).to.match(/photos\.onnx takes images, but the features of .* are of pairs of texts/);
  });

  it('fine-tunes, and goes on with pairs after it was killed', async () => {
    const metrics = at('tuned/metrics.jsonl');
    const flags = [
      '--unfreeze',
      'LayerNormalization',
      '--max-length',
      '16',
      '--epochs',
      '12',
      '--lr',
      '0.01',
    ];
    const call = [
      ...[
        'train',
        '--backbone',
        backbone,
        '--data',
        at('pairs.csv'),
        '--out',
        at('tuned'),
        ...common,
        ...flags,
      ],
      ...[...both, '--cache', env.GRAFT_CACHE, '--patience', '12', '--checkpoint-seconds', '0'],
    ];
    expect(await killWhen(call, () => linesOf(metrics) >= 3)).to.equal(true);
    const tuned = await graftJsonHere<TrainReport>(['train', '--out', at('tuned'), '--resume'], env);
    expect((tuned.validation as { accuracy: number }).accuracy).to.be.above(0.95);
    const config = JSON.parse(readFileSync(at('tuned/config.json'), 'utf8')) as object;
    expect(config).to.have.nested.property('tokens.takesPairs', true);
    const exported = await graftJsonHere<RunReport>(
      ['export', '--run', at('tuned'), '--out', at('tuned.onnx')],
      env,
    );
    expect(exported.verified.maxAbsDiff).to.be.below(1e-4);
  });

  it('says which pair of columns it took, and of several texts which one', async () => {
    const call = (data: string) => [...['cache', '--backbone', backbone, '--data', data, '--device', 'cpu']];
    expect((await graftHere(call(at('pairs.csv')), env)).stderr).to.include(
      'The texts premise and hypothesis of',
    );
    writeFileSync(
      at('qnli.tsv'),
      pairsCsv(pairs).replaceAll(',', '\t').replace('premise\thypothesis', 'question\tsentence'),
    );
    expect((await graftHere(call(at('qnli.tsv')), env)).stderr).to.include(
      'sentence alone is read as the text; --text-column question,sentence reads both as a pair.',
    );
  });

  const wrong: readonly [what: string, args: () => readonly string[], message: RegExp, status: number][] = [
    [
      'three columns',
      () => ['cache', '--backbone', backbone, '--data', at('pairs.csv'), '--text-column', 'a,b,c'],
      /Expected one column for --text-column, or two \(a,b\) whose texts are a pair, but received 3 \(a,b,c\)/,
      2,
    ],
    [
      'one column twice',
      () => ['cache', '--backbone', backbone, '--data', at('pairs.csv'), '--text-column', 'premise,premise'],
      /premise is there twice/,
      2,
    ],
    [
      'a column that is not there',
      () => ['cache', '--backbone', backbone, '--data', at('pairs.csv'), '--text-column', 'premise,answer'],
      /Expected a column answer in .*pairs\.csv but it has premise, hypothesis, label/,
      1,
    ],
    [
      'single texts for a model of pairs',
      () => ['eval', '--model', report.model, '--data', at('reviews.csv')],
      /holds texts, but the model takes pairs: name the two columns of the texts with --text-column a,b/,
      1,
    ],
    [
      'half a pair',
      () => ['predict', '--model', report.model, 'one text'],
      /takes pairs of texts, but "one text" has no second one behind it/,
      2,
    ],
  ];
  for (const [what, args, message, status] of wrong) {
    it(`refuses ${what}`, async () => {
      writeFileSync(at('reviews.csv'), toCsv(makeReviews(20)));
      const outcome = await graftHere(args(), env);
      expect(outcome.stderr).to.match(message);
      expect(outcome.status).to.equal(status);
    });
  }

  it('warns where nothing tells the backbone where the second text begins', async () => {
    const data = ['--data', at('pairs.csv'), '--device', 'cpu'];
    const hashed = await graftHere(['cache', '--backbone', 'hashed-ngrams', ...data], env);
    expect(hashed.stderr).to.match(
      /warning: Nothing tells the backbone where the second text of a pair begins/,
    );
    mkdirSync(at('without'));
    writeFileSync(at('without/model.onnx'), randomBert({ vocabulary: 59, inputs: ['mask'] }));
    writeFileSync(at('without/tokenizer.json'), readFileSync(path.join(at('backbone'), 'tokenizer.json')));
    const marked = await graftHere(['cache', '--backbone', at('without/model.onnx'), ...data], env);
    expect(marked.status).to.equal(0);
    expect(marked.stderr).not.to.include('Nothing tells');
  });
});
