/**
 * Tortures feature extraction: in every round one or two processes fill a store, are killed at random moments, bytes that
 * were never synced are cut at random, now and then a finished shard is damaged; then the next round goes on with what is
 * left. Every few rounds the store is filled to the end and compared with one that nothing ever happened to. Seeded.
 *
 *   node build/scripts/torture-cache.js [--rounds 100] [--images 900] [--seed 1]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng } from '../src/rng.js';
import { drawImages, openTinyStore } from '../test/features/tiny-backbone.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '100' },
    images: { type: 'string', default: '900' },
    seed: { type: 'string', default: '1' },
  },
});
const extractor = fileURLToPath(new URL('../test/features/extract-child.js', import.meta.url));
const rng = createRng(Number(flags.seed));
const scratch = await mkdtemp(path.join(tmpdir(), 'graft-torture-'));
const images = path.join(scratch, 'images');

function start(cache: string): { child: ChildProcess; exit: Promise<unknown> } {
  const child = spawn(process.execPath, [extractor, images, cache], { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.resume();
  return { child, exit: once(child, 'exit') };
}

/** A process that is killed some time after it showed its first progress; it may also be done before. */
async function fillUntilKilled(cache: string, afterMs: number): Promise<'killed' | 'done'> {
  const { child, exit } = start(cache);
  await Promise.race([once(child.stdout!, 'data'), exit]);
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  await exit;
  clearTimeout(timer);
  return child.signalCode === 'SIGKILL' ? 'killed' : 'done';
}

async function fillWhole(cache: string): Promise<void> {
  const { child, exit } = start(cache);
  await exit;
  if (child.exitCode !== 0) throw new Error(`Filling ${cache} ended with ${child.exitCode}.`);
}

/** Every row by its key, whatever shard it is in. */
async function rowsOf(cache: string): Promise<Map<string, string>> {
  const store = await openTinyStore(cache);
  const rows = new Map<string, string>();
  const keys = store.rowKeys();
  for (let start = 0; start < keys.length; start += 32) {
    const found = await store.findVerified(keys, start);
    if (found?.kind !== 'row') throw new Error('A row of the store is damaged.');
    const features = (await store.readShard(found.shard))!;
    const row = features.subarray(found.row * store.dim, (found.row + 1) * store.dim);
    rows.set(Buffer.from(keys.subarray(start, start + 32)).toString('hex'), row.join());
  }
  return rows;
}

async function storeFolder(cache: string): Promise<string> {
  const name = (await readdir(cache)).find((entry) => /^[0-9a-f]{64}$/.test(entry))!;
  return path.join(cache, name);
}

const counts = { killed: 0, done: 0, cut: 0, damaged: 0, compared: 0, identical: 0 };
try {
  await drawImages(images, Number(flags.images));
  const calm = path.join(scratch, 'calm');
  await fillWhole(calm);
  const expected = await rowsOf(calm);
  const calmNames = (await readdir(await storeFolder(calm))).sort().join();
  let cache = path.join(scratch, 'store-0');
  let wasDamaged = false;
  for (let round = 1; round <= Number(flags.rounds); round++) {
    const processes = rng.uniform() < 0.3 ? 2 : 1;
    const ends = await Promise.all(
      Array.from({ length: processes }, () => fillUntilKilled(cache, rng.uniform() * 1200)),
    );
    for (const end of ends) counts[end]++;
    const folder = await storeFolder(cache);
    for (const name of await readdir(folder)) {
      const file = path.join(folder, name);
      if (name.endsWith('.tmp')) {
        counts.cut++;
        await truncate(file, rng.integer((await stat(file)).size + 1));
      } else if (name.endsWith('.safetensors') && rng.uniform() < 0.1) {
        counts.damaged++;
        wasDamaged = true;
        const bytes = await readFile(file);
        if (rng.uniform() < 0.5) await truncate(file, rng.integer(bytes.length));
        else {
          bytes[rng.integer(bytes.length)]! ^= 1 << rng.integer(8);
          await writeFile(file, bytes);
        }
      }
    }
    if (round % 5 === 0 || ends.includes('done')) {
      await fillWhole(cache);
      const rows = await rowsOf(cache);
      for (const [key, row] of expected) {
        if (rows.get(key) !== row) throw new Error(`Round ${round}: the row of ${key} is lost or wrong.`);
      }
      if (rows.size !== expected.size) throw new Error(`Round ${round}: ${rows.size} rows.`);
      counts.compared++;
      if ((await readdir(folder)).sort().join() === calmNames) counts.identical++;
      else if (!wasDamaged && processes === 1) console.log(`Round ${round}: the shards are cut differently.`);
      cache = path.join(scratch, `store-${round}`);
      wasDamaged = false;
    }
  }
  console.log(
    `${counts.killed} processes killed (${counts.done} were faster), ${counts.cut} half-written files cut, ` +
      `${counts.damaged} shards damaged: ${counts.compared} stores compared, every row right ` +
      `(${counts.identical} of them have the same files as an undisturbed one).`,
  );
} finally {
  await rm(scratch, { recursive: true, force: true });
}
