import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { type Outcome, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

interface Report {
  readonly task: string;
  readonly classes: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly train: Readonly<Record<string, number>>;
  readonly validation: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly neighbours?: Readonly<Record<string, number>>;
  readonly crossValidation?: object;
}

interface Row {
  readonly image: string;
  readonly label: string;
  readonly split?: string;
  readonly who?: string;
}

describe('what a data set hides', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const backbone = path.join(folder, 'tiny.onnx');
  const spec = path.join(folder, 'preprocess.json');
  let tables = 0;

  before(async () => {
    writeFileSync(backbone, tinyBackbone());
    writeFileSync(spec, JSON.stringify(preprocess));
    // image0 … image39, all different; copies are rows that name the same file.
    for (let i = 0; i < 40; i++) {
      const background = { r: 6 * i, g: 255 - 5 * i, b: (i * 97) % 256 };
      await sharp({ create: { width: 12, height: 12, channels: 3, background } })
        .png()
        .toFile(path.join(folder, `image${i}.png`));
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const rowsOf = (count: number, row: (i: number) => Partial<Row> & { label: string }): Row[] =>
    Array.from({ length: count }, (_, i) => ({ image: `image${i}.png`, ...row(i) }));

  function train(rows: readonly Row[], ...flags: string[]): string[] {
    const table = path.join(folder, `table${tables++}.csv`);
    const columns = ['image', 'label', 'split', 'who'] as const;
    const used = columns.filter((column) => rows.some((row) => row[column] !== undefined));
    writeFileSync(
      table,
      [used.join(), ...rows.map((row) => used.map((column) => row[column]).join())].join('\n'),
    );
    return [
      ...['train', '--backbone', backbone, '--layer', 'features', '--preprocess', spec, '--data', table],
      ...['--out', path.join(folder, 'run'), '--device', 'cpu', ...flags],
    ];
  }

  async function report(rows: readonly Row[], ...flags: string[]): Promise<Report & { said: string }> {
    const { status, stdout, stderr } = await graftHere([...train(rows, ...flags), '--json'], env);
    expect(status, stderr).to.equal(0);
    return { ...(JSON.parse(stdout) as Report), said: stderr };
  }

  function expectRefusal({ status, stderr }: Outcome, expected: number, message: RegExp): void {
    expect(stderr).to.match(message);
    expect(stderr).not.to.match(/\n\s+at /);
    expect(status).to.equal(expected);
  }

  const twoClasses = (i: number): { label: string } => ({ label: i % 2 ? 'odd' : 'even' });

  it('a test part: said once that no training uses it, with what does', async () => {
    const rows = rowsOf(30, (i) => ({ ...twoClasses(i), split: i < 20 ? 'train' : 'test' }));
    const { said, examples } = await report(rows);
    expect(examples).to.deep.equal({ train: 16, validation: 4 });
    expect(said.match(/test part/g)).to.have.length(1);
    expect(said).to.match(/The test part \(10 images\) is neither trained nor .*graft eval --split test/);
  });

  it('copies across given parts: said, and left out of training on request', async () => {
    const rows = [
      ...rowsOf(20, (i) => ({ ...twoClasses(i), split: i < 16 ? 'train' : 'validation' })),
      { image: 'image16.png', label: 'even', split: 'train' },
    ];
    const warned = await report(rows);
    expect(warned.said).to.match(
      /1 validation image also in the training part .*image16.*--duplicates remove/,
    );
    expect(warned.examples).to.deep.equal({ train: 17, validation: 4 });
    const removed = await report(rows, '--duplicates', 'remove');
    expect(removed.examples).to.deep.equal({ train: 16, validation: 4 });
    expect((await report(rows, '--duplicates', 'keep')).said).not.to.match(/also in the training part/);
  });

  it('copies of the test part: said, and left out of training on request', async () => {
    const rows = [
      ...rowsOf(20, (i) => ({ ...twoClasses(i), split: i < 16 ? 'train' : 'test' })),
      { image: 'image16.png', label: 'even', split: 'train' },
      { image: 'image17.png', label: 'even', split: 'train' },
      { image: 'image18.png', label: 'even', split: 'test' },
    ];
    const warned = await report(rows, '--validation', '0');
    expect(warned.said).to.match(
      /2 test images also in the training part .*image16\.png and .*image16\.png: .* flatters\. .*--duplicates remove/,
    );
    expect(warned.said).not.to.match(/are copies|is a copy|validation image/);
    expect(warned.examples).to.deep.equal({ train: 18, validation: 0 });
    const removed = await report(rows, '--validation', '0', '--duplicates', 'remove');
    expect(removed.said).to.match(/2 test images .*: the training copies are left out\./);
    expect(removed.examples).to.deep.equal({ train: 16, validation: 0 });
    expect((await report(rows, '--duplicates', 'keep')).said).not.to.match(/also in the training part/);
  });

  it('copies in a data set that is split here: they lie in one part', async () => {
    // Each image five times: a split that divided copies would hold some of one out.
    const rows = Array.from({ length: 5 }, () => rowsOf(12, twoClasses)).flat();
    const { said, examples } = await report(rows, '--validation', '0.3');
    expect(said).to.match(/48 images are copies .*same part/);
    expect(examples.validation % 5).to.equal(0);
    expect(examples.validation).to.be.within(10, 30);
    const removed = await report(rows, '--duplicates', 'remove');
    expect(removed.examples.train + removed.examples.validation).to.equal(12);
  });

  it('the same bytes with two labels: said with both, and left out on request', async () => {
    const rows = [...rowsOf(20, twoClasses), { image: 'image3.png', label: 'even' }];
    const warned = await report(rows);
    expect(warned.said).to.match(/1 image with two labels.*image3\.png \(odd\).*image3\.png \(even\)/);
    const removed = await report(rows, '--duplicates', 'remove');
    expect(removed.examples.train + removed.examples.validation).to.equal(19);
  });

  it('groups: none lies in two parts, and a given split that divides one is refused', async () => {
    const rows = rowsOf(40, (i) => ({ label: i % 2 ? 'odd' : 'even', who: `p${Math.floor(i / 8)}` }));
    const { examples } = await report(rows, '--group-column', 'who', '--validation', '0.2');
    expect(examples).to.deep.equal({ train: 32, validation: 8 });
    const divided = rows.map((row, i) => ({ ...row, split: i < 20 ? 'train' : 'validation' }));
    expectRefusal(
      await graftHere(train(divided, '--group-column', 'who'), env),
      1,
      /group .* two parts: .*image16.*image20/,
    );
    expectRefusal(await graftHere(train(rows, '--group-column', 'nobody'), env), 1, /column nobody/);
  });

  it('missing labels: left out, counted, with the first row', async () => {
    const rows = rowsOf(24, (i) => ({ label: i === 4 || i === 9 ? '' : twoClasses(i).label }));
    const { said, examples } = await report(rows);
    expect(said).to.match(/2 rows of .* without label left out, the first one row 6/);
    expect(examples.train + examples.validation).to.equal(22);
  });

  it('a class with fewer examples than folds: refused before anything is cached', async () => {
    const own = { GRAFT_CACHE: path.join(folder, 'none') };
    const rows = rowsOf(20, (i) => ({ label: i < 4 ? 'few' : 'many' }));
    const message = /Expected 4 training examples or more of every class for --folds 4, but "few" has 3/;
    expectRefusal(await graftHere(train(rows, '--folds', '4'), own), 1, message);
    const search = ['tune', ...train(rows, '--folds', '5').slice(1)];
    expectRefusal(await graftHere(search, own), 1, /for --folds 5, but "few" has 4/);
    const single = rowsOf(20, (i) => ({ label: i < 1 ? 'few' : 'many' }));
    expectRefusal(
      await graftHere(train(single, '--folds', '2'), own),
      1,
      /"few" has 1; add examples or leave the class out/,
    );
    const amounts = rowsOf(8, (i) => ({ label: String(i / 2) }));
    const flags = ['--task', 'regression', '--validation', '0', '--folds', '5'];
    expectRefusal(
      await graftHere(train(amounts, ...flags), own),
      1,
      /Expected 10 .* two each, as R².* are 8/,
    );
    expect(existsSync(own.GRAFT_CACHE)).to.equal(false);
    // What the test part alone has is in no fold.
    const known = rows.map((row, i) => ({ ...row, ...(i === 0 && { label: 'odd', split: 'test' }) }));
    const { crossValidation } = await report(known, '--folds', '2');
    expect(crossValidation).to.have.property('folds', 2);
  });

  it('a share to hold out of data with a validation part: said that it is not used, also by a search', async () => {
    const rows = rowsOf(20, (i) => ({ ...twoClasses(i), split: i < 16 ? 'train' : 'validation' }));
    const message = /--validation 0\.5 is not used: .*table.* says itself which 4 examples validate/;
    const { said, examples } = await report(rows, '--validation', '0.5');
    expect(said).to.match(message);
    expect(examples).to.deep.equal({ train: 16, validation: 4 });
    expect((await report(rows)).said).not.to.match(/not used/);
    for (const [flags, expected] of [
      [['--validation', '0.5'], message],
      [['--calibrate'], /^(?!.*not used)/s],
    ] as const) {
      const search = ['tune', ...train(rows, '--l2', '1', '--folds', '2', ...flags).slice(1)];
      const { status, stderr } = await graftHere(search, env);
      expect(status, stderr).to.equal(0);
      expect(stderr).to.match(expected);
    }
  });

  it('one amount held out: it has no R²', async () => {
    const rows = rowsOf(20, (i) => ({ label: String(i), split: i < 19 ? 'train' : 'validation' }));
    const { validation, metrics } = await report(rows, '--task', 'regression');
    expect(validation).to.have.keys('loss', 'mae', 'rmse');
    expect(metrics).not.to.have.property('r2');
    const { status, stderr } = await graftHere(['report', path.join(folder, 'run')], env);
    expect(status, stderr).to.equal(0);
  });

  it('classes that only the validation part has: said and left out of it', async () => {
    const rows = rowsOf(24, (i) => ({
      label: i >= 22 ? 'strange' : twoClasses(i).label,
      split: i < 16 ? 'train' : 'validation',
    }));
    const { said, examples, classes } = await report(rows);
    expect(said).to.match(/Class strange .* no training example/);
    expect(said).to.match(/2 of 8 validation examples have a label that training does not have/);
    expect(examples).to.deep.equal({ train: 16, validation: 6 });
    expect(classes).to.deep.equal(['even', 'odd']);
  });

  it('heavy imbalance and tiny classes: said with the remedy', async () => {
    const rows = rowsOf(40, (i) => ({ label: i < 37 ? 'much' : 'little' }));
    const { said } = await report(rows);
    expect(said).to.match(/A class is tiny: little \(2\)/);
    expect(said).to.match(/Heavy imbalance: 30 .* of much but 2 of little.*--class-weights balanced/);
    expect((await report(rows, '--class-weights', 'balanced')).said).not.to.match(/Heavy imbalance/);
  });

  it('imbalance in a file of features: said too', async () => {
    const features = path.join(folder, 'uneven.safetensors');
    const even = madeUpFeatures({ rows: 60, dim: 4, classCount: 2 });
    const labels = even.labels.map((_, row) => (row < 56 ? 0 : 1));
    writeFeatureFile(features, { ...even, labels });
    const { stderr } = await graftHere([
      'train',
      '--features',
      features,
      '--out',
      path.join(folder, 'uneven'),
    ]);
    expect(stderr).to.match(/Heavy imbalance: \d+ training examples .*--class-weights balanced/);
  });

  it('features that never differ: said', async () => {
    const features = path.join(folder, 'flat.safetensors');
    const set = madeUpFeatures({ rows: 40, dim: 3, classCount: 2 });
    const run = ['train', '--features', features, '--out', path.join(folder, 'flat')];
    for (const [values, message] of [
      [set.features.map((_, i) => [5, 0, -1e9][i % 3]!), /All \d+ training examples have the same features/],
      // A spread of exactly 1 is what constant features are scaled by.
      [set.features.map((_, i) => (i % 6 < 3 ? 1 : -1)), /^(?!.*have the same features)/s],
    ] as const) {
      writeFeatureFile(features, { ...set, features: values });
      const { status, stderr } = await graftHere([...run, '--validation', '0']);
      expect(status).to.equal(0);
      expect(stderr).to.match(message);
    }
  });

  it('neighbours beyond the training examples: said, and counted as they are', async () => {
    const few = await report(rowsOf(20, twoClasses), '--knn', '50');
    expect(few.said).to.match(/--knn 50 takes all 16 training examples/);
    expect(few.neighbours).to.include({ k: 16 });
  });

  it('labels that never differ: said, of sets and of amounts', async () => {
    const sets = rowsOf(40, (i) => ({ label: ['a|b', 'a'][i % 2]! }));
    expect((await report(sets, '--task', 'multi')).said).to.match(
      /Every training example has a\. A model learns nothing/,
    );
    const amounts = rowsOf(40, () => ({ label: '7' }));
    expect((await report(amounts, '--task', 'regression')).said).to.match(
      /The same amount in every .* value\./,
    );
  });

  it('no training part, and too few units that stay together: said as what they are', async () => {
    const refusal = async (rows: readonly Row[], ...flags: string[]): Promise<string> => {
      const { status, stderr } = await graftHere(train(rows, ...flags), env);
      expect(status).to.equal(1);
      return stderr;
    };
    const held = rowsOf(8, (i) => ({ label: 'ab'[i % 2]!, split: i < 4 ? 'test' : 'validation' }));
    expect(await refusal(held)).to.match(
      /None of the 8 images of .* is in the training part: a column split/,
    );
    const copies = Array.from({ length: 8 }, (_, i) => ({ image: 'image0.png', label: 'ab'[i % 2]! }));
    expect(await refusal(copies)).to.match(/examples with the same bytes\) is too few units, 1,/);
    const one = rowsOf(1, () => ({ label: '1.5' }));
    expect(await refusal(one, '--task', 'regression')).to.match(
      /Expected two examples or more to .* there is one;/,
    );
  });

  it('lists as labels: taken as several labels, and said; as one class each on request', async () => {
    const rows = rowsOf(40, (i) => ({ label: ['a|b', 'a', 'b', 'b;c'][i % 4]! }));
    const multi = await report(rows);
    expect(multi.said).to.match(/Labels of .* are lists.*"a\|b".*--task multi.*--task single/);
    expect(multi.task).to.equal('multi');
    expect(multi.classes).to.deep.equal(['a', 'b', 'c']);
    const single = await report(rows, '--task', 'single');
    expect(single.classes).to.deep.equal(['a', 'a|b', 'b', 'b;c']);
  });

  it('numbers: classes unless they are asked to be numbers or grades', async () => {
    const rows = rowsOf(40, (i) => ({ label: String(10 * (i % 4)) }));
    expect((await report(rows)).task).to.equal('single');
    const regression = await report(rows, '--task', 'regression');
    expect(regression.train).to.have.any.keys('r2');
    const ordered = await report(rows, '--task', 'ordered');
    expect(ordered.classes).to.deep.equal(['0', '10', '20', '30']);
    const words = rowsOf(40, (i) => ({ label: ['good', 'fair', 'poor'][i % 3]! }));
    expectRefusal(await graftHere(train(words, '--task', 'ordered'), env), 1, /order is not known.*--order/);
    const named = await report(words, '--task', 'ordered', '--order', 'poor,fair,good');
    expect(named.classes).to.deep.equal(['poor', 'fair', 'good']);
    expectRefusal(
      await graftHere(train(words, '--task', 'regression'), env),
      1,
      /Expected finite numbers .*"fair"/,
    );
  });

  it('flags that do not go together are refused before anything is cached', async () => {
    const rows = rowsOf(20, twoClasses);
    for (const [flags, message] of [
      [['--dropout', '0.5'], /--dropout is for --head mlp/],
      [['--mixup', '0.2'], /--mixup is for the solvers that go by epochs/],
      [['--solver', 'adamw', '--momentum', '0.5'], /--momentum .* --solver sgd/],
      [['--huber', '1'], /--huber is for --task regression/],
      [['--focal', '2', '--label-smoothing', '0.1'], /opposite directions/],
      [['--head', 'prototype', '--class-weights', 'balanced'], /--class-weights is about a loss/],
      [['--head', 'prototype', '--lr', '0.1'], /--lr is for heads that are trained/],
      [['--head', 'prototype', '--tolerance', '1'], /--tolerance is for heads that are trained/],
      [['--head', 'prototype', '--momentum', '0.5'], /--momentum is for heads that are trained/],
      [['--head', 'mlp', '--hidden', '512,x'], /--hidden.*512,x/],
      [['--order', 'even,odd'], /--order is for --task ordered, but the task is single/],
    ] as const) {
      expectRefusal(await graftHere(train(rows, ...flags), env), 2, message);
    }
    expectRefusal(
      await graftHere(train(rows, '--task', 'ordered', '--order', 'even,odd', '--head', 'prototype'), env),
      2,
      /prototype head is for classes/,
    );
  });

  it('a solver that prototypes have no use for is said', async () => {
    const flags = ['--head', 'prototype', '--solver', 'adamw'];
    const { status, stderr } = await graftHere(train(rowsOf(20, twoClasses), ...flags), env);
    expect(status, stderr).to.equal(0);
    expect(stderr).to.match(/--solver adamw is not used: a prototype head is computed/);
  });

  it('classes that a model does not know: refused where they are measured, and only there', async () => {
    const grade = (i: number) => ['poor', 'fair', 'good'][i % 3]!;
    const rows = rowsOf(30, (i) => ({
      label: i === 29 ? 'superb' : grade(i),
      split: i < 20 ? 'train' : i < 28 ? 'test' : 'validation',
    }));
    const flags = train(rows, '--task', 'ordered', '--order', 'poor,fair,good,superb');
    const run = await graftJsonHere<Report & { model: string }>(['run', ...flags.slice(1)], env);
    expect(run.classes).to.deep.equal(['poor', 'fair', 'good']);
    const call = ['eval', '--model', run.model, '--data', flags[flags.indexOf('--data') + 1]!];
    const measured = await graftJsonHere<{ examples: number; meanSteps: number }>(
      [...call, '--split', 'test'],
      env,
    );
    expect(measured.examples).to.equal(8);
    expect(measured.meanSteps).to.be.within(0, 2);
    expectRefusal(
      await graftHere([...call, '--split', 'validation'], env),
      1,
      /classes that .* does not know: superb\. It knows poor, fair, good; leave the others out/,
    );
  });

  it('an exported model says its task, and eval and predict go by it', async () => {
    const rows = rowsOf(40, (i) => ({ label: ['a|b', 'a', 'b'][i % 3]! }));
    const flags = train(rows, '--task', 'multi');
    const run = await graftJsonHere<Report & { model: string }>(['run', ...flags.slice(1)], env);
    const table = flags[flags.indexOf('--data') + 1]!;
    const evaluation = await graftJsonHere<Report & { examples: number }>(
      ['eval', '--model', run.model, '--data', table],
      env,
    );
    expect(evaluation.task).to.equal('multi');
    expect(evaluation.examples).to.equal(40);
    const [prediction] = await graftJsonHere<{ labels: string[]; scores: object }[]>(
      ['predict', '--model', run.model, path.join(folder, 'image0.png')],
      env,
    );
    expect(Object.keys(prediction!.scores)).to.deep.equal(['a', 'b']);
    expect(readFileSync(run.model).includes('graft.task')).to.equal(true);
  });
});
