import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { storeFormatVersion } from '../../src/features/feature-key.js';
import type { FeatureStore } from '../../src/features/feature-store.js';
import { loadFeatures } from '../../src/features/load-features.js';
import { listStores } from '../../src/features/list-stores.js';
import { choosePruned, removeStores } from '../../src/features/prune-stores.js';
import { recordUsage } from '../../src/features/usage-log.js';
import { removeDamaged, verifyStore } from '../../src/features/verify-store.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import { writerHost } from '../../src/write-durably.js';
import { dim, openTinyStore, scratchFolder, source } from './tiny-backbone.js';

const run = promisify(execFile);

function keyOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** One shard of rows a0, a1, …, whose values are the row's number and fractions of it. */
async function addRows(store: FeatureStore, prefix: string, count: number): Promise<Uint8Array> {
  const keys = Buffer.concat(Array.from({ length: count }, (_, i) => keyOf(`${prefix}${i}`)));
  const features = Float32Array.from({ length: count * dim }, (_, i) => i / 8);
  const skipped = [{ sha256: keyOf(`${prefix}-broken`).toString('hex'), reason: 'It is no image.' }];
  await store.addShard({ features, keys, skipped });
  return keys;
}

async function shardsOf(store: FeatureStore): Promise<string[]> {
  return (await readdir(store.folder)).filter((name) => name.endsWith('.safetensors')).sort();
}

describe('Feature store', () => {
  let scratch: { folder: string; remove(): Promise<void> };
  let warnings: string[];
  const logger = { info() {}, warn: (message: string) => warnings.push(message) };
  beforeEach(async () => {
    scratch = await scratchFolder();
    warnings = [];
  });
  afterEach(() => scratch.remove());

  it('gives rows back in the order asked for, repeats included, after it is opened again', async () => {
    const keys = await addRows(await openTinyStore(scratch.folder), 'a', 5);
    await addRows(await openTinyStore(scratch.folder), 'b', 3);
    const store = await openTinyStore(scratch.folder);
    const pick = [4, 0, 4].map((row) => keys.subarray(row * 32, row * 32 + 32));
    const features = await loadFeatures(store, Buffer.concat([...pick, keyOf('b2')]));
    const row = (start: number) => Array.from({ length: dim }, (_, i) => (start * dim + i) / 8);
    expect([...features]).to.deep.equal([...row(4), ...row(0), ...row(4), ...row(2)]);
  });

  it('remembers why an example was skipped', async () => {
    await addRows(await openTinyStore(scratch.folder), 'a', 1);
    const store = await openTinyStore(scratch.folder);
    expect(store.find(keyOf('a-broken'))).to.deep.equal({ kind: 'skipped', reason: 'It is no image.' });
    expect(store.find(keyOf('never seen'))).to.equal(undefined);
  });

  it('says in store.json what it holds', async () => {
    const store = await openTinyStore(scratch.folder);
    const description = JSON.parse(await readFile(path.join(store.folder, 'store.json'), 'utf8')) as unknown;
    const { checksum, ...fields } = description as Record<string, unknown>;
    expect(fields).to.deep.equal({
      format: 'graft features',
      formatVersion: storeFormatVersion,
      dim,
      ...source,
    });
    expect(checksum).to.match(/^[0-9a-f]{64}$/);
  });

  it('writes shards that any safetensors reader understands', async () => {
    const store = await openTinyStore(scratch.folder);
    await addRows(store, 'a', 3);
    const [name] = await shardsOf(store);
    const { tensors, metadata } = decodeSafetensors(await readFile(path.join(store.folder, name!)), name!);
    expect(tensors.get('features')!.dims).to.deep.equal([3, dim]);
    expect(tensors.get('keys')!.dims).to.deep.equal([3, 32]);
    expect(JSON.parse(metadata.skipped!)).to.have.nested.property('[0].reason', 'It is no image.');
  });

  it('keeps float16 rows to 11 bits', async () => {
    const store = await openTinyStore(scratch.folder, { dtype: 'float16' });
    await store.addShard({
      features: Float32Array.of(1 / 3, 0, -2, 1000.25, 6e-8, 65504),
      keys: keyOf('x'),
      skipped: [],
    });
    const features = await loadFeatures(
      await openTinyStore(scratch.folder, { dtype: 'float16' }),
      keyOf('x'),
    );
    expect([...features]).to.deep.equal([0.333251953125, 0, -2, 1000, 2 ** -24, 65504]);
  });

  it('finds a flipped bit wherever it is and never gives the row', async () => {
    const store = await openTinyStore(scratch.folder);
    const keys = await addRows(store, 'a', 2);
    const [name] = await shardsOf(store);
    const whole = await readFile(path.join(store.folder, name!));
    const expected = await loadFeatures(store, keys);
    for (let bit = 0; bit < whole.length * 8; bit += 7) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await writeFile(path.join(store.folder, name!), flipped);
      const opened = await openTinyStore(scratch.folder, {}, logger);
      const found = await opened.findVerified(keys);
      if (found) expect(await loadFeatures(opened, keys), `bit ${bit}`).to.deep.equal(expected);
      else expect(warnings.at(-1), `bit ${bit}`).to.match(/set aside; its rows are computed again/);
      expect(found, `bit ${bit}`).to.equal(undefined);
    }
  });

  for (const size of [0, 7, 100, -1]) {
    it(`sets a shard aside that was cut to ${size < 0 ? 'one byte less' : `${size} bytes`}`, async () => {
      const store = await openTinyStore(scratch.folder);
      const keys = await addRows(store, 'a', 4);
      const [name] = await shardsOf(store);
      const file = path.join(store.folder, name!);
      await truncate(file, size < 0 ? (await readFile(file)).length + size : size);
      const opened = await openTinyStore(scratch.folder, {}, logger);
      expect(opened.find(keys)).to.equal(undefined);
      expect(warnings).to.have.length(1);
      expect(await readdir(store.folder)).to.have.members([`${name}.damaged`, 'store.json']);
      await addRows(opened, 'a', 4);
      expect(opened.find(keys)).to.include({ kind: 'row', row: 0 });
    });
  }

  it('sets aside a shard of another store and a file that is no shard', async () => {
    const other = await openTinyStore(scratch.folder, { layer: 'other' });
    const keys = await addRows(other, 'a', 2);
    const store = await openTinyStore(scratch.folder);
    const [name] = await shardsOf(other);
    await writeFile(path.join(store.folder, name!), await readFile(path.join(other.folder, name!)));
    await writeFile(path.join(store.folder, 'notes.safetensors'), 'hello');
    await mkdir(path.join(store.folder, 'folder.safetensors'));
    const opened = await openTinyStore(scratch.folder, {}, logger);
    expect(opened.find(keys)).to.equal(undefined);
    expect(warnings).to.have.length(3);
    expect(warnings.join('\n')).to.match(/belongs to another store/);
  });

  it('names the missing example where a row was never computed', async () => {
    const store = await openTinyStore(scratch.folder);
    let error: unknown;
    await loadFeatures(store, keyOf('x')).catch((caught) => {
      error = caught;
    });
    expect(error).to.have.property('code', 'INVALID_CACHE');
    expect(String(error)).to.contain(keyOf('x').toString('hex').slice(0, 16));
  });

  it('removes temporary files of dead processes and leaves those of live ones', async () => {
    const store = await openTinyStore(scratch.folder);
    const { stdout } = await run(process.execPath, ['-p', 'process.pid']);
    const name = (pid: number, host = writerHost) => `.x.safetensors.${host}.${pid}.0011aabb.tmp`;
    const dead = name(Number(stdout));
    const alive = name(process.ppid);
    const elsewhere = name(Number(stdout), 'another-machine');
    for (const file of [dead, alive, elsewhere]) await writeFile(path.join(store.folder, file), 'half');
    await openTinyStore(scratch.folder);
    expect(await readdir(store.folder)).to.have.members([alive, elsewhere, 'store.json']);
  });

  it('is listed, verified and pruned', async () => {
    const store = await openTinyStore(scratch.folder);
    await addRows(store, 'a', 3);
    await addRows(store, 'b', 4);
    const other = await openTinyStore(scratch.folder, { layer: 'other' });
    const [summary] = (await listStores(scratch.folder)).filter(({ folder }) => folder === store.folder);
    expect(summary).to.include({ shards: 2, rows: 7, skipped: 2, damaged: 0 });
    expect(summary!.description).to.include({ layer: 'pooled', dim });
    expect(await verifyStore(store.folder)).to.include({ shards: 2, rows: 7 });

    const [name] = await shardsOf(store);
    const file = path.join(store.folder, name!);
    const bytes = await readFile(file);
    bytes[bytes.length - 200]! ^= 4;
    await writeFile(file, bytes);
    const { damaged, shards } = await verifyStore(store.folder);
    expect([damaged.length, shards, damaged[0]!.file]).to.deep.equal([1, 1, file]);

    expect(await removeDamaged(await verifyStore(store.folder))).to.deep.equal([file]);
    expect((await verifyStore(store.folder)).damaged).to.deep.equal([]);
    await removeStores((await listStores(scratch.folder)).filter(({ folder }) => folder === other.folder));
    expect((await listStores(scratch.folder)).map(({ folder }) => folder)).to.deep.equal([store.folder]);
  });

  it('finds a damaged description, and leaves the shards to be judged by the next run', async () => {
    const store = await openTinyStore(scratch.folder);
    await addRows(store, 'a', 3);
    const file = path.join(store.folder, 'store.json');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(`"dim": ${dim}`, `"dim": ${dim + 1}`));
    const { damaged, shards } = await verifyStore(store.folder);
    expect(damaged.map((entry) => entry.file)).to.deep.equal([file]);
    expect(shards).to.equal(0);
    const opened = await openTinyStore(scratch.folder);
    expect(opened.find(keyOf('a0'))).to.include({ kind: 'row' });
    expect((await verifyStore(store.folder)).damaged).to.deep.equal([]);
  });

  describe('pruning', () => {
    /** Stores named by a letter, used so many days ago, of so many bytes. */
    const stores = (
      [
        ['a', 1, 100],
        ['b', 40, 50],
        ['c', 10, 300],
        ['d', 90, 20],
      ] as const
    ).map(([key, days, sizeBytes]) => ({
      key,
      folder: key,
      description: undefined,
      shards: 0,
      rows: 0,
      skipped: 0,
      damaged: 0,
      sizeBytes,
      modified: new Date(0),
      lastUsed: new Date(1e12 - days * 86_400_000),
      usage: [],
    }));
    const cases = [
      { rules: {}, goes: 'dbca', claim: 'takes all that are offered where no rule is given' },
      { rules: { olderThanDays: 30 }, goes: 'db', claim: 'takes those unused for longer, oldest first' },
      { rules: { keep: 3 }, goes: 'd', claim: 'leaves the most recently used' },
      { rules: { maxBytes: 170 }, goes: 'c', claim: 'takes what does not fit, most recently used first' },
      { rules: { maxBytes: 0, keep: 1 }, goes: 'dbc', claim: 'never takes what is to be kept' },
      { rules: { olderThanDays: 30, maxBytes: 100 }, goes: 'dbc', claim: 'joins the rules' },
    ];
    for (const { rules, goes, claim } of cases) {
      it(claim, () => {
        const chosen = choosePruned(stores, rules, 1e12);
        expect(chosen.map(({ key }) => key).join('')).to.equal(goes);
      });
    }
  });

  it('remembers its use, and passes over lines that a crash cut short', async () => {
    const store = await openTinyStore(scratch.folder);
    const key = path.basename(store.folder);
    const usage = { backbone: 'b.onnx', data: 'photos', cached: 3, computed: 1, skipped: 0, seconds: 2 };
    await recordUsage(scratch.folder, key, { at: '2030-01-01T00:00:00.000Z', ...usage });
    await writeFile(path.join(scratch.folder, 'usage', `${key}.jsonl`), '{"at":"20', { flag: 'a' });
    await recordUsage(scratch.folder, key, { at: '2031-01-01T00:00:00.000Z', ...usage });
    const [summary] = await listStores(scratch.folder);
    expect(summary!.usage.map(({ at }) => at.slice(0, 4))).to.deep.equal(['2030', '2031']);
    expect(summary!.lastUsed.toISOString()).to.equal('2031-01-01T00:00:00.000Z');
    expect(await readdir(store.folder)).to.deep.equal(['store.json']);
  });

  it('lists nothing where there is no cache folder', async () => {
    expect(await listStores(path.join(scratch.folder, 'none'))).to.deep.equal([]);
  });

  it('says so where a folder is no store', async () => {
    let error: unknown;
    await verifyStore(scratch.folder).catch((caught) => {
      error = caught;
    });
    expect(String(error)).to.match(/is not a feature store/);
  });
});
