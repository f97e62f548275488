/**
 * Tortures feature extraction, and compares what is left with a store that nothing ever happened to. Seeded.
 *
 * Kills: one or two processes fill a store and are killed, half of them at some moment, half of them on entering an fsync or
 * a rename, with a clock that is years off where libfaketime is installed; half-written files are cut, now and then a
 * finished shard is damaged; the next process goes on with what is left.
 * Power cuts: the system calls of one undisturbed run tell which disks a power failure may leave after any of them; a run
 * goes on with each, and must compute what was not on the disk and no more.
 *
 *   node build/scripts/torture-cache.js [--kills 100] [--cuts 100] [--images 900] [--seed 1] [--faketime FILE.so]
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { extractFeatures } from '../src/features/extract-features.js';
import { createRng } from '../src/rng.js';
import { drawImages, openTinyStore, pixels, tinyBackbone } from '../test/features/tiny-backbone.js';
import { cutPower, parseTrace, readContents, tracedCalls, writeDisk } from './torture/power-cut.js';

const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    cuts: { type: 'string', default: '100' },
    images: { type: 'string', default: '900' },
    seed: { type: 'string', default: '1' },
    faketime: { type: 'string', default: '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1' },
  },
});
const extractor = fileURLToPath(new URL('../test/features/extract-child.js', import.meta.url));
const rng = createRng(Number(flags.seed));
const scratch = await mkdtemp(path.join(tmpdir(), 'graft-torture-'));
const images = path.join(scratch, 'images');
const fakeTime = existsSync(flags.faketime) ? flags.faketime : undefined;

/** @param tracer - command line in front of it */
function start(cache: string, { tracer = [], clock }: { tracer?: string[]; clock?: string } = {}) {
  const [command, ...args] = [...tracer, process.execPath, extractor, images, cache];
  const env = clock
    ? { ...process.env, LD_PRELOAD: fakeTime, FAKETIME: clock, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
    : process.env;
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  child.stdout.resume();
  return { child: child as ChildProcess, exit: once(child, 'exit') };
}

type End = 'killed' | 'killed in a call' | 'done';

/** Kills a process some time after its first progress, or where it enters its nth fsync or rename. */
async function fillUntilKilled(cache: string): Promise<End> {
  if (rng.uniform() < 0.5) {
    const call = rng.uniform() < 0.5 ? 'fsync' : 'rename';
    const inject = `inject=${call}:signal=SIGKILL:when=${1 + rng.integer(2)}`;
    const { child, exit } = start(cache, { tracer: ['strace', '-f', '-o', '/dev/null', '-e', inject] });
    await exit;
    return child.exitCode === 0 ? 'done' : 'killed in a call';
  }
  const clock = fakeTime && `${rng.uniform() < 0.5 ? '-' : '+'}${rng.integer(2000)}d`;
  const { child, exit } = start(cache, clock ? { clock } : {});
  const afterMs = rng.uniform() * 1200;
  await Promise.race([once(child.stdout!, 'data'), exit]);
  const timer = setTimeout(() => child.kill('SIGKILL'), afterMs);
  await exit;
  clearTimeout(timer);
  return child.signalCode === 'SIGKILL' ? 'killed' : 'done';
}

async function fillWhole(cache: string, tracer: string[] = []): Promise<void> {
  const { child, exit } = start(cache, { tracer });
  await exit;
  if (child.exitCode !== 0) throw new Error(`Filling ${cache} ended with ${child.exitCode}.`);
}

/** Every row by its key, whatever shard it is in. */
async function rowsOf(cache: string): Promise<Map<string, string>> {
  const store = await openTinyStore(cache);
  const rows = new Map<string, string>();
  const keys = store.rowKeys();
  for (let offset = 0; offset < keys.length; offset += 32) {
    const found = await store.findVerified(keys, offset);
    if (found?.kind !== 'row') throw new Error('A row of the store is damaged.');
    const features = (await store.readShard(found.shard))!;
    const row = features.subarray(found.row * store.dim, (found.row + 1) * store.dim);
    rows.set(Buffer.from(keys.subarray(offset, offset + 32)).toString('hex'), row.join());
  }
  return rows;
}

async function expectRows(cache: string, expected: ReadonlyMap<string, string>, when: string): Promise<void> {
  const rows = await rowsOf(cache);
  for (const [key, row] of expected) {
    if (rows.get(key) !== row) throw new Error(`${when}: the row of ${key} is lost or wrong.`);
  }
  if (rows.size !== expected.size) throw new Error(`${when}: ${rows.size} rows.`);
}

async function storeFolder(cache: string): Promise<string> {
  const name = (await readdir(cache)).find((entry) => /^[0-9a-f]{64}$/.test(entry))!;
  return path.join(cache, name);
}

async function shardNames(cache: string): Promise<string> {
  return (await readdir(await storeFolder(cache))).sort().join();
}

async function kill(expected: ReadonlyMap<string, string>, calmNames: string): Promise<void> {
  const ends: Record<End, number> = { killed: 0, 'killed in a call': 0, done: 0 };
  const counts = { cut: 0, damaged: 0, compared: 0, identical: 0, comparable: 0 };
  let cache = path.join(scratch, 'store-0');
  let isDisturbed = false;
  for (let round = 1; ends.killed + ends['killed in a call'] < Number(flags.kills); round++) {
    const processes = rng.uniform() < 0.3 ? 2 : 1;
    if (processes === 2) isDisturbed = true;
    const results = await Promise.all(Array.from({ length: processes }, () => fillUntilKilled(cache)));
    for (const end of results) ends[end]++;
    const folder = await storeFolder(cache).catch(() => undefined);
    for (const name of folder ? await readdir(folder) : []) {
      const file = path.join(folder!, name);
      if (name.endsWith('.tmp')) {
        counts.cut++;
        await truncate(file, rng.integer((await stat(file)).size + 1));
      } else if (name.endsWith('.safetensors') && rng.uniform() < 0.05) {
        counts.damaged++;
        isDisturbed = true;
        const bytes = await readFile(file);
        if (rng.uniform() < 0.5) await truncate(file, rng.integer(bytes.length));
        else {
          bytes[rng.integer(bytes.length)]! ^= 1 << rng.integer(8);
          await writeFile(file, bytes);
        }
      }
    }
    if (round % 4 === 0 || results.includes('done')) {
      await fillWhole(cache);
      await expectRows(cache, expected, `Round ${round}`);
      counts.compared++;
      const isIdentical = (await shardNames(cache)) === calmNames;
      if (isIdentical) counts.identical++;
      if (!isDisturbed) counts.comparable++;
      if (!isDisturbed && !isIdentical) throw new Error(`Round ${round}: the shards are cut differently.`);
      await rm(cache, { recursive: true });
      cache = path.join(scratch, `store-${round}`);
      isDisturbed = false;
    }
  }
  console.log(
    `${ends.killed} processes killed at some moment${fakeTime ? ', clocks years off' : ''}, ${ends['killed in a call']} on entering ` +
      `an fsync or a rename (${ends.done} were done before); ${counts.cut} half-written files cut, ${counts.damaged} shards ` +
      `damaged: ${counts.compared} stores compared, every row right; ${counts.identical} have the same files as an undisturbed ` +
      `one, among them all ${counts.comparable} that one process at a time filled and nobody damaged.`,
  );
}

async function cut(expected: ReadonlyMap<string, string>, calmNames: string): Promise<void> {
  const traced = path.join(scratch, 'traced');
  const trace = path.join(scratch, 'trace.txt');
  await fillWhole(traced, ['strace', '-f', '-y', '-s', '0', '-e', `trace=${tracedCalls}`, '-o', trace]);
  const events = parseTrace(await readFile(trace, 'utf8'), traced);
  const contents = await readContents(events);
  const examples = (await readdir(images)).sort().map((name) => ({ path: path.join(images, name) }));
  const counts = { cut: 0, found: 0 };
  for (let round = 0; round < Number(flags.cuts); round++) {
    const cache = path.join(scratch, `cut-${round}`);
    const happened = events.slice(0, rng.integer(events.length + 1));
    const disk = cutPower(happened, traced, contents, rng);
    await writeDisk(disk, cache);
    // A shard whose folder was synced after its rename is safe: it must be there.
    const safe = happened.flatMap((event, i) =>
      event.kind === 'rename' &&
      event.to.endsWith('.safetensors') &&
      happened.slice(i).some(({ kind, path: of }) => kind === 'sync' && of === path.dirname(event.to))
        ? [path.relative(traced, event.to)]
        : [],
    );
    const lost = safe.filter((name) => !disk.files.has(name));
    if (lost.length > 0) throw new Error(`Cut ${round} after ${happened.length} calls loses ${lost.join()}.`);
    const warnings: string[] = [];
    const store = await openTinyStore(cache, {}, { info() {}, warn: (message) => warnings.push(message) });
    const found = store.rowKeys().length / 32;
    const { computed } = await extractFeatures({
      model: tinyBackbone(),
      input: pixels,
      examples,
      targets: [{ store }],
      threads: 1,
    });
    if (warnings.length > 0) throw new Error(`Cut ${round} leaves a damaged shard: ${warnings.join()}`);
    if (computed !== expected.size - found)
      throw new Error(`Cut ${round}: computed ${computed}, not what lacked.`);
    await expectRows(cache, expected, `Cut ${round}`);
    if ((await shardNames(cache)) !== calmNames)
      throw new Error(`Cut ${round}: the shards are cut differently.`);
    counts.cut += disk.cut;
    counts.found += found;
    await rm(cache, { recursive: true });
  }
  console.log(
    `${flags.cuts} power cuts after one of ${events.length} calls: ${counts.cut} files lost bytes, ${counts.found} finished rows ` +
      'were found again, nothing finished was lost, every store has the same files as an undisturbed one.',
  );
}

try {
  execFileSync('strace', ['--version'], { stdio: 'ignore' });
  await drawImages(images, Number(flags.images));
  const calm = path.join(scratch, 'calm');
  await fillWhole(calm);
  const expected = await rowsOf(calm);
  const calmNames = await shardNames(calm);
  await cut(expected, calmNames);
  await kill(expected, calmNames);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
