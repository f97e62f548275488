import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { splitDataset } from '../../src/dataset/split-dataset.js';

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

  it('refuses a class of a single example', () => {
    expect(() => splitDataset([0, 0, 1], 2)).to.throw(/two examples or more/);
  });
});
