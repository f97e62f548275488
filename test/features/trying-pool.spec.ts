import { expect } from 'chai';
import type { Division } from '../../src/features/plan-workers.js';
import { TryingPool, type TryingPoolOptions } from '../../src/features/trying-pool.js';
import type { BatchFeatures } from '../../src/features/worker-messages.js';
import { WorkerPool } from '../../src/features/worker-pool.js';
import { readFile } from 'node:fs/promises';
import { slowBackbone } from './slow-backbone.js';
import { dim, drawImages, pixels, scratchFolder } from './tiny-backbone.js';

/** Ten times apart and more, so that a pause of the machine in a trial does not turn them round. */
const [slow, fast] = [slowBackbone(768), slowBackbone(8)];
/** The number of threads stands for the way, whose speed is certain: that of its model. */
const [slowWay, fastWay]: readonly Division[] = [
  { workers: 1, threads: 2 },
  { workers: 1, threads: 1 },
];

describe('Trying ways to divide the cores', () => {
  let images: Uint8Array[];
  let remove: () => Promise<void>;

  before(async () => {
    const scratch = await scratchFolder();
    remove = scratch.remove;
    const files = await drawImages(scratch.folder, 8);
    images = await Promise.all(files.map(async ({ path }) => new Uint8Array(await readFile(path))));
  });

  after(() => remove());

  function open(options: Pick<TryingPoolOptions, 'divisions'> & Partial<TryingPoolOptions>): TryingPool {
    return new TryingPool({
      open: ({ workers, threads }) =>
        new WorkerPool(
          {
            model: threads === 2 ? slow : fast,
            input: pixels,
            views: [undefined],
            outputs: [{ name: undefined, view: 0, dim }],
            perRun: 1,
            provider: 'cpu',
            pixelBytes: 2 ** 20,
            threads: 1,
          },
          { size: workers, usesCaller: false },
        ),
      remaining: () => 1e6,
      trialSeconds: 0.3,
      worthSeconds: 1,
      ...options,
    });
  }

  /** Runs image after image until `isDone`, and tells what came of each. */
  async function work(pool: TryingPool, isDone: () => boolean): Promise<number[]> {
    const results: Promise<BatchFeatures>[] = [];
    for (let i = 0; !isDone(); i++) {
      await pool.room();
      const bytes = images[i % images.length]!.slice();
      results.push(pool.run({ examples: [bytes], keys: [new Uint8Array(32)], views: [0] }));
    }
    return (await Promise.all(results)).map(({ features }) => features[0]![0]!);
  }

  for (const [name, divisions] of [
    ['changes to a faster one', [slowWay!, fastWay!]],
    ['comes back from a slower one', [fastWay!, slowWay!]],
  ] as const) {
    it(`${name}, and every example gets its own features all the while`, async () => {
      const pool = open({ divisions });
      let more = 20;
      const values = await work(pool, () => pool.tried === 2 && more-- === 0);
      await pool.close();
      expect(pool.division).to.equal(fastWay);
      const first = values.slice(0, images.length);
      expect(new Set(first).size).to.equal(images.length);
      values.forEach((value, i) => expect(value).to.equal(first[i % images.length]));
    });
  }

  it('tries none where little is left, or where there is only one', async () => {
    for (const options of [
      { divisions: [slowWay!, fastWay!], remaining: () => 5 },
      { divisions: [slowWay!] },
    ]) {
      const pool = open(options);
      const started = performance.now();
      await work(pool, () => performance.now() - started > 700);
      await pool.close();
      expect(pool.division).to.equal(slowWay);
      expect(pool.tried).to.be.below(2);
    }
  });

  it('ends the threads of all of them when it is closed in the middle of a trial', async () => {
    const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const before = threads();
    const pool = open({ divisions: [slowWay!, fastWay!], trialSeconds: 0.3 });
    await work(pool, () => pool.division === fastWay);
    expect(threads()).to.be.above(before);
    await pool.close();
    expect(threads()).to.equal(before);
  });
});
