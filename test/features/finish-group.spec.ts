import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import { GroupFinish } from '../../src/features/finish-group.js';

describe('Finishing a group before one stops', () => {
  const asked = AbortSignal.abort();

  it('is nothing to do before one is asked to stop', () => {
    expect(new GroupFinish(undefined).mustStop(0, 1)).to.equal(false);
    expect(new GroupFinish(new AbortController().signal).mustStop(100, 1e6)).to.equal(false);
  });

  it('goes on to its end, and no further', () => {
    const finish = new GroupFinish(asked);
    expect(finish.mustStop(100, 10)).to.equal(false);
    expect(finish.mustStop(1, 10)).to.equal(false);
    expect(finish.mustStop(0, 10)).to.equal(true);
  });

  it('is given up at once where it would take long, or where nothing is known', () => {
    expect(new GroupFinish(asked).mustStop(100, 100)).to.equal(true);
    expect(new GroupFinish(asked).mustStop(100, Number.POSITIVE_INFINITY)).to.equal(true);
    expect(new GroupFinish(asked).mustStop(100, Number.NaN)).to.equal(true);
  });

  it('is given up when its time is over, also where no example has come meanwhile', async () => {
    const stop = new AbortController();
    const finish = new GroupFinish(stop.signal, 20);
    expect(finish.over.aborted).to.equal(false);
    stop.abort();
    await wait(40);
    expect(finish.over.aborted).to.equal(true);
    expect(finish.mustStop(10, 1)).to.equal(true);
  });

  it('keeps no timer after its end', async () => {
    const stop = new AbortController();
    const finish = new GroupFinish(stop.signal, 10);
    finish.end();
    stop.abort();
    await wait(20);
    expect(finish.over.aborted).to.equal(false);
  });

  it('is given up where it takes longer than it seemed', async () => {
    const finish = new GroupFinish(asked, 20);
    expect(finish.mustStop(10, 1)).to.equal(false);
    await wait(30);
    expect(finish.mustStop(5, 1)).to.equal(true);
  });
});
