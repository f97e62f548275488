import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type ExtractOptions, extractFeatures } from '../../src/features/extract-features.js';
import { FeatureStore } from '../../src/features/feature-store.js';
import { loadFeatures } from '../../src/features/load-features.js';
import { verifyStore } from '../../src/features/verify-store.js';
import { mostPerBatch } from '../../src/features/plan-workers.js';
import { batchesPerWorker } from '../../src/features/worker-messages.js';
import { preprocessImage } from '../../src/image/preprocess-image.js';
import { decodeModel } from '../../src/onnx/read-model.js';
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
  source,
  tinyBackbone,
  twoLayerBackbone,
} from './tiny-backbone.js';

const shardRows = 256;
// Two full shards and a part of one.
const imageCount = 560;
const child = fileURLToPath(new URL('./extract-child.js', import.meta.url));

function extract(
  store: FeatureStore,
  examples: readonly { path: string }[],
  options: Partial<ExtractOptions> = {},
) {
  return extractFeatures({
    model: tinyBackbone(),
    input: pixels,
    examples,
    targets: [{ store }],
    threads: 2,
    ...options,
  });
}

/** On one worker, unless the claim is about several: each takes a while to start. */
function extractOnOne(...[store, examples, options]: Parameters<typeof extract>) {
  return extract(store, examples, { threads: 1, ...options });
}

/** Every file of a store with its bytes; a difference shows as the name. */
async function contents(store: { readonly folder: string }): Promise<Map<string, string>> {
  const names = (await readdir(store.folder)).sort();
  return new Map(
    await Promise.all(
      names.map(
        async (name) => [name, (await readFile(path.join(store.folder, name))).toString('base64')] as const,
      ),
    ),
  );
}

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a failure but it succeeded.');
}

/** What the model gives for one image on its own. */
async function direct(file: string): Promise<number[]> {
  const pixels = new Float32Array(3 * side * side);
  await preprocessImage(await readFile(file), preprocess, pixels);
  const session = await openSession(tinyBackbone(), { device: 'cpu', threads: 1 });
  try {
    const { features } = await session.run({ image: float32([1, 3, side, side], pixels) });
    return Array.from(features!.data as Float32Array);
  } finally {
    await session.release();
  }
}

/** Rows by the shards' own count: a row that two shards hold counts twice. */
async function listRows(store: FeatureStore): Promise<number> {
  const { rows } = await verifyStore(store.folder);
  return rows;
}

function keyOf(keys: Uint8Array, index: number): Uint8Array {
  return keys.subarray(index * 32, index * 32 + 32);
}

async function lastNumber(process: ChildProcess, stopAt: number): Promise<number> {
  let last = 0;
  for await (const line of createInterface({ input: process.stdout! })) {
    last = Number(line);
    if (last >= stopAt) break;
  }
  return last;
}

describe('Feature extraction', () => {
  let scratch: { folder: string; remove(): Promise<void> };
  let images: string;
  let examples: { path: string }[];
  /** An uninterrupted run over all images. */
  let reference: FeatureStore;
  let expected: Map<string, string>;

  before(async () => {
    scratch = await scratchFolder();
    images = path.join(scratch.folder, 'images');
    examples = await drawImages(images, imageCount);
    reference = await openTinyStore(path.join(scratch.folder, 'reference'));
    const result = await extract(reference, examples);
    expect(result).to.include({ computed: imageCount, cached: 0 });
    expected = await contents(reference);
  });
  after(() => scratch.remove());

  const freshStore = (name: string) => openTinyStore(path.join(scratch.folder, name));

  it('gives what the model gives for each image on its own', async () => {
    const { keys } = await extract(reference, examples);
    const features = await loadFeatures(reference, keys);
    for (const i of [0, 1, 2, 5, 8, 255, 256, 511, 512, imageCount - 1]) {
      const row = await direct(examples[i]!.path);
      for (let j = 0; j < dim; j++) expect(features[i * dim + j]).to.be.closeTo(row[j]!, 1e-5);
    }
  });

  it('computes nothing, and starts no worker, the second time', async () => {
    const again = await openTinyStore(path.dirname(reference.folder));
    // A model that cannot be opened shows that nothing tried.
    const result = await extract(again, examples, { model: new Uint8Array(3) });
    expect(result).to.include({ computed: 0, cached: imageCount });
    expect(await contents(again)).to.deep.equal(expected);
  });

  it('computes nothing for renamed, moved, re-labelled and repeated images', async () => {
    const folder = path.join(scratch.folder, 'moved', 'other label');
    await mkdir(folder, { recursive: true });
    const moved = examples.slice(0, 40).map((_, i) => ({ path: path.join(folder, `new ${40 - i}.jpg`) }));
    for (const [i, example] of moved.entries()) await copyFile(examples[i]!.path, example.path);
    const store = await openTinyStore(path.dirname(reference.folder));
    const result = await extract(store, [...moved, ...moved].reverse(), { model: new Uint8Array(3) });
    expect(result).to.include({ computed: 0, cached: 80 });
  });

  it('computes only what is new', async () => {
    const store = await freshStore('growing');
    await extractOnOne(store, examples.slice(0, 30));
    const result = await extractOnOne(store, examples.slice(20, 50));
    expect(result).to.include({ computed: 20, cached: 10 });
  });

  it('has the same bytes whatever the number of workers', async () => {
    const store = await freshStore('one-worker');
    await extract(store, examples, { workers: 1 });
    expect(await contents(store)).to.deep.equal(expected);
  });

  for (const stopAt of [1, 300, 500]) {
    it(`resumes to the same bytes after a SIGKILL at ${stopAt} images, losing at most one shard`, async () => {
      const store = await freshStore(`killed-${stopAt}`);
      const killed = spawn(process.execPath, [child, images, path.dirname(store.folder)]);
      const exit = once(killed, 'exit');
      const done = await lastNumber(killed, stopAt);
      killed.kill('SIGKILL');
      await exit;
      const resumed = await openTinyStore(path.dirname(store.folder));
      const { computed } = await extract(resumed, examples);
      const inFlight = 2 * batchesPerWorker * mostPerBatch;
      expect(imageCount - computed).to.be.at.least(done - shardRows - inFlight);
      expect(await contents(resumed)).to.deep.equal(expected);
    });
  }

  it('stops cleanly when it is aborted and keeps the finished shards', async () => {
    const store = await freshStore('aborted');
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => {
      if (done >= 400) controller.abort();
    };
    const error = await failure(extract(store, examples, { signal: controller.signal, onProgress }));
    expect(error.code).to.equal('INTERRUPTED');
    const left = [...(await contents(store)).keys()];
    expect(left.filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
    expect(left.length).to.be.at.least(2);
    const { computed } = await extract(store, examples);
    expect(computed).to.be.below(imageCount);
    expect(await contents(store)).to.deep.equal(expected);
  });

  it('finishes the group at work when it is aborted, where that takes a moment', async () => {
    const store = await freshStore('finished');
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }) => {
      if (done >= 64) controller.abort();
    };
    const error = await failure(extract(store, examples, { signal: controller.signal, onProgress }));
    expect(error.code).to.equal('INTERRUPTED');
    const { computed } = await extract(store, examples);
    expect(computed).to.equal(imageCount - shardRows);
    expect(await contents(store)).to.deep.equal(expected);
  });

  describe('of two layers in one pass', () => {
    const twoStores = async (name: string) => {
      const cache = path.join(scratch.folder, name);
      const [features, maxima] = [await openTinyStore(cache), await openTinyStore(cache, { pool: 'max' })];
      const { graph } = decodeModel(twoLayerBackbone(), { path: 'two.onnx' });
      const outputs = graph.outputs.map((output) => output.name);
      return {
        targets: [
          { store: features, output: outputs[0] },
          { store: maxima, output: outputs[1] },
        ],
      };
    };

    it('fills two stores, each with the bytes that it has when it is filled alone', async () => {
      const { targets } = await twoStores('two-layers');
      const result = await extract(targets[0]!.store, examples, { model: twoLayerBackbone(), targets });
      expect(result).to.include({ computed: imageCount, cached: 0 });
      expect(await contents(targets[0]!.store)).to.deep.equal(expected);
      const alone = (await twoStores('second-alone')).targets[1]!;
      await extractOnOne(alone.store, examples, { model: twoLayerBackbone(), targets: [alone] });
      expect(await contents(targets[1]!.store)).to.deep.equal(await contents(alone.store));
    });

    it('computes for each store only what it lacks', async () => {
      const { targets } = await twoStores('one-behind');
      await extractOnOne(targets[0]!.store, examples.slice(0, 60), {
        model: twoLayerBackbone(),
        targets: [targets[0]!],
      });
      await extractOnOne(targets[0]!.store, examples.slice(40, 70), {
        model: twoLayerBackbone(),
        targets: [targets[1]!],
      });
      const options = { model: twoLayerBackbone(), targets };
      const result = await extractOnOne(targets[0]!.store, examples.slice(0, 80), options);
      expect(result).to.include({ computed: 60, cached: 20 });
      expect(await listRows(targets[0]!.store)).to.equal(80);
      expect(await listRows(targets[1]!.store)).to.equal(80);
    });
  });

  it('has the same rows when the list is filled in parts, in any order', async () => {
    // Four parts in any order, as an array job fills a store: together what one process would compute.
    const store = await freshStore('parts');
    const parts = [2, 0, 3, 1].map((part) => examples.slice(part * 140, (part + 1) * 140));
    for (const part of parts) await extractOnOne(store, part);
    const { keys, computed } = await extract(store, examples, { model: new Uint8Array(3) });
    expect(computed).to.equal(0);
    const { keys: all } = await extract(reference, examples);
    expect(await loadFeatures(store, keys)).to.deep.equal(await loadFeatures(reference, all));
  });

  it('lets two processes fill one store at the same time', async () => {
    const cache = path.join(scratch.folder, 'two');
    const ends = [0, 1].map(async () => {
      const process_ = spawn(process.execPath, [child, images, cache], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      return (await once(process_, 'exit'))[0] as number;
    });
    expect(await Promise.all(ends)).to.deep.equal([0, 0]);
    expect(await contents(await openTinyStore(cache))).to.deep.equal(expected);
  });

  it('finds a flipped bit, sets the shard aside and computes its rows again', async () => {
    const store = await freshStore('flipped');
    await cp(reference.folder, store.folder, { recursive: true });
    const name = (await readdir(store.folder)).find((entry) => entry.endsWith('.safetensors'))!;
    const file = path.join(store.folder, name);
    const bytes = await readFile(file);
    // The features begin where the header, whose length the file begins with, ends.
    bytes[8 + Number(bytes.readBigUInt64LE()) + 100]! ^= 16;
    await writeFile(file, bytes);
    const warnings: string[] = [];
    const logger = { info() {}, warn: (message: string) => warnings.push(message) };
    const opened = await openTinyStore(path.dirname(store.folder), {}, logger);
    const { computed, keys } = await extractOnOne(opened, examples);
    expect(computed).to.be.within(1, shardRows);
    expect(warnings.join()).to.contain(name).and.contain('checksum');
    await rm(`${file}.damaged`);
    expect(await contents(opened)).to.deep.equal(expected);
    const { keys: all } = await extract(reference, examples);
    expect(await loadFeatures(opened, keys)).to.deep.equal(await loadFeatures(reference, all));
  });

  describe('with broken images', () => {
    let broken: { path: string; bytes: Buffer }[];
    let mixed: { path: string }[];
    before(async () => {
      const folder = path.join(scratch.folder, 'broken');
      await mkdir(folder);
      const whole = await readFile(examples[0]!.path);
      broken = [
        { path: path.join(folder, 'empty.jpg'), bytes: Buffer.alloc(0) },
        { path: path.join(folder, 'text.png'), bytes: Buffer.from('not an image') },
        { path: path.join(folder, 'cut.png'), bytes: whole.subarray(0, whole.length / 2) },
      ];
      for (const { path: file, bytes } of broken) await writeFile(file, bytes);
      mixed = [
        ...examples.slice(0, 3),
        broken[0]!,
        ...examples.slice(3, 9),
        broken[1]!,
        { path: folder },
        { path: path.join(folder, 'absent.png') },
        broken[2]!,
        ...examples.slice(9, 12),
      ];
    });

    it('skips them with their reasons and keeps every other row right', async () => {
      const store = await freshStore('skipping');
      const { keys, skipped, computed, cached } = await extractOnOne(store, mixed);
      expect([computed, cached, skipped.length]).to.deep.equal([12, 0, 5]);
      expect(skipped.map(({ index }) => index)).to.deep.equal([3, 10, 11, 12, 13]);
      for (const { index, path: file, reason } of skipped) {
        expect(file).to.equal(mixed[index]!.path);
        expect(reason).to.match(/\.$/);
      }
      const isSkipped = new Set(skipped.map(({ index }) => index));
      const kept = [...mixed.keys()].filter((index) => !isSkipped.has(index));
      for (const index of isSkipped) expect(keyOf(keys, index)).to.deep.equal(new Uint8Array(32));
      const features = await loadFeatures(store, Buffer.concat(kept.map((index) => keyOf(keys, index))));
      for (const [row, index] of kept.entries()) {
        const values = await direct(mixed[index]!.path);
        for (let j = 0; j < dim; j++) expect(features[row * dim + j]).to.be.closeTo(values[j]!, 1e-5);
      }
    });

    it('reports them again without trying again', async () => {
      const store = await freshStore('skipping');
      const again = await extractOnOne(store, mixed, { model: new Uint8Array(3) });
      expect(again).to.include({ computed: 0, cached: 12 });
      expect(again.skipped.map(({ index }) => index)).to.deep.equal([3, 10, 11, 12, 13]);
    });

    it('tries again once the bytes are repaired', async () => {
      const store = await freshStore('repaired');
      const file = path.join(scratch.folder, 'repaired.png');
      await writeFile(file, 'not an image');
      expect((await extractOnOne(store, [{ path: file }])).skipped).to.have.length(1);
      await rename(file, `${file}.old`);
      await copyFile(examples[5]!.path, file);
      expect(await extractOnOne(store, [{ path: file }])).to.include({ computed: 1 });
    });

    it('skips a photo that vanishes during the run, and takes one that is replaced as it is when it is read', async () => {
      const folder = path.join(scratch.folder, 'changing under way');
      const photos = await drawImages(folder, 300, 6);
      const [gone, replaced] = [photos[290]!, photos[295]!];
      const store = await freshStore('changing');
      let isChanged = false;
      const { skipped, keys, computed } = await extract(store, photos, {
        onProgress() {
          if (isChanged) return;
          isChanged = true;
          rmSync(gone.path);
          renameSync(replaced.path, `${replaced.path}.old`);
          copyFileSync(examples[5]!.path, replaced.path);
        },
      });
      expect(skipped.map(({ index }) => index)).to.deep.equal([290]);
      expect(skipped[0]!.reason).to.match(/There is no file/);
      expect(computed).to.equal(299);
      const sha256 = createHash('sha256')
        .update(await readFile(replaced.path))
        .digest();
      expect(Buffer.from(keyOf(keys, 295))).to.deep.equal(sha256);
      const values = await direct(replaced.path);
      const features = await loadFeatures(store, keyOf(keys, 295));
      for (let j = 0; j < dim; j++) expect(features[j]).to.be.closeTo(values[j]!, 1e-5);
    });

    it('fails on the first one where that is asked for, new or known, and names it', async () => {
      const store = await freshStore('failing');
      const first = await failure(extractOnOne(store, mixed.slice(0, 8), { onError: 'fail' }));
      expect(first.code).to.equal('INVALID_IMAGE');
      expect(first.message).to.contain('empty.jpg');
      await extractOnOne(store, mixed);
      const known = await failure(extract(store, mixed.slice(0, 8), { onError: 'fail' }));
      expect(known.message).to.contain('empty.jpg');
      const absent = await failure(extract(store, [{ path: '/no/such/file' }], { onError: 'fail' }));
      expect(absent.code).to.equal('FILE_NOT_FOUND');
    });
  });

  it('says what the model gives where that is not what the store holds', async () => {
    const store = await FeatureStore.open(path.join(scratch.folder, 'misfit'), { ...source, dim: dim + 1 });
    const error = await failure(extract(store, examples.slice(0, 3), { batch: 3 }));
    expect(error.message).to.match(
      /Expected features of float32 \[3,7\] but the model gives float32 \[3,6\]/,
    );
    expect((await readdir(store.folder)).sort()).to.deep.equal(['store.json']);
  });

  it('says so where the memory for the pixels does not suffice, and writes nothing half', async () => {
    const store = await freshStore('crash');
    const resize = { width: 1e5, height: 1e5, fit: 'fill', kernel: 'bilinear' } as const;
    const error = await failure(
      extract(store, examples.slice(0, 3), { input: { ...pixels, preprocess: { ...preprocess, resize } } }),
    );
    expect(error.code).to.equal('RUNTIME_FAILURE');
    expect(error.message).to.match(/Features could not be computed: .*\. Use fewer workers \(--threads\)/);
    expect(await readdir(store.folder)).to.deep.equal(['store.json']);
  });

  it("passes on onnxruntime's words about a model that it refuses", async () => {
    const error = await failure(
      extract(await freshStore('no-model'), examples, { model: new Uint8Array(3) }),
    );
    expect(error.code).to.equal('INVALID_MODEL');
  });

  it('ends with one clear error and no half file when the disk is full', async function () {
    const disk = path.join(scratch.folder, 'small disk');
    await mkdir(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32k', 'tmpfs', disk], { stdio: 'ignore' });
    } catch {
      console.log(
        '      A small file system cannot be mounted here (it takes root): the full disk is not tried.',
      );
      this.skip();
    }
    try {
      const store = await openTinyStore(disk);
      const error = await failure(extract(store, examples));
      expect(error.code).to.equal('FILE_UNWRITABLE');
      expect(error.message).to.match(/the disk is full; free some space/);
      for (const name of await readdir(store.folder)) {
        expect(name).to.match(/^(store\.json|[0-9a-f]{32}\.safetensors)$/);
        expect((await contents(store)).get(name)).to.equal(expected.get(name));
      }
    } finally {
      execFileSync('umount', [disk]);
    }
  });
});
