import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { extractFeatures, type ExtractResult } from '../../src/features/extract-features.js';
import type { FeatureStore } from '../../src/features/feature-store.js';
import { loadFeatures } from '../../src/features/load-features.js';
import { verifyStore } from '../../src/features/verify-store.js';
import { createRng } from '../../src/rng.js';
import {
  dim,
  drawImages,
  numberedKey,
  openTinyStore,
  pixels,
  scratchFolder,
  tinyBackbone,
} from './tiny-backbone.js';

const writer = fileURLToPath(new URL('./write-child.js', import.meta.url));
const extractor = fileURLToPath(new URL('./extract-child.js', import.meta.url));

/** Starts a writer at shard `first`, kills it so many milliseconds after its first shard; the last one it told of. */
async function writeUntilKilled(cache: string, first: number, afterMs: number): Promise<number> {
  const child = spawn(process.execPath, [writer, cache, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(child, 'exit');
  let told = first - 1;
  let isDoomed = false;
  for await (const line of createInterface({ input: child.stdout })) {
    told = Number(line);
    if (!isDoomed) setTimeout(() => child.kill('SIGKILL'), afterMs);
    isDoomed = true;
  }
  await exit;
  return told;
}

async function expectRows(store: FeatureStore, count: number): Promise<void> {
  const keys = Buffer.concat(Array.from({ length: count }, (_, row) => numberedKey(row)));
  const features = await loadFeatures(store, keys);
  for (let row = 0; row < count; row++) {
    for (let i = 0; i < dim; i++) {
      if (features[row * dim + i] !== row + i / 8) throw new Error(`Row ${row} is wrong.`);
    }
  }
}

function extract(store: FeatureStore, examples: readonly { path: string }[]): Promise<ExtractResult> {
  return extractFeatures({
    model: tinyBackbone(),
    input: pixels,
    examples,
    targets: [{ store }],
    threads: 1,
  });
}

async function failure(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('Expected a failure but it succeeded.');
}

describe('A feature store survives', () => {
  let scratch: { folder: string; remove(): Promise<void> };
  let warnings: string[];
  const logger = { info() {}, warn: (message: string) => warnings.push(message) };
  before(async () => {
    scratch = await scratchFolder();
  });
  beforeEach(() => {
    warnings = [];
  });
  after(() => scratch.remove());
  const reopen = (cache: string) => openTinyStore(cache, {}, logger);

  it('20 SIGKILLs at random moments, with the unsynced bytes lost as by a power cut', async () => {
    const cache = path.join(scratch.folder, 'killed');
    const rng = createRng(20);
    let next = 0;
    let halfWritten = 0;
    for (let kill = 0; kill < 20; kill++) {
      const told = await writeUntilKilled(cache, next, rng.uniform() * 40);
      const { folder } = { folder: path.join(cache, (await readdir(cache))[0]!) };
      // What was never synced may be of any length after the power is back.
      for (const name of await readdir(folder)) {
        if (!name.endsWith('.tmp')) continue;
        halfWritten++;
        const { size } = await stat(path.join(folder, name));
        await truncate(path.join(folder, name), rng.integer(size + 1));
      }
      const store = await reopen(cache);
      expect((await readdir(store.folder)).filter((name) => name.endsWith('.tmp'))).to.deep.equal([]);
      await expectRows(store, 10 * (told + 1));
      // One more shard may be in place that the child had no time to tell of.
      next = told + 1;
      if (store.find(numberedKey(10 * next))) next++;
      await expectRows(store, 10 * next);
    }
    expect(warnings).to.deep.equal([]);
    expect(next).to.be.at.least(20);
    expect(halfWritten, 'kills in the middle of a write').to.be.at.least(1);
  });

  it('shards cut or overwritten by a disk that lied: they are set aside, everything else stays', async () => {
    const cache = path.join(scratch.folder, 'killed');
    const store = await reopen(cache);
    const names = (await readdir(store.folder)).filter((name) => name.endsWith('.safetensors')).sort();
    const rng = createRng(7);
    const broken = new Set<string>();
    for (let i = 0; i < names.length / 3; i++) {
      const name = names[rng.integer(names.length)]!;
      const file = path.join(store.folder, name);
      const bytes = await readFile(file);
      if (bytes.length < 100) continue;
      if (i % 2 === 0) await truncate(file, rng.integer(bytes.length));
      else await writeFile(file, bytes.fill(0, rng.integer(bytes.length - 64)));
      broken.add(name);
    }
    const { damaged, rows } = await verifyStore(store.folder);
    expect(damaged.map(({ file }) => path.basename(file))).to.deep.equal([...broken].sort());
    expect(rows).to.equal(10 * (names.length - broken.size));
    const opened = await reopen(cache);
    let found = 0;
    for (let row = 0; row < 10 * names.length; row++)
      if (await opened.findVerified(numberedKey(row))) found++;
    expect(found).to.equal(rows);
    expect(warnings).to.have.length(broken.size);
  });

  it('four processes on one and the same example', async () => {
    const images = path.join(scratch.folder, 'single');
    await drawImages(images, 1);
    const cache = path.join(scratch.folder, 'four');
    const ends = [1, 2, 3, 4].map(async () => {
      const child = spawn(process.execPath, [extractor, images, cache], { stdio: 'ignore' });
      return (await once(child, 'exit'))[0] as number;
    });
    expect(await Promise.all(ends)).to.deep.equal([0, 0, 0, 0]);
    const { rows, shards, damaged } = await verifyStore((await reopen(cache)).folder);
    expect({ rows, shards, damaged }).to.deep.equal({ rows: 1, shards: 1, damaged: [] });
  });

  it('photos that change between runs without changing size, name or time of modification', async function () {
    const images = path.join(scratch.folder, 'changing');
    const [first, second] = await drawImages(images, 2);
    // Two files of one size: padding after the end does not matter to a decoder.
    const sizes = await Promise.all([first!, second!].map(({ path: file }) => stat(file)));
    const longest = Math.max(...sizes.map(({ size }) => size));
    for (const { path: file } of [first!, second!]) {
      const bytes = await readFile(file);
      await writeFile(file, Buffer.concat([bytes, Buffer.alloc(longest - bytes.length)]));
    }
    const photo = { path: path.join(scratch.folder, 'photo.png') };
    await copyFile(first!.path, photo.path);
    const past = new Date('2020-01-01');
    await utimes(photo.path, past, past);
    // Until now is two seconds later, no hash is remembered and nothing could go wrong.
    await sleep(2100);
    const cache = path.join(scratch.folder, 'changes');
    const store = await reopen(cache);
    const before = await extract(store, [photo]);
    expect((await extract(store, [photo])).computed).to.equal(0);
    // Overwritten in place, then replaced by a rename: both with the old size and the old time.
    await copyFile(second!.path, photo.path);
    await utimes(photo.path, past, past);
    const overwritten = await extract(store, [photo]);
    expect(overwritten.computed).to.equal(1);
    expect(overwritten.keys).not.to.deep.equal(before.keys);
    await copyFile(first!.path, `${photo.path}.new`);
    await utimes(`${photo.path}.new`, past, past);
    await rename(`${photo.path}.new`, photo.path);
    expect((await extract(store, [photo])).keys).to.deep.equal(before.keys);
  });

  it('clocks that jump: a photo from the future is read every time', async () => {
    const images = path.join(scratch.folder, 'future');
    const [photo] = await drawImages(images, 1);
    const tomorrow = new Date(Date.now() + 86_400_000);
    await utimes(photo!.path, tomorrow, tomorrow);
    const cache = path.join(scratch.folder, 'futures');
    await extract(await reopen(cache), [photo!]);
    expect(await readdir(cache)).not.to.include('hashes');
  });

  describe('on a small disk', () => {
    let disk: string;
    const mount = (...options: string[]) => execFileSync('mount', options, { stdio: 'ignore' });
    let examples: { path: string }[];

    before(async function () {
      disk = path.join(scratch.folder, 'disk');
      await mkdir(disk);
      try {
        mount('-t', 'tmpfs', '-o', 'size=24k', 'tmpfs', disk);
      } catch {
        console.log(
          '      A small disk cannot be mounted here (it takes root): full and read-only disks are not tried.',
        );
        this.skip();
      }
      examples = await drawImages(path.join(scratch.folder, 'for the disk'), 400);
    });
    after(() => {
      try {
        execFileSync('umount', [disk], { stdio: 'ignore' });
      } catch {
        // It was never mounted.
      }
    });

    it('a disk that fills up: one clear error, and after making room the same store as on a large disk', async () => {
      const error = await failure(extract(await reopen(disk), examples));
      expect(error.code).to.equal('FILE_UNWRITABLE');
      expect(error.message).to.match(/the disk is full; free some space/);
      mount('-o', 'remount,size=8m', disk);
      const { computed } = await extract(await reopen(disk), examples);
      expect(computed).to.be.within(1, 400);
      const large = await reopen(path.join(scratch.folder, 'large disk'));
      await extract(large, examples);
      const small = await reopen(disk);
      for (const name of await readdir(large.folder)) {
        expect(await readFile(path.join(small.folder, name)), name).to.deep.equal(
          await readFile(path.join(large.folder, name)),
        );
      }
      expect(await readdir(small.folder)).to.have.members(await readdir(large.folder));
    });

    it('a disk that is read-only: what is there is used, what is missing says why it cannot be kept', async () => {
      mount('-o', 'remount,ro', disk);
      const store = await reopen(disk);
      const { computed, keys } = await extract(store, examples);
      expect(computed).to.equal(0);
      expect(await loadFeatures(store, keys)).to.have.length(400 * dim);
      const [more] = await drawImages(path.join(scratch.folder, 'one more'), 1, 99);
      const error = await failure(extract(store, [more!]));
      expect(error.code).to.equal('FILE_UNWRITABLE');
      expect(error.message).to.match(/read-only/);
    });

    it('a damaged shard on a read-only disk is not used', async () => {
      mount('-o', 'remount,rw', disk);
      const store = await reopen(disk);
      const name = (await readdir(store.folder)).find((entry) => entry.endsWith('.safetensors'))!;
      await truncate(path.join(store.folder, name), 200);
      mount('-o', 'remount,ro', disk);
      const opened = await reopen(disk);
      expect(warnings.join()).to.contain(name);
      expect(await failure(extract(opened, examples))).to.have.property('code', 'FILE_UNWRITABLE');
    });
  });
});
