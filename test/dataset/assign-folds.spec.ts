import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { assignFolds, holdOutGroups } from '../../src/dataset/assign-folds.js';

/** Rows of groups of these sizes, one class; copies have the same key. */
function grouped(sizes: readonly number[]) {
  const groups = Int32Array.from(sizes.flatMap((size, group) => new Array<number>(size).fill(group)));
  const digest = (group: number) => createHash('sha256').update(String(group)).digest();
  return { groups, keys: Buffer.concat([...groups].map(digest)), labels: new Int32Array(groups.length) };
}

describe('A held-out part of whole groups', () => {
  it('is a sample of groups of all sizes: copies are not held out before single examples', () => {
    const sizes = Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 3 : 1));
    const { groups, keys, labels } = grouped(sizes);
    for (const seed of [1, 2, 3]) {
      const held = [...holdOutGroups(labels, 1, 0.2, { seed, groups, keys })];
      expect(held.length / groups.length).to.be.closeTo(0.2, 0.002);
      const copies = held.filter((row) => sizes[groups[row]!] === 3).length;
      // 300 of the 1200 rows are copies. Were the largest taken first, all of the 240 that are held would be.
      expect(copies, `seed ${seed}`).to.be.within(30, 96);
    }
  });

  it('holds each group out by chance, whatever its size', () => {
    const sizes = Array.from({ length: 20 }, (_, i) => 5 + i);
    const { groups, labels } = grouped(sizes);
    const times = new Float64Array(20);
    for (let seed = 0; seed < 300; seed++) {
      const held = holdOutGroups(labels, 1, 0.2, { seed, groups });
      for (const group of new Set([...held].map((row) => groups[row]!))) times[group]! += 1 / 300;
    }
    for (const [group, share] of times.entries()) expect(share, `group ${group}`).to.be.within(0.1, 0.35);
  });

  it('gives a small class an example where its groups allow it, and leaves it one', () => {
    const labels = [...new Array<number>(50).fill(0), 1, 1, 2, 3, 3];
    const groups = Int32Array.from(labels, (_, row) => (row >= 53 ? 53 : row));
    const held = [...holdOutGroups(labels, 4, 0.2, { groups })].map((row) => labels[row]!);
    expect([0, 1, 2, 3].map((label) => held.filter((own) => own === label).length)).to.deep.equal([
      10, 1, 0, 0,
    ]);
  });

  it('moves few of the others across where examples are added', () => {
    const before = grouped(new Array<number>(400).fill(2));
    const after = grouped(new Array<number>(404).fill(2));
    const held = [before, after].map(
      ({ labels, groups, keys }) => new Set(holdOutGroups(labels, 1, 0.2, { groups, keys })),
    );
    const moved = [...before.groups.keys()].filter((row) => held[0]!.has(row) !== held[1]!.has(row));
    expect(moved.length).to.be.at.most(8);
  });
});

describe('Folds of whole groups', () => {
  it('are of equal size where groups of many sizes allow it', () => {
    const { groups, labels } = grouped(Array.from({ length: 40 }, (_, i) => 1 + (i % 8)));
    const folds = assignFolds(labels, 1, 5, { groups });
    for (let fold = 0; fold < 5; fold++) expect(folds.filter((own) => own === fold)).to.have.lengthOf(36);
    for (const group of new Set(groups))
      expect(new Set(folds.filter((_, row) => groups[row] === group)).size, `group ${group}`).to.equal(1);
  });
});
