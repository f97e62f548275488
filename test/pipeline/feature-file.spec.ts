import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { silentLogger } from '../../src/logger.js';
import { openFeatureFile } from '../../src/pipeline/feature-file.js';
import { loadFeatureParts } from '../../src/pipeline/feature-parts.js';
import { foldsOf } from '../../src/pipeline/folds-of-search.js';
import { loadPlaces } from '../../src/pipeline/load-places.js';
import { encodeSafetensors } from '../../src/tensor/safetensors.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { int64, madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

const set = madeUpFeatures({ rows: 40, dim: 3, classCount: 2 });
const classes = JSON.stringify(set.classes);
const rows = (value: (row: number) => number): Tensor =>
  int64(Array.from({ length: 40 }, (_, row) => value(row)));
const spoilt = (index: number, value: number): Tensor => {
  const features = set.features.slice();
  features[index] = value;
  return float32([40, 3], features);
};

describe('a file of features', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-features-'));
  const file = path.join(folder, 'features.safetensors');
  after(() => rmSync(folder, { recursive: true, force: true }));

  const load = async (options: Parameters<typeof openFeatureFile>[1] = {}) => {
    const opened = await openFeatureFile(file, options);
    try {
      return { opened, ...(await loadFeatureParts(opened)) };
    } finally {
      await opened.close();
    }
  };

  it('gives every row to one part, with its own label', async () => {
    writeFeatureFile(file, set);
    const { opened, train, validation } = await load({ validation: 0.25 });
    expect(validation!.rows).to.equal(10);
    for (const [part, chosen] of [
      [train, opened.train],
      [validation!, opened.validation],
    ] as const) {
      chosen.forEach((row, i) => {
        expect([...part.features.subarray(3 * i, 3 * i + 3)]).to.deep.equal([
          ...set.features.subarray(3 * row, 3 * row + 3),
        ]);
        expect(part.labels[i]).to.equal(set.labels[row]);
      });
    }
    expect([...opened.train, ...opened.validation].sort((a, b) => a - b)).to.deep.equal([
      ...Array(40).keys(),
    ]);
  });

  it('may say itself which rows validate, and which are left for a test', async () => {
    writeFeatureFile(file, set, { split: rows((row) => (row < 30 ? 0 : row < 36 ? 1 : 2)) });
    const { opened } = await load();
    expect([...opened.validation]).to.deep.equal([30, 31, 32, 33, 34, 35]);
    expect(opened.train).to.have.length(30);
  });

  it('may name groups, none of which is on both sides', async () => {
    writeFeatureFile(file, set, { groups: rows((row) => Math.floor(row / 4)) });
    const { opened } = await load();
    const groupsOf = (part: Int32Array) => new Set([...part].map((row) => Math.floor(row / 4)));
    const both = [...groupsOf(opened.train)].filter((group) => groupsOf(opened.validation).has(group));
    expect(both).to.deep.equal([]);
    expect(opened.validation.length).to.be.within(4, 12);
  });

  it('brings its groups and the task along to a search, so that no fold divides a group', async () => {
    writeFeatureFile(file, set, { groups: rows((row) => 1000 + Math.floor(row / 4)) });
    const [place] = await loadPlaces({ features: file, validation: 0, task: 'ordered' }, {});
    expect(place!.task).to.equal('ordered');
    const folds = foldsOf(place!.train, place!.groups, 5, { seed: 1, task: 'ordered', logger: silentLogger });
    for (let row = 0; row < 40; row++) expect(folds[row]).to.equal(folds[row - (row % 4)]);
    expect(new Set(folds).size).to.equal(5);
    const refusal = await loadPlaces({ features: file, task: 'regression' }, {}).catch(
      (error: Error) => error,
    );
    expect((refusal as Error).message).to.match(/there should be a tensor targets/);
  });

  it('may hold numbers or sets of labels in place of classes, read with the rows they belong to', async () => {
    const targets = float32(
      [40, 2],
      Float32Array.from({ length: 80 }, (_, i) => (i % 3) & 1),
    );
    writeFeatureFile(file, set, { targets });
    for (const task of ['regression', 'multi'] as const) {
      const { opened, train, validation } = await load({ task });
      expect(validation!.rows).to.equal(8);
      expect(train.labels).to.have.length(0);
      opened.train.forEach((row, i) =>
        expect([...train.targets!.subarray(2 * i, 2 * i + 2)]).to.deep.equal([
          ...targets.data.subarray(2 * row, 2 * row + 2),
        ]),
      );
    }
    writeFeatureFile(file, set, { targets: float32([40, 2], new Float32Array(80).fill(0.5)) });
    const failure = await load({ task: 'multi' }).catch((error: Error) => error);
    expect((failure as Error).message).to.match(/targets should be 0 or 1 but row 0, column 0 is 0.5/);
  });

  it('tells groups apart whose numbers differ in the last of 64 bits', async () => {
    const data = BigInt64Array.from({ length: 40 }, (_, row) => 2n ** 60n + BigInt(Math.floor(row / 10)));
    writeFeatureFile(file, set, { groups: { dtype: 'int64', dims: [40], data } });
    const { opened } = await load({ validation: 0.25 });
    expect(new Set(opened.trainGroups)).to.have.property('size', 3);
    expect(new Set(Array.from(opened.validation, (row) => Math.floor(row / 10)))).to.have.property('size', 1);
  });

  it('may hold one number a row as a vector, as NumPy has it', async () => {
    const values = Float32Array.from({ length: 40 }, (_, row) => row / 4);
    const tensors = new Map([
      ['features', float32([40, 3], set.features)],
      ['targets', float32([40], values)],
    ]);
    writeFileSync(file, encodeSafetensors(tensors, { classes: '["y"]' }));
    const { opened } = await load({ task: 'regression' });
    expect([...opened.targets.targets!]).to.deep.equal([...values]);
  });

  it('that has targets is told, where no task says what they are, which tasks do', async () => {
    const tensors = new Map([
      ['features', float32([40, 3], set.features)],
      ['targets', float32([40, 2], new Float32Array(80))],
    ]);
    writeFileSync(file, encodeSafetensors(tensors, { classes }));
    const failure = await load().catch((error: Error) => error);
    expect((failure as Error).message).to.match(/targets in place of labels.*--task multi or regression/);
  });

  const refused: readonly (readonly [
    name: string,
    tensors: Readonly<Record<string, Tensor>>,
    metadata: Record<string, string> | undefined,
    message: RegExp,
  ])[] = [
    ['a number that is none', { features: spoilt(7, Number.NaN) }, undefined, /row 2, column 1 is NaN/],
    [
      'an infinite number',
      { features: spoilt(0, Number.POSITIVE_INFINITY) },
      undefined,
      /row 0, column 0 is Infinity/,
    ],
    [
      'features of one axis',
      { features: float32([120], set.features) },
      undefined,
      /shape \[examples, numbers\]/,
    ],
    [
      'features in float64',
      { features: { dtype: 'float64', dims: [40, 3], data: Float64Array.from(set.features) } },
      undefined,
      /should be float32 but is float64/,
    ],
    ['too few labels', { labels: int64([0, 1, 0]) }, undefined, /labels should have the shape \[40\]/],
    [
      'a label beyond the classes',
      { labels: rows((row) => (row === 5 ? 9 : row % 2)) },
      undefined,
      /row 5 has the label 9/,
    ],
    [
      'a negative label',
      { labels: rows((row) => (row === 6 ? -1 : row % 2)) },
      undefined,
      /row 6 has the label -1/,
    ],
    ['no class names', {}, {}, /metadata should hold classes/],
    ['class names that are no JSON', {}, { classes: 'cat, dog' }, /JSON array of names/],
    ['one class twice', {}, { classes: '["a","a"]' }, /names a class twice/],
    [
      'one class in two spellings',
      {},
      { classes: '["caf\\u00e9","cafe\\u0301"]' },
      /twice, café \(in Unicode, composed/,
    ],
    [
      'a number of texts that no row has',
      {},
      { classes, texts: '3' },
      /texts should be "2" for features of pairs/,
    ],
    ['a class without rows', {}, { classes: '["a","b","c"]' }, /c has none; add rows, or leave/],
    ['a split that is none', { split: rows(() => 7) }, undefined, /the split 7/],
    [
      'a split that trains on nothing',
      { split: rows(() => 2) },
      undefined,
      /none of the rows is in the training part/,
    ],
  ];
  for (const [name, tensors, metadata = { classes }, message] of refused) {
    it(`with ${name} is refused`, async () => {
      writeFeatureFile(file, set, tensors, metadata);
      let error: unknown;
      await load().catch((thrown: unknown) => {
        error = thrown;
      });
      expect(String(error)).to.match(message);
    });
  }

  it('that is cut off, empty or no such file is refused', async () => {
    writeFeatureFile(file, set);
    const bytes = readFileSync(file);
    for (const length of [0, 5, 40, bytes.length - 1]) {
      writeFileSync(file, bytes.subarray(0, length));
      let error: unknown;
      await load().catch((thrown: unknown) => {
        error = thrown;
      });
      expect(String(error), `${length} bytes`).to.match(/GraftError.*not a readable safetensors file/);
    }
  });
});
