import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { extractFeatures } from '../../src/features/extract-features.js';
import { viewName } from '../../src/features/feature-key.js';
import type { FeatureStore } from '../../src/features/feature-store.js';
import { loadFeatures } from '../../src/features/load-features.js';
import { defaultAugment } from '../../src/image/augment-spec.js';
import { preprocessViews } from '../../src/image/preprocess-image.js';
import type { RandomView } from '../../src/image/random-view.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import {
  dim,
  drawImages,
  openTinyStore,
  pixels,
  preprocess,
  scratchFolder,
  side,
  tinyBackbone,
} from './tiny-backbone.js';

describe('Features of random views', function () {
  this.timeout(30_000);
  let scratch: Awaited<ReturnType<typeof scratchFolder>>;
  let images: { path: string }[];
  before(async () => {
    scratch = await scratchFolder();
    images = await drawImages(path.join(scratch.folder, 'images'), 60);
  });
  after(() => scratch.remove());

  const view = (number: number): RandomView => ({ number, seed: 1, augment: defaultAugment });

  async function openStores(name: string, numbers: readonly (number | undefined)[]) {
    const cache = path.join(scratch.folder, name);
    return Promise.all(
      numbers.map(async (number) => {
        const of = number === undefined ? undefined : view(number);
        return { view: of, store: await openTinyStore(cache, of ? { view: viewName(of) } : {}) };
      }),
    );
  }

  const extract = (
    targets: Awaited<ReturnType<typeof openStores>>,
    examples = images,
    workers = 1,
    batch = 1,
  ) =>
    extractFeatures({ model: tinyBackbone(), input: pixels, examples, targets, workers, batch, threads: 1 });

  async function shards({ folder }: FeatureStore): Promise<string> {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors')).sort();
    return (await Promise.all(names.map((name) => readFile(path.join(folder, name), 'hex')))).join();
  }

  it('are what the model gives for each view on its own, beside the plain ones, from one pass', async () => {
    const targets = await openStores('together', [undefined, 1, 2]);
    const { computed, keys } = await extract(targets, images, 2, 8);
    expect(computed).to.equal(60);
    const session = await openSession(tinyBackbone());
    try {
      const rows = await Promise.all(targets.map(({ store }) => loadFeatures(store, keys)));
      for (const i of [0, 17, 59]) {
        const bytes = await readFile(images[i]!.path);
        const into = new Float32Array(3 * side * side);
        for (const [t, { view: of }] of targets.entries()) {
          const sha256 = createHash('sha256').update(bytes).digest();
          const [write] = await preprocessViews(bytes, sha256, preprocess, [of]);
          write!(into);
          const { features } = await session.run({ image: float32([1, 3, side, side], into) });
          const expected = features!.data as Float32Array;
          for (let d = 0; d < dim; d++) expect(rows[t]![i * dim + d]).to.be.closeTo(expected[d]!, 1e-5);
        }
      }
      expect(rows[1]).not.to.deep.equal(rows[2]);
    } finally {
      await session.release();
    }
  });

  it('have the same bytes whatever the number of workers and whichever views go with them', async () => {
    const alone = await openStores('alone', [2]);
    await extract(alone, images, 1);
    const together = await openStores('more', [undefined, 3, 2]);
    await extract(together, images, 2);
    expect(await shards(together[2]!.store)).to.equal(await shards(alone[0]!.store));
  });

  it('have the same rows in whatever order the photos come', async () => {
    const [forward] = await openStores('forward', [1]);
    const [backward] = await openStores('backward', [1]);
    const { keys } = await extract([forward!]);
    await extract([backward!], images.toReversed());
    expect(await loadFeatures(backward!.store, keys)).to.deep.equal(await loadFeatures(forward!.store, keys));
  });

  it('are computed only where they are missing', async () => {
    const [plain, first] = await openStores('growing', [undefined, 1]);
    await extract([plain!]);
    expect(await extract([plain!, first!], images.slice(0, 20))).to.include({ computed: 20 });
    const before = await shards(plain!.store);
    const more = await openStores('growing', [undefined, 1, 2]);
    expect(await extract(more, images.slice(0, 25))).to.include({ computed: 25 });
    expect(await extract(more, images.slice(0, 25))).to.include({ computed: 0, cached: 25 });
    expect(await shards(plain!.store)).to.equal(before);
    expect(more.map(({ store }) => store.rowKeys().length / 32)).to.deep.equal([60, 25, 25]);
  });

  it('have stores of their own for every seed, number and bound', () => {
    const names = [
      view(1),
      view(2),
      { ...view(1), seed: 2 },
      { ...view(1), augment: { flip: { probability: 0.5 } } },
      { ...view(1), augment: { flip: { probability: 0.4 } } },
    ].map(viewName);
    expect(new Set(names).size).to.equal(5);
  });
});
