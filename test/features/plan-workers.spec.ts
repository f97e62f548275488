import { expect } from 'chai';
import { mostPerBatch, parcelSize, planWorkers } from '../../src/features/plan-workers.js';

describe('What is handed to a worker at once', () => {
  const image = { kind: 'image', sizeBytes: 2 ** 20 } as const;

  it('is little until it is known how long an example takes, then 25 ms of work', () => {
    const plan = planWorkers({ modelBytes: 1e6, example: image });
    expect(parcelSize(plan, Number.NaN)).to.equal(4);
    expect([200, 7, 2.4, 1.5, 0.1].map((ms) => parcelSize(plan, ms))).to.deep.equal([
      4,
      4,
      10,
      16,
      mostPerBatch,
    ]);
  });

  it('is what was asked for, however fast the model is', () => {
    const plan = planWorkers({ modelBytes: 1e6, example: image, batch: 3 });
    expect(parcelSize(plan, 0.1)).to.equal(3);
  });

  it('does not change for texts, which are sorted by length in it, nor on a GPU, where it is a run of the model', () => {
    for (const plan of [
      planWorkers({ modelBytes: 1e6, example: { kind: 'text' } }),
      planWorkers({ modelBytes: 1e6, example: image, provider: 'cuda' }),
    ])
      expect(parcelSize(plan, 0.1)).to.equal(plan.batch);
  });
});
