import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { ExampleCollector } from '../../src/dataset/collect-examples.js';
import type { Dataset } from '../../src/dataset/dataset.js';
import { splitDataset } from '../../src/dataset/split-dataset.js';
import { stratify } from '../../src/dataset/stratify.js';

const labels = Array.from({ length: 103 }, (_, i) => (i < 70 ? 0 : i < 95 ? 1 : 2));
const keysOf = (names: readonly number[]): Uint8Array =>
  Buffer.concat(names.map((name) => createHash('sha256').update(String(name)).digest()));

describe('A stratified split', () => {
  it('holds out the rounded share, every class giving its part', () => {
    const { train, validation } = splitDataset(labels, 3, { validation: 0.2 });
    expect(validation).to.have.length(21);
    expect([...train, ...validation].sort((a, b) => a - b)).to.deep.equal(labels.map((_, i) => i));
    const counts = [0, 1, 2].map((label) => [...validation].filter((row) => labels[row] === label).length);
    expect(counts).to.deep.equal([14, 5, 2]);
  });

  it('is the same for the same seed and another for another', () => {
    const split = (seed: number) => [...splitDataset(labels, 3, { seed }).validation];
    expect(split(5)).to.deep.equal(split(5));
    expect(split(5)).not.to.deep.equal(split(6));
  });

  it('follows the content, not the order, where keys are given', () => {
    const names = labels.map((_, i) => i);
    const order = [...names].reverse();
    const held = (rows: readonly number[]) => {
      const permuted = rows.map((row) => labels[row]!);
      const { validation } = splitDataset(permuted, 3, { keys: keysOf(rows) });
      return [...validation].map((at) => rows[at]!).sort((a, b) => a - b);
    };
    expect(held(order)).to.deep.equal(held(names));
  });

  it('holds nothing out at a share of 0', () => {
    const { train, validation } = splitDataset(labels, 3, { validation: 0 });
    expect([train.length, validation.length]).to.deep.equal([103, 0]);
  });

  it('trains on the example of a class that has one, and holds out of the others', () => {
    const { train, validation } = splitDataset([0, 0, 0, 0, 1, 0], 2, { validation: 0.2 });
    expect([...train]).to.include(4);
    expect(validation).to.have.length(1);
  });

  it('refuses where no class has two examples', () => {
    expect(() => splitDataset([0, 1], 2)).to.throw(/two examples or more .* --validation 0/);
  });
});

describe('The strata of numbers and of sets of labels', () => {
  const dataset = (task: 'regression' | 'multi', targets: Float32Array): Dataset => {
    const found = new ExampleCollector();
    for (let i = 0; i < targets.length; i++) found.add(String(i), { path: `${i}.png` });
    return { ...found.finish('here', 'images'), task, classes: ['y'], targets };
  };
  const rows = Array.from({ length: 20 }, (_, i) => i);

  it('give the share that is asked for, of twenty numbers too', () => {
    const numbers = Float32Array.from(rows, (i) => i / 2);
    for (const [share, held] of [
      [0.1, 2],
      [0.2, 4],
      [0.5, 10],
    ] as const) {
      const { of, count } = stratify(dataset('regression', numbers), rows, share);
      expect(splitDataset(of, count, { validation: share }).validation, `${share}`).to.have.length(held);
    }
  });

  it('give the share that is asked for, of sets of labels that are rare', () => {
    const pairs = { ...dataset('multi', new Float32Array(20)) };
    const examples = new ExampleCollector();
    for (const i of rows) examples.add(String(i >> 1), { path: `${i}.png` });
    const { of, count } = stratify(
      { ...pairs, examples: examples.finish('here', 'images').examples },
      rows,
      0.2,
    );
    expect(splitDataset(of, count, { validation: 0.2 }).validation).to.have.length(4);
  });
});
