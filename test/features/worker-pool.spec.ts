import { readFile } from 'node:fs/promises';
import { expect } from 'chai';
import type { BatchFeatures } from '../../src/features/worker-messages.js';
import { WorkerPool } from '../../src/features/worker-pool.js';
import { slowBackbone } from './slow-backbone.js';
import { dim, drawImages, pixels, scratchFolder } from './tiny-backbone.js';

describe('A pool that is closed while its workers run the model', function () {
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

  /** Batches, of which the model takes longer for one than a worker without work may take to end. */
  function begin(count: number): { pool: WorkerPool; results: Promise<BatchFeatures>[] } {
    const setup = {
      model: slowBackbone(1500),
      input: pixels,
      views: [undefined],
      outputs: [{ name: undefined, view: 0, dim }],
      perRun: 1,
      provider: 'cpu',
      pixelBytes: 2 ** 20,
      threads: 1,
    } as const;
    const pool = new WorkerPool(setup, 1, 1);
    const batch = () => ({ examples: [image.slice()], keys: [new Uint8Array(32)], views: [0] });
    return { pool, results: Array.from({ length: count }, () => pool.run(batch())) };
  }

  it('waits for what they have', async () => {
    const { pool, results } = begin(3);
    await results[0];
    await pool.close();
    const values = (await Promise.all(results)).map(({ features }) => features[0]![0]);
    expect(values[0]).to.be.above(0);
    expect(new Set(values).size).to.equal(1);
  });

  it('drops what they have not begun where it is not wanted', async () => {
    const { pool, results } = begin(20);
    const ends = Promise.allSettled(results);
    await results[0];
    await pool.close(false);
    // So many that it cannot have begun.
    expect((await ends).at(-1)).to.have.nested.property('reason.code', 'INTERRUPTED');
  });
});
