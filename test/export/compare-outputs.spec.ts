import { expect } from 'chai';
import { compareOutputs } from '../../src/export/compare-outputs.js';

describe('Outputs of an exported file', () => {
  const outputs = (...logits: number[]) => new Map([['logits', Float32Array.from(logits)]]);
  const byCpu = outputs(1, -2, 50);

  it('are right within 1e-4 of those of backbone and head, in units of what is above 1', () => {
    expect(compareOutputs([outputs(1.00005, -2, 50.004)], byCpu)).to.include({ isRight: true });
    expect(compareOutputs([outputs(1, -2, 50.006)], byCpu)).to.include({ isRight: false });
  });

  it('are wrong where any of several runs is', () => {
    expect(compareOutputs([byCpu, outputs(1.1, -2, 50)], byCpu).isRight).to.equal(false);
  });

  it('are right where the backbone alone differs from the CPU, and the file gives what backbone and head give there', () => {
    const found = compareOutputs([outputs(1.5, -2, 50)], byCpu, outputs(1.50001, -2, 50));
    expect(found).to.include({ isRight: true }).and.not.have.property('rounding');
    expect(found.maxAbsDiff).to.be.closeTo(1e-5 / 1.5, 1e-6);
    expect(found.fromCpu).to.be.closeTo(0.5, 1e-6);
  });

  it('are right where they are off by no more than some times the rounding of backbone and head, which is told', () => {
    const byOwn = outputs(1.001, -2, 50);
    const found = compareOutputs([outputs(1.004, -2, 50)], byCpu, byOwn);
    expect(found.isRight).to.equal(true);
    expect(found.rounding).to.be.closeTo(0.001, 1e-6);
    expect(compareOutputs([outputs(1.006, -2, 50)], byCpu, byOwn).isRight).to.equal(false);
  });

  it('are wrong where that rounding is more than a hundredth, which is told', () => {
    const found = compareOutputs([outputs(1.03, -2, 50)], byCpu, outputs(1.02, -2, 50));
    expect(found.isRight).to.equal(false);
    expect(found.rounding).to.be.closeTo(0.02, 1e-6);
    const other = compareOutputs([outputs(1.2, -2, 50)], byCpu, outputs(1.02, -2, 50));
    expect(other).to.include({ isRight: false }).and.not.have.property('rounding');
  });

  it('are wrong where there are others in number, or no numbers, on whichever provider', () => {
    for (const found of [outputs(1, -2), outputs(1, -2, Number.NaN)]) {
      expect(compareOutputs([found], byCpu).isRight).to.equal(false);
      expect(compareOutputs([byCpu, found], byCpu, byCpu)).to.deep.equal({
        isRight: false,
        maxAbsDiff: Number.NaN,
      });
    }
  });
});
