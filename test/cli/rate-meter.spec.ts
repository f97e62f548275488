import { expect } from 'chai';
import { RateMeter } from '../../src/cli/rate-meter.js';

describe('Rate meter', () => {
  it('gives the rate of a steady task', () => {
    const meter = new RateMeter();
    let rate = 0;
    for (let second = 0; second <= 60; second++) rate = meter.add(75 * second, 1000 * second);
    expect(rate).to.equal(75);
  });

  it('forgets what was found in the cache within seconds', () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    meter.add(100_000, 100);
    let rate = 0;
    for (let second = 1; second <= 11; second++) rate = meter.add(100_000 + 50 * second, 100 + 1000 * second);
    expect(rate).to.be.closeTo(50, 1);
  });

  it('knows no rate from one moment, and none backwards', () => {
    const meter = new RateMeter();
    expect(meter.add(5, 10)).to.equal(0);
    expect(meter.add(3, 1010)).to.equal(0);
  });

  it('still compares where a step takes longer than the window', () => {
    const meter = new RateMeter();
    meter.add(0, 0);
    meter.add(1, 30_000);
    expect(meter.add(2, 60_000)).to.be.closeTo(1 / 30, 1e-9);
  });
});
