import { mkdtempSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { FeatureStore } from '../../src/features/feature-store.js';
import { loadFeatures } from '../../src/features/load-features.js';
import { openRows } from '../../src/features/row-reader.js';
import { createRng } from '../../src/rng.js';
import { source } from './tiny-backbone.js';

const dim = 40;
const perShard = 50;
const count = 6 * perShard;
const rng = createRng(3);
const keys = Uint8Array.from({ length: 32 * count }, () => rng.integer(256));

describe('rows read from shards', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-rows-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const fill = async (dtype: 'float32' | 'float16') => {
    const store = await FeatureStore.open(path.join(folder, dtype), { ...source, dim, dtype });
    for (let shard = 0; shard < count; shard += perShard) {
      const features = Float32Array.from({ length: perShard * dim }, () => rng.normal());
      await store.addShard({
        features,
        keys: keys.subarray(32 * shard, 32 * (shard + perShard)),
        skipped: [],
      });
    }
    return store;
  };

  for (const dtype of ['float32', 'float16'] as const) {
    it(`are those that loading all of them gives, in any order and with repeats (${dtype})`, async () => {
      const store = await fill(dtype);
      const all = await loadFeatures(store, keys);
      const reader = await openRows(store, keys);
      const rising = Array.from({ length: count }, (_, row) => row);
      const orders = {
        rising,
        'every other': rising.filter((row) => row % 2 === 0),
        shuffled: rng.shuffle([...rising]),
        repeated: [7, 7, 3, 299, 3, 150],
        none: [],
      };
      for (const [name, order] of Object.entries(orders)) {
        const found = new Float32Array(order.length * dim);
        await reader.read(order, found);
        const expected = order.flatMap((row) => [...all.subarray(row * dim, (row + 1) * dim)]);
        expect([...found], name).to.deep.equal(expected);
      }
      await reader.close();
    });
  }

  it('name the shard that was cut short in between', async () => {
    const store = await fill('float32');
    const reader = await openRows(store, keys);
    const { shard } = store.find(keys) as { shard: string };
    truncateSync(path.join(store.folder, shard), 4000);
    const failure = await reader.read([0, 49], new Float32Array(2 * dim)).catch((error: Error) => error);
    expect(failure).to.be.instanceOf(Error);
    expect((failure as Error).message)
      .to.contain(shard)
      .and.contain('cut short');
    await reader.close();
  });
});
