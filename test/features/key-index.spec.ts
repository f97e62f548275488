import { expect } from 'chai';
import { KeyIndex, keyBytes } from '../../src/features/key-index.js';
import { createRng } from '../../src/rng.js';

function randomKeys(count: number, seed: number): Uint8Array {
  const rng = createRng(seed);
  return Uint8Array.from({ length: count * keyBytes }, () => rng.integer(256));
}

describe('Key index', () => {
  it('numbers keys in the order they come and finds each again after growing', () => {
    const count = 5000;
    const keys = randomKeys(count, 1);
    const index = new KeyIndex(4);
    for (let i = 0; i < count; i++) expect(index.add(keys, i * keyBytes)).to.equal(i);
    for (let i = 0; i < count; i++) expect(index.find(keys, i * keyBytes)).to.equal(i);
    expect(index.size).to.equal(count);
    expect(index.keys).to.deep.equal(keys);
  });

  it('gives a known key its old number', () => {
    const keys = randomKeys(2, 2);
    const index = new KeyIndex();
    index.add(keys, 0);
    index.add(keys, keyBytes);
    expect([index.add(keys, 0), index.add(keys, keyBytes), index.size]).to.deep.equal([0, 1, 2]);
  });

  it('does not find keys that were never added', () => {
    const index = new KeyIndex();
    const keys = randomKeys(100, 3);
    for (let i = 0; i < 50; i++) index.add(keys, i * keyBytes);
    for (let i = 50; i < 100; i++) expect(index.find(keys, i * keyBytes)).to.equal(-1);
  });

  it('tells keys apart that share every byte but the last', () => {
    const index = new KeyIndex();
    const keys = new Uint8Array(200 * keyBytes);
    for (let i = 0; i < 200; i++) keys[i * keyBytes + keyBytes - 1] = i;
    for (let i = 0; i < 200; i++) index.add(keys, i * keyBytes);
    for (let i = 0; i < 200; i++) expect(index.find(keys, i * keyBytes)).to.equal(i);
  });
});
