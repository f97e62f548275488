import { expect } from 'chai';
import { ReadPace } from '../../src/sources/read-pace.js';

describe('Whether files are read in the calling thread', () => {
  /** How many of so many calls block, where each takes so long. */
  function blocked(calls: number, milliseconds: (call: number) => number): number {
    const pace = new ReadPace();
    let count = 0;
    for (let call = 0; call < calls; call++) {
      if (!pace.mayBlock()) continue;
      count++;
      pace.took(milliseconds(call));
    }
    return count;
  }

  it('all are where each takes a moment', () => {
    expect(blocked(10_000, () => 0.01)).to.equal(10_000);
  });

  it('all are where one in a hundred waits three milliseconds for the processor', () => {
    expect(blocked(10_000, (call) => (call % 100 === 0 ? 3 : 0.01))).to.equal(10_000);
  });

  it('few are where each waits ten milliseconds for a disk or a network', () => {
    expect(blocked(10_000, () => 10)).to.be.within(10, 50);
  });

  it('all are again once the wait is over', () => {
    const after = (from: number, to: number): number =>
      blocked(to, (call) => (call < from ? 10 : 0.01)) - blocked(from, () => 10);
    expect(after(2000, 12_000)).to.be.at.least(9700);
  });
});
