import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { decodeModel } from '../../src/onnx/read-model.js';
import type { TrainReport } from '../../src/pipeline/training-run.js';
import type { TuneReport } from '../../src/pipeline/tuning-run.js';
import { drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { graftJson, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('graft tune', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const features = path.join(folder, 'features.safetensors');
  const backbone = path.join(folder, 'tiny.onnx');
  const data = path.join(folder, 'data');
  const out = path.join(folder, 'run');
  let report: TuneReport;

  before(async () => {
    writeFeatureFile(features, madeUpFeatures({ rows: 160, dim: 8, classCount: 3 }));
    writeFileSync(backbone, tinyBackbone());
    writeFileSync(`${backbone}.preprocess.json`, JSON.stringify(preprocess));
    await drawImages(path.join(data, 'a'), 8, 1);
    await drawImages(path.join(data, 'b'), 8, 2);
    report = await graftJsonHere<TuneReport>(
      ['tune', '--features', features, '--out', out, '--learning-curve', '--lr-find', '--threads', '1'],
      env,
    );
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('judges twelve penalties on five folds and trains the simplest within one standard error', () => {
    expect(report.candidates).to.have.length(12);
    for (const { folds, mean } of report.candidates) {
      expect(folds).to.have.length(5);
      expect(folds.reduce((a, b) => a + b) / 5).to.be.closeTo(mean, 1e-12);
    }
    const best = Math.max(...report.candidates.map(({ mean }) => mean));
    expect(report.highest.mean).to.equal(best);
    const near = report.candidates.filter(({ mean }) => mean >= best - report.standardError);
    expect(report.best.l2).to.equal(Math.max(...near.map(({ l2 }) => l2)));
    const { training } = JSON.parse(readFileSync(path.join(out, 'config.json'), 'utf8')) as {
      training: { l2: number };
    };
    expect(training.l2).to.equal(report.best.l2);
  });

  it('takes as many folds as the smallest class has where none are named, says so, and goes on with them named', async () => {
    const { features: all, labels: labelled, ...set } = madeUpFeatures({ rows: 60, dim: 8, classCount: 3 });
    const small = path.join(folder, 'small.safetensors');
    const write = (most: number): void => {
      const kept = [0, 1, 2].flatMap((label) => {
        const own = [...labelled.keys()].filter((row) => labelled[row] === label);
        return own.slice(0, label === 1 ? most : 8);
      });
      const features = Float32Array.from(kept.flatMap((row) => [...all.slice(8 * row, 8 * (row + 1))]));
      const labels = Int32Array.from(kept, (row) => labelled[row]!);
      writeFeatureFile(small, { ...set, rows: kept.length, features, labels });
    };
    const args = (name: string, ...flags: string[]): string[] => [
      ...['tune', '--features', small, '--out', path.join(folder, name), '--l2', '1,10', '--threads', '1'],
      ...flags,
    ];
    write(3);
    const unnamed = await graftHere(args('three', '--learning-curve', '--json'), env);
    expect(unnamed.status, unnamed.stderr).to.equal(0);
    const said = unnamed.stderr.split('\n').filter((line) => line.includes('on 3 folds in place of 5'));
    expect(said).to.have.length(1);
    expect(said[0]).to.match(/the smallest class, "class 1", has 3 training examples/);
    const three = JSON.parse(unnamed.stdout) as TuneReport;
    expect(three.folds).to.equal(3);
    for (const { folds } of three.candidates) expect(folds).to.have.length(3);
    const named = await graftHere(args('named', '--folds', '3', '--json'), env);
    expect(named.stderr).not.to.contain('in place of');
    const { candidates } = JSON.parse(named.stdout) as TuneReport;
    expect(candidates.map(({ folds }) => folds)).to.deep.equal(three.candidates.map(({ folds }) => folds));

    const run = await graftHere(
      ['run', '--tune', '--backbone', backbone, '--data', data, '--out', path.join(folder, 'run-of-few'), '--l2', '1',
        '--validation', '0.6', '--device', 'cpu'], // prettier-ignore
      env,
    );
    expect(run.status, run.stderr).to.equal(0);
    expect(run.stderr).to.match(/on 3 folds in place of 5/);

    const refused = await graftHere(args('refused', '--folds', '4'), env);
    expect(refused.status).to.equal(1);
    expect(refused.stderr).to.match(/for --folds 4, but "class 1" has 3; lower --folds/);
    write(1);
    const alone = await graftHere(args('alone'), env);
    expect(alone.status).to.equal(1);
    expect(alone.stderr).to.match(/"class 1" has 1; add examples or leave the class out/);
    expect(alone.stderr).not.to.contain('in place of');
  });

  it('says once what both the search and the training come upon', async () => {
    const once = path.join(folder, 'once');
    const args = ['tune', '--backbone', backbone, '--data', data, '--out', once, '--folds', '2', '--l2', '1'];
    const { status, stderr } = await graftHere([...args, '--device', 'cpu'], env);
    expect(status, stderr).to.equal(0);
    const lines = stderr.trim().split('\n');
    expect(lines).to.deep.equal([...new Set(lines)]);
    expect(stderr).to.match(/Running on the CPU/);
  });

  it('judges candidates on the views they are trained with, as the folds of a training do', async () => {
    const common = [
      '--backbone',
      backbone,
      '--data',
      data,
      '--folds',
      '3',
      '--device',
      'cpu',
      '--threads',
      '1',
    ];
    const viewed = [...common, '--views', '2', '--augment', 'crop,flip'];
    const at = (name: string): string[] => ['--out', path.join(folder, name)];
    const searched = await graftJsonHere<TuneReport>(['tune', ...viewed, '--l2', '1', ...at('views')], env);
    const train = ['train', '--validation', '0', '--l2', '1'];
    const trained = await graftJsonHere<TrainReport>([...train, ...viewed, ...at('views-alone')], env);
    const plain = await graftJsonHere<TrainReport>([...train, ...common, ...at('no-views')], env);
    const [candidate] = searched.candidates;
    // All folds of a search share one sweep; those of a training are fitted one by one, to the same optimum.
    expect(candidate!.loss).to.be.closeTo(trained.crossValidation!.loss.mean, 1e-4);
    expect(candidate!.loss).not.to.be.closeTo(plain.crossValidation!.loss.mean, 1e-3);
    expect(searched.trained.objective).to.equal(trained.objective);
    const refused = await graftHere(['tune', ...viewed, '--unfreeze', 'a', ...at('both')], env);
    expect(refused.status).to.equal(2);
    expect(refused.stderr).to.match(/--views .* does not go with --unfreeze/);
    expect(existsSync(path.join(folder, 'both'))).to.equal(false);
  });

  it('leaves what it found in the run folder, with plots of the curve and the rates', () => {
    const saved = JSON.parse(readFileSync(path.join(out, 'tune.json'), 'utf8')) as TuneReport;
    expect(saved.candidates).to.deep.equal(report.candidates);
    for (const file of [report.learningCurve!.svg, report.lrFind!.svg]) {
      expect(readFileSync(file, 'utf8'))
        .to.match(/^<svg .*<\/svg>\n$/s)
        .and.not.to.match(/NaN|Infinity/);
    }
    expect(report.learningCurve!.sizes.map(({ share }) => share)).to.deep.equal([0.1, 0.2, 0.4, 0.7, 1]);
    expect(report.lrFind!.suggestion).to.be.above(0);
    expect(existsSync(path.join(out, 'tune-progress.json'))).to.equal(false);
  });

  it('is told in the report of the run, which a training that replaces the run does without', async () => {
    const run = path.join(folder, 'replaced');
    cpSync(out, run, { recursive: true });
    const page = async (): Promise<string> => {
      await graftJsonHere(['report', run], env);
      return readFileSync(path.join(run, 'report.html'), 'utf8');
    };
    const [table] = /<table class="search">.*?<\/table>/s.exec(await page())!;
    expect(table.match(/<tr>/g)).to.have.length(13);
    expect(table.match(/<td>\*<\/td><td>linear<\/td><td>lbfgs<\/td><td>([^<]*)/)![1]).to.equal(
      String(report.best.l2),
    );
    expect((await page()).match(/src="data:image\/svg\+xml;base64,/g)).to.have.length(2);
    expect(await page(), 'not the training figures alone').to.match(
      new RegExp(
        `Cross-validated over 5 folds, by which it was chosen: accuracy ${(100 * report.best.mean).toFixed(1)} % ± `,
      ),
    );
    // Its plots are those beside it: a folder may have moved, or come from anybody.
    const secret = path.join(folder, 'secret.txt');
    writeFileSync(secret, 'of nobody else');
    const tuned = JSON.parse(readFileSync(path.join(run, 'tune.json'), 'utf8')) as TuneReport;
    const learningCurve = { ...tuned.learningCurve!, svg: secret };
    const lrFind = { ...tuned.lrFind!, svg: 'C:\\runs\\a\\lr-find.svg' };
    writeFileSync(path.join(run, 'tune.json'), JSON.stringify({ ...tuned, learningCurve, lrFind }));
    const moved = await page();
    expect(moved).not.to.contain(Buffer.from('of nobody else').toString('base64'));
    expect(moved).to.contain(readFileSync(path.join(run, 'lr-find.svg')).toString('base64'));
    writeFileSync(path.join(run, 'model.onnx'), 'of the run before');
    await graftJsonHere(['train', '--features', features, '--out', run, '--threads', '1'], env);
    for (const name of ['model.onnx', 'tune.json', 'learning-curve.svg', 'lr-find.svg'])
      expect(existsSync(path.join(run, name)), name).to.equal(false);
    expect(await page()).not.to.contain('class="search"');
  });

  it('finds the same again, in another process', async () => {
    const again = await graftJson<TuneReport>(
      ['tune', '--features', features, '--out', path.join(folder, 'again'), '--threads', '1'],
      env,
    );
    expect(again.candidates).to.deep.equal(report.candidates);
  });

  it('has the views of compared layers at once, the same that each layer alone has', async () => {
    const maps = decodeModel(readFileSync(backbone), { path: backbone }).graph.nodes.find(
      ({ opType }) => opType === 'Relu',
    )!.outputs[0]!;
    const fresh = { GRAFT_CACHE: path.join(folder, 'cache-of-views') };
    const flags = '--views 2 --augment crop,flip --folds 3 --l2 1 --device cpu --threads 1'.split(' ');
    const search = (name: string, ...more: string[]) =>
      graftJsonHere<TuneReport>(
        ['tune', '--backbone', backbone, '--data', data, '--out', path.join(folder, name), ...flags, ...more],
        fresh,
      );
    const { candidates } = await search('viewed-layers', '--layers', `${maps},features`);
    const computed = async () =>
      (await graftJsonHere<{ computed: number }>(['cache', 'stats'], fresh)).computed;
    const together = await computed();
    for (const layer of [maps, 'features']) {
      const alone = await search(`viewed-${layer.replaceAll('/', '-')}`, '--layer', layer);
      const compared = candidates.find((candidate) => candidate.layer === layer)!;
      expect(compared.loss, layer).to.be.closeTo(alone.candidates[0]!.loss, 1e-9);
    }
    expect(await computed()).to.equal(together);
  });

  it('compares layers that are cached in one pass, and exports and verifies what it kept', async () => {
    const maps = decodeModel(readFileSync(backbone), { path: backbone }).graph.nodes.find(
      ({ opType }) => opType === 'Relu',
    )!.outputs[0]!;
    const run = path.join(folder, 'layers');
    const { tune, verified } = await graftJsonHere<{ tune: TuneReport; verified: { maxAbsDiff: number } }>(
      // prettier-ignore
      ['run', '--tune', '--backbone', backbone, '--data', data, '--out', run, '--device', 'cpu',
        '--layers', `${maps},features`, '--folds', '3', '--l2', '1,10', '--threads', '1'],
      env,
    );
    expect(tune.candidates.map(({ layer, l2 }) => [layer, l2])).to.deep.equal([
      [maps, 1],
      [maps, 10],
      ['features', 1],
      ['features', 10],
    ]);
    expect(verified.maxAbsDiff).to.be.below(1e-4);
    expect(existsSync(path.join(run, 'model.onnx'))).to.equal(true);
  });

  for (const [title, flags, status, message] of [
    ['more folds than examples', ['--folds', '500'], 1, /160 .*--folds|--folds 500 but there are 160/],
    ['a fold for less than one example of a class', ['--folds', '100'], 1, /class.*"class \d" has \d+/],
    ['one fold', ['--folds', '1'], 2, /--folds/],
    ['a list with an empty item', ['--l2', '1,,3'], 2, /--l2 .*empty/],
    ['a rate of no number', ['--solvers', 'adamw', '--lr', 'fast'], 2, /--lr.*fast/],
    ['an unknown head', ['--heads', 'forest'], 2, /--heads.*forest/],
    ['layers of no backbone', ['--layers', 'auto'], 2, /--layers needs a backbone/],
  ] as const) {
    it(`refuses ${title}`, async () => {
      const outcome = await graftHere(
        ['tune', '--features', features, '--out', path.join(folder, 'wrong'), ...flags],
        env,
      );
      expect(outcome.stderr)
        .to.match(message)
        .and.not.to.match(/\n\s+at /);
      expect(outcome.status).to.equal(status);
    });
  }

  for (const [flags, message] of [
    [['--focal', '2', '--label-smoothing', '0.1'], /--focal and --label-smoothing pull in opposite/],
    [['--huber', '2'], /--huber is for --task regression/],
    [['--calibrate'], /--calibrate needs a validation part/],
    [['--mlflow', 'somewhere'], /Expected the address of an MLflow/],
    [['--momentum', '0.5'], /--momentum .* for --solver sgd/],
    [['--mixup', '0.2'], /--mixup is for the solvers that go by epochs/],
    [['--lr', '0.1'], /--lr is for the solvers that go by epochs/],
    [['--hidden', '16'], /--hidden is for --head mlp/],
    [['--layer-decay', '0.5'], /--layer-decay is about layers that are unfrozen/],
  ] as const) {
    it(`refuses ${flags.join(' ')} before the search where no candidate could be trained so`, async () => {
      const at = ['--features', features, '--out', path.join(folder, 'wrong')];
      const { status, stderr } = await graftHere(['tune', ...at, ...flags], env);
      expect(stderr)
        .to.match(message)
        .and.not.to.match(/Judging/);
      expect(status).to.equal(2);
    });
  }

  it('takes flags of some of its candidates, and searches with the momentum that it trains with', async () => {
    const of = ['--solvers', 'lbfgs,sgd', '--lr', '0.01', '--l2', '1', '--epochs', '3', '--threads', '1'];
    const search = async (name: string, ...flags: readonly string[]) =>
      graftJsonHere<TuneReport>(
        ['tune', '--features', features, '--out', path.join(folder, name), ...of, ...flags],
        env,
      );
    const lossesOf = ({ candidates }: TuneReport) => candidates.map(({ loss }) => loss);
    const [exact, fast] = lossesOf(await search('usual-momentum'));
    const [same, slow] = lossesOf(await search('momentum', '--momentum', '0', '--schedule', 'cosine'));
    expect(same).to.equal(exact);
    expect(slow).to.be.above(1.01 * fast!);
  });

  it('refuses an unknown layer and lists near names', async () => {
    const outcome = await graftHere(
      // prettier-ignore
      ['tune', '--backbone', backbone, '--data', data, '--out', path.join(folder, 'wrong'), '--device', 'cpu',
        '--layers', 'features,featurez'],
      env,
    );
    expect(outcome.stderr).to.match(/featurez.*features/s);
    expect(outcome.status).to.equal(1);
  });
});
