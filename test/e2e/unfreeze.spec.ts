import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import { generateDemoData } from '../../scripts/demo/generate-demo-data.js';
import type { Verification } from '../../src/export/compare-on-providers.js';
import { cutModel } from '../../src/graph/cut-model.js';
import { liftConstants } from '../../src/graph/lift-constants.js';
import { splitAfter } from '../../src/graph/split-after.js';
import { toTensor } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import type { ClassEvaluation } from '../../src/metrics/evaluation.js';
import type { RunEvaluation } from '../../src/pipeline/evaluate-run.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import type { RunReport } from '../../src/pipeline/run-all.js';
import type { TuneReport } from '../../src/pipeline/tuning-run.js';
import { writeSplitBackbone } from '../pipeline/split-backbone.js';
import { graft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';
import { essence, killWhen, linesOf, signalWhen } from './killed-run.js';

const readGraph = (file: string): Model => decodeModel(readFileSync(file), { path: file });
const weightOf = (model: Model, name: string) => toTensor(model.graph.initializers.get(name)!);

/** The nodes up to `layer`, at least so many, stand at the beginning of the merged model as they were. */
function expectSameNodes(backbone: string, layer: string, model: string, atLeast: number): void {
  const [original, merged] = [cutModel(readGraph(backbone), [layer]).graph, readGraph(model).graph];
  // The batch is made free, so a Reshape may read another shape; every other input stays.
  const shown = ({ opType, domain, name, inputs, outputs }: (typeof merged.nodes)[number]) => ({
    ...{ opType, domain, name, outputs },
    inputs: opType === 'Reshape' ? inputs.slice(0, 1) : inputs,
  });
  expect(original.nodes.length).to.be.at.least(atLeast);
  expect(merged.nodes.slice(0, original.nodes.length).map(shown)).to.deep.equal(original.nodes.map(shown));
}

describe('graft run --unfreeze', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const data = path.join(folder, 'photos');
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const backbone = writeSplitBackbone(folder);
  const common = [
    '--backbone',
    backbone,
    '--data',
    data,
    '--device',
    'cpu',
    '--layer',
    'last',
    '--pool',
    'avg',
  ];
  const unfreeze = (layer: string, out: string, ...more: string[]): string[] => [
    ...[
      'run',
      ...common,
      '--unfreeze',
      layer,
      '--out',
      path.join(folder, out),
      '--epochs',
      '6',
      '--lr',
      '0.01',
      '--batch',
      '32',
    ],
    ...more,
  ];
  let report: RunReport;

  before(async () => {
    await generateDemoData({ folder: data, seed: 3, perClass: 8 });
    report = await graftJsonHere<RunReport>(unfreeze('branch', 'run', '--calibrate'), env);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('brings the training loss under that of the head alone', () => {
    expect(report.train.loss).to.be.below(report.headAlone!.train.loss);
    expect(report.validation!.accuracy).to.be.at.least(report.headAlone!.validation!.accuracy!);
  });

  it('measures the layers as they were kept, calibrated, and shows all of it on the page', () => {
    const read = (name: string): string => readFileSync(path.join(report.run, name), 'utf8');
    const { part, evaluation, mistakes, calibration } = JSON.parse(
      read('evaluation.json'),
    ) as RunEvaluation & {
      evaluation: ClassEvaluation;
    };
    expect(part).to.equal('validation');
    expect(evaluation.accuracy).to.be.closeTo(report.validation!.accuracy!, 1e-12);
    expect(mistakes.length).to.equal(
      Math.min(12, Math.round((1 - evaluation.accuracy) * report.examples.validation)),
    );
    const { before, after } = calibration!;
    expect(before.loss).to.be.closeTo(report.validation!.loss, 1e-4);
    expect(after.loss).to.be.below(before.loss);
    expect(evaluation.loss).to.be.closeTo(after.loss, 1e-4);
    expect(read('report.html')).to.match(/Confusion[^]*Calibration/i);
  });

  it('exports the nodes of the backbone as they were, by operator, name and order', () => {
    expectSameNodes(backbone, 'last', report.model, 15);
  });

  it('writes new weights after the cut and leaves those before it bit for bit', () => {
    const [original, merged] = [readGraph(backbone), readGraph(report.model)];
    const bytes = (model: Model, name: string): string => String(weightOf(model, name).data);
    for (const name of ['stem/kernel', 'stem/norm/scale', 'shift', 'depthwise', 'pointwise', 'last/norm/mean', 'last/norm/var']) {
      expect(bytes(merged, name), name).to.equal(bytes(original, name));
    } // prettier-ignore
    for (const name of ['shared', 'last/kernel', 'last/norm/scale']) {
      expect(bytes(merged, name), name).not.to.equal(bytes(original, name));
    }
  });

  it('verifies on onnxruntime-node and onnxruntime-web', async () => {
    const args = ['verify', '--model', report.model, '--run', report.run];
    const { maxAbsDiff, providers } = await graftJsonHere<Verification>(args, env);
    expect(maxAbsDiff).to.be.below(1e-4);
    expect(providers.map(({ name }) => name)).to.include.members(['cpu', 'wasm']);
  });

  it('evaluates and predicts what training measured', async () => {
    const evaluation = await graftJsonHere<{ accuracy: number; examples: number }>(
      ['eval', '--model', report.model, '--data', data],
      env,
    );
    const { train, validation, examples } = report;
    const right = train.accuracy! * examples.train + validation!.accuracy! * examples.validation;
    expect(evaluation.examples).to.equal(examples.train + examples.validation);
    expect(evaluation.accuracy * evaluation.examples).to.be.closeTo(right, 1.01);
    const [prediction] = await graftJsonHere<Prediction[]>(
      ['predict', '--model', report.model, path.join(data, 'dots')],
      env,
    );
    expect(Object.keys(prediction!.scores!)).to.have.members([...report.classes]);
  });

  it('tells the weights, the disk and the memory before it begins, and computes nothing twice, in another process', async () => {
    const { stderr, status } = await graft([...unfreeze('branch', 'again', '--calibrate'), '--json'], env);
    expect(status).to.equal(0);
    expect(stderr).to.match(
      /Unfrozen after branch 4x16x16, half 4x16x16: [\d,]+ weights\. Activations take \d+ MB of disk for 48 examples as float32 .* memory/,
    );
    const [first, again] = ['run', 'again'].map((name) =>
      readFileSync(path.join(folder, name, 'model.onnx')),
    );
    expect(first!.equals(again!)).to.equal(true);
  });

  it('trains on float16 activations, with a running average and rates that fall layer by layer', async () => {
    const options = ['--dtype', 'float16', '--ema', '0.9', '--layer-decay', '0.8', '--weight-decay', '0.01'];
    const { headAlone, train } = await graftJsonHere<RunReport>(unfreeze('inner', 'half', ...options), env);
    expect(train.loss).to.be.below(headAlone!.train.loss);
  });

  it('tunes a float16 model by float32 weights and exports float16 ones', async () => {
    const half = path.join(folder, 'float16');
    mkdirSync(half);
    const file = writeSplitBackbone(half, { isHalf: true });
    const args = unfreeze('inner', 'float16-run').map((arg) => (arg === backbone ? file : arg));
    const { model, train, headAlone } = await graftJsonHere<RunReport>(args, env);
    expect(train.loss).to.be.below(headAlone!.train.loss);
    const [original, merged] = [readGraph(file), readGraph(model)];
    const [before, after] = [original, merged].map((graph) => weightOf(graph, 'last/kernel'));
    expect(after!.dtype).to.equal('float16');
    expect(String(after!.data)).not.to.equal(String(before!.data));
  });

  for (const isHalf of [false, true]) {
    it(`writes new ${isHalf ? 'float16' : 'float32'} weights where the file holds them as constants`, async () => {
      const other = path.join(folder, `constants-${isHalf}`);
      mkdirSync(other);
      const file = writeSplitBackbone(other, { isHalf, hasConstants: true });
      const args = unfreeze('inner', `constants-run-${isHalf}`).map((arg) => (arg === backbone ? file : arg));
      const { model, train, headAlone } = await graftJsonHere<RunReport>(args, env);
      expect(train.loss).to.be.below(headAlone!.train.loss);
      const [before, after] = [file, model].map((each) =>
        weightOf(liftConstants(readGraph(each)), 'last/kernel'),
      );
      expect(after!.dtype).to.equal(before!.dtype);
      expect(String(after!.data)).not.to.equal(String(before!.data));
    });
  }

  it('goes on to the same bits after a SIGKILL and a Ctrl-C', async () => {
    const long = (out: string): string[] => [
      ...[
        'train',
        ...common,
        '--cache',
        env.GRAFT_CACHE,
        '--unfreeze',
        'inner',
        '--out',
        path.join(folder, out),
      ],
      ...['--epochs', '11', '--batch', '4', '--threads', '1'],
    ];
    await graftJsonHere(long('whole'));
    // A state after every step, so that it is stopped within an epoch too.
    const call = [...long('ended'), '--checkpoint-seconds', '0'];
    const epochs = () => linesOf(path.join(folder, 'ended', 'metrics.jsonl'));
    expect(await killWhen(call, () => epochs() >= 2)).to.equal(true);
    const interrupted = await signalWhen(call, 'SIGINT', () => epochs() >= 5);
    expect(interrupted.status).to.equal(130);
    expect(interrupted.stderr).to.match(/Going on after epoch \d+ of the run/);
    expect(interrupted.stderr).to.match(/stopped (in|after) epoch \d+, which is kept/);
    const { status, stderr } = await graftHere(call);
    expect(status).to.equal(0);
    expect(stderr).to.match(/Going on after epoch [4-9] of the run/);
    expect(essence(path.join(folder, 'ended'))).to.deep.equal(essence(path.join(folder, 'whole')));
  });

  describe('and a search (graft run --tune)', () => {
    const search = ['--folds', '3', '--l2', '0.1,1', '--threads', '1'];
    const args = (command: 'run' | 'tune', out: string, ...more: string[]): string[] => [
      ...[command, ...common, ...search, '--out', path.join(folder, out), ...more],
      ...(command === 'run' ? ['--tune'] : []),
    ];
    let tuned: RunReport & { readonly tune: TuneReport };

    before(async () => {
      const tails = ['--unfreeze', 'inner,branch', '--tail-lrs', '0.002,0.02', '--tail-epochs', '4'];
      tuned = await graftJsonHere(args('run', 'searched', ...tails, '--select', 'best'), env);
    });

    it('judges layers and rates beside the head alone, on the same folds', () => {
      const { candidates, unfreezing, highest } = tuned.tune;
      const tails = candidates.filter(({ tail }) => tail);
      expect(candidates.length - tails.length).to.equal(2);
      expect(tails.map(({ tail }) => [tail!.unfreeze, tail!.lr, tail!.epochs])).to.deep.equal([
        ['inner', 0.002, 4],
        ['inner', 0.02, 4],
        ['branch', 0.002, 4],
        ['branch', 0.02, 4],
      ]);
      const { headAlone, tuned: best, gain } = unfreezing!;
      expect(gain.mean).to.be.closeTo(best.mean - headAlone.mean, 1e-12);
      expect(best.mean).to.equal(Math.max(...tails.map(({ mean }) => mean)));
      expect(highest.mean).to.equal(Math.max(...candidates.map(({ mean }) => mean)));
    });

    it('names a layer that does not exist before anything is computed', async () => {
      const unread = path.join(folder, 'unread');
      const { status, stderr } = await graftHere(
        [...args('tune', 'x', '--unfreeze', 'inner,brunch'), '--cache', unread],
        env,
      );
      expect(status).to.equal(1);
      expect(stderr).to.match(/brunch/);
      expect(existsSync(unread)).to.equal(false);
    });

    it('finds of layers that do not move what the head alone has in every fold', async () => {
      const { candidates } = tuned.tune;
      const still = await graftJsonHere<TuneReport>(
        args('tune', 'still', '--unfreeze', 'inner', '--lr', '1e-30', '--tail-epochs', '1'),
        env,
      );
      const [alone, tail] = [undefined, 'inner'].map((name) =>
        still.candidates.find(
          (one) => one.tail?.unfreeze === name && one.l2 === still.unfreezing!.headAlone.l2,
        ),
      );
      expect(tail!.folds).to.deep.equal(alone!.folds);
      expect(tail!.loss).to.be.closeTo(alone!.loss, 1e-3);
      expect(candidates.find(({ tail: moved }) => moved)!.loss).not.to.be.closeTo(alone!.loss, 1e-3);
    });

    it('trains what it kept on all photos, and exports and verifies it', () => {
      const { best } = tuned.tune;
      const { training } = JSON.parse(readFileSync(path.join(folder, 'searched', 'config.json'), 'utf8')) as {
        training: Record<string, unknown>;
      };
      expect(training.unfreeze).to.equal(best.tail?.unfreeze);
      expect(training.tailLr).to.equal(best.tail?.lr);
      expect(tuned.examples).to.deep.equal({ train: 48, validation: 0 });
      expect(tuned.verified.maxAbsDiff).to.be.below(1e-4);
    });

    it('lets the last epoch count, whatever the part says that is held out for a last judgement', async () => {
      const rates = ['--unfreeze', 'inner', '--tail-lrs', '0.02', '--tail-epochs', '6', '--select', 'best'];
      const { best, trained } = await graftJsonHere<TuneReport>(
        ['tune', ...common, '--folds', '3', '--l2', '1', '--threads', '1', ...rates].concat(
          ...['--validation', '0.25', '--out', path.join(folder, 'judged')],
        ),
        env,
      );
      expect(best.tail?.epochs).to.equal(6);
      expect(trained.stoppedAt).to.equal(6);
      expect(trained.examples).to.deep.equal({ train: 36, validation: 12 });
    });

    it('fits a head that goes by epochs as it was judged alone, of the same seed, before the layers move', async () => {
      const mlp = ['--head', 'mlp', '--hidden', '8', '--lr', '0.02', '--validation', '0', '--threads', '1'];
      const heads = ['--seeds', '4,5', '--epochs', '7', '--folds', '3', '--select', 'best'];
      const tails = ['--unfreeze', 'inner', '--tail-lrs', '0.01', '--tail-epochs', '4'];
      const { best, candidates, trained } = await graftJsonHere<TuneReport>(
        ['tune', ...common, ...mlp, ...heads, ...tails, '--out', path.join(folder, 'seeded')],
        env,
      );
      const alone = candidates
        .filter(({ tail }) => !tail)
        .reduce((one, other) => (other.mean > one.mean ? other : one));
      expect(best.tail).to.deep.include({
        unfreeze: 'inner',
        start: { solver: 'adamw', lr: 0.02, epochs: alone.epochs },
      });
      expect(best.seed).to.equal(alone.seed);
      const again = await graftJsonHere<RunReport>(
        ['train', ...common, ...mlp, '--epochs', `${alone.epochs}`, '--seed', `${alone.seed}`].concat(
          ...['--out', path.join(folder, 'alone')],
        ),
        env,
      );
      expect(trained.headAlone!.train.loss).to.be.closeTo(again.train.loss, 1e-4);
    });

    for (const [flags, says] of [
      [['--tail-lrs', '0.1'], /--tail-lrs is about layers that are unfrozen/],
      [['--unfreeze', 'inner', '--tail-lrs', '0.1,x'], /numbers above 0 .* --tail-lrs, .* "x"/],
      [['--unfreeze', 'inner', '--tail-epochs', '1.5'], /whole numbers for --tail-epochs but received 1.5/],
      [['--unfreeze', 'inner', '--no-warm-start'], /--no-warm-start leaves out/],
      [['--unfreeze', 'inner', '--lr-find'], /--lr-find is measured on heads alone/],
    ] as const) {
      it(`refuses ${flags.join(' ')}`, async () => {
        const { stderr, status } = await graftHere(args('tune', 'x', ...flags), env);
        expect(status).to.equal(2);
        expect(stderr).to.match(says);
      });
    }
  });

  it('refuses a step that needs more memory than there is, before anything is computed', async () => {
    const { stderr, status } = await graftHere(unfreeze('branch', 'huge', '--batch', '10000000'), env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/step of 10000000 examples .* GB of memory is free; lower --batch/);
    expect(existsSync(path.join(folder, 'huge', 'head.safetensors'))).to.equal(false);
  });

  it('leaves no head and no weights where the rates were too high', async () => {
    const rates = ['--lr', '1e30', '--clip-norm', '1e30', '--no-warm-start'];
    const { stderr, status } = await graftHere(unfreeze('branch', 'diverged', ...rates), env);
    expect(status).to.equal(1);
    expect(stderr).to.match(
      /The loss became infinite in epoch \d+; lower the learning rates with --lr and --tail-lr/,
    );
    for (const name of ['head.safetensors', 'backbone-weights.safetensors', 'model.onnx']) {
      expect(existsSync(path.join(folder, 'diverged', name)), name).to.equal(false);
    }
  });

  it('refuses flags of unfreezing where nothing is unfrozen', async () => {
    const { stderr, status } = await graftHere(
      ['train', ...common, '--out', path.join(folder, 'x'), '--tail-lr', '0.1'],
      env,
    );
    expect(status).to.equal(2);
    expect(stderr).to.match(/--tail-lr .* --unfreeze/);
  });

  for (const [flag, value] of [
    ['--mixup', '0.2'],
    ['--dropout', '0.2'],
    ['--knn', '3'],
  ] as const) {
    it(`refuses ${flag}, which has no meaning there`, async () => {
      const of = flag === '--dropout' ? ['--head', 'mlp'] : [];
      const { stderr, status } = await graftHere(
        ['train', ...common, '--out', path.join(folder, 'x'), '--unfreeze', 'branch', ...of, flag, value],
        env,
      );
      expect(status).to.equal(2);
      expect(stderr).to.match(new RegExp(`${flag} is not for training with --unfreeze`));
    });
  }

  for (const [flags, message] of [
    [['--focal', '2', '--label-smoothing', '0.1'], /opposite directions/],
    [['--huber', '2'], /--huber is for --task regression, but the task is single/],
  ] as const) {
    it(`refuses ${flags.join(' ')} as without --unfreeze, before anything is cached`, async () => {
      const out = path.join(folder, 'no-loss');
      const { stderr, status } = await graftHere(
        ['train', ...common, '--out', out, '--unfreeze', 'branch', ...flags],
        env,
      );
      expect(status, stderr).to.equal(2);
      expect(stderr).to.match(message);
      expect(existsSync(out)).to.equal(false);
    });
  }

  it('trains the last block of NanoDet and writes it into the nodes that were there', async function () {
    const nanodet = path.resolve('../shared/models/nanodet_m.onnx');
    const digits = path.resolve('../shared/datasets/sign-digits');
    if (!existsSync(nanodet) || !existsSync(digits)) {
      console.log('      ../shared holds no NanoDet or no sign-digits: not tried');
      this.skip();
    }
    const few = path.join(folder, 'digits');
    for (const digit of ['0', '1', '2']) {
      mkdirSync(path.join(few, digit), { recursive: true });
      for (const name of readdirSync(path.join(digits, digit)).sort().slice(0, 1))
        copyFileSync(path.join(digits, digit, name), path.join(few, digit, name));
    }
    const { model, verified } = await graftJsonHere<RunReport>(
      [
        ...[
          'run',
          '--backbone',
          nanodet,
          '--data',
          few,
          '--device',
          'cpu',
          '--layer',
          '690',
          '--pool',
          'avg',
        ],
        ...[
          '--unfreeze',
          '658',
          '--dtype',
          'float16',
          '--epochs',
          '1',
          '--batch',
          '2',
          '--validation',
          '0',
          '--lr',
          '0.001',
        ],
        ...['--out', path.join(folder, 'nanodet')],
      ],
      env,
    );
    expectSameNodes(nanodet, '690', model, 150);
    const [before, after] = [readGraph(nanodet), readGraph(model)].map(({ graph }) => graph);
    const moved = [...before!.initializers.keys()].filter(
      (name) =>
        after!.initializers.has(name) &&
        !isDeepStrictEqual(
          toTensor(before!.initializers.get(name)!).data,
          toTensor(after!.initializers.get(name)!).data,
        ),
    );
    const behind = new Set(
      splitAfter(cutModel(readGraph(nanodet), ['690']), '658').tail.graph.initializers.keys(),
    );
    expect(moved).to.not.be.empty;
    expect([...behind]).to.include.members(moved);
    expect(verified.maxAbsDiff).to.be.below(1e-4);
  });

  it('names the layer that does not exist', async () => {
    const { stderr, status } = await graftHere(unfreeze('brunch', 'x'), env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/brunch/);
  });
});
