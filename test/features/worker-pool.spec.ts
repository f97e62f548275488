import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { BatchFeatures } from '../../src/features/worker-messages.js';
import { WorkerPool, type WorkerPoolOptions } from '../../src/features/worker-pool.js';
import { slowBackbone } from './slow-backbone.js';
import { dim, drawImages, pixels, scratchFolder } from './tiny-backbone.js';

describe('A pool', function () {
  this.timeout(30_000);
  let image: Uint8Array<ArrayBuffer>;
  let remove: () => Promise<void>;

  before(async () => {
    const scratch = await scratchFolder();
    remove = scratch.remove;
    const [file] = await drawImages(scratch.folder, 1);
    image = new Uint8Array(await readFile(file!.path));
  });

  after(() => remove());

  /** Batches of one image, and a model that multiplies matrices of `matrix` for each. */
  function begin(options: WorkerPoolOptions & { readonly batches: number; readonly matrix: number }): {
    pool: WorkerPool;
    results: Promise<BatchFeatures>[];
  } {
    const { batches, matrix, ...poolOptions } = options;
    const setup = {
      model: slowBackbone(matrix),
      input: pixels,
      views: [undefined],
      outputs: [{ name: undefined, view: 0, dim }],
      perRun: 1,
      provider: 'cpu',
      pixelBytes: 2 ** 20,
      threads: 1,
    } as const;
    const pool = new WorkerPool(setup, poolOptions);
    const batch = () => ({ examples: [image.slice()], keys: [new Uint8Array(32)], views: [0] });
    return { pool, results: Array.from({ length: batches }, () => pool.run(batch())) };
  }

  const firstValues = async (results: readonly Promise<BatchFeatures>[]) =>
    (await Promise.all(results)).map(({ features }) => features[0]![0]);
  /** Threads that this one has started and that have not ended. */
  const threads = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

  for (const usesCaller of [false, true]) {
    describe(`that is closed while ${usesCaller ? 'the calling thread' : 'a worker'} runs the model`, () => {
      // A run takes longer than a worker without work may take to end.
      const slow = { size: 1, usesCaller, closeTimeoutMs: 1, matrix: 1500 };

      it('waits for what it has', async () => {
        const { pool, results } = begin({ ...slow, batches: 3 });
        await results[0];
        await pool.close();
        const values = await firstValues(results);
        expect(values[0]).to.be.above(0);
        expect(new Set(values).size).to.equal(1);
      });

      it('drops what it has not begun where it is not wanted', async () => {
        const { pool, results } = begin({ ...slow, batches: 20 });
        const ends = Promise.allSettled(results);
        await results[0];
        await pool.close(false);
        // So many that it cannot have begun.
        expect((await ends).at(-1)).to.have.nested.property('reason.code', 'INTERRUPTED');
      });
    });
  }

  it('starts no more threads than there are batches', async () => {
    const { pool, results } = begin({ size: 3, usesCaller: false, matrix: 8, batches: 2 });
    const started = threads();
    await Promise.all(results);
    const after = threads();
    await pool.close();
    expect({ started, after }).to.deep.equal({ started: 2, after: 2 });
  });

  it('computes in the calling thread, and starts one thread less', async () => {
    const { pool, results } = begin({ size: 2, usesCaller: true, matrix: 8, batches: 12 });
    const started = threads();
    const alone = begin({ size: 1, usesCaller: false, matrix: 8, batches: 1 });
    const values = await firstValues([...results, ...alone.results]);
    await Promise.all([pool.close(), alone.pool.close()]);
    expect(started).to.equal(1);
    expect(new Set(values).size).to.equal(1);
  });

  it('leaves the calling thread once a run of the model blocks it for long', async () => {
    const { pool, results } = begin({ size: 1, usesCaller: true, matrix: 3000, batches: 3 });
    const started = threads();
    await results[0];
    await new Promise(setImmediate);
    const then = threads();
    const values = await firstValues(results);
    await pool.close();
    expect({ started, then }).to.deep.equal({ started: 0, then: 1 });
    expect(new Set(values).size).to.equal(1);
    expect(threads()).to.equal(0);
  });
});
