/**
 * What a list of a million photos costs before the first of them is in the backbone: time, and memory of the whole
 * process, with the backbone's. The list is a CSV table; only its first photos exist, the others would be met later.
 *
 *   node build/bench/list-million.js [--rows 1000000] [--limit-mb 300] [--limit-s 10] [--json]
 */
import { spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readDataset } from '../src/dataset/read-dataset.js';
import { extractFeatures } from '../src/features/extract-features.js';
import { FeatureStore } from '../src/features/feature-store.js';
import { dim, drawImages, pixels, source, tinyBackbone } from '../test/features/tiny-backbone.js';
import { peakMemory } from './peak-memory.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '1000000' },
    'limit-mb': { type: 'string', default: '300' },
    'limit-s': { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const rows = Number(flags.rows);

interface Cost {
  readonly seconds: number;
  readonly peakMb: number;
}

/** In a process of its own: from nothing to the first photo's features. */
async function measure(data: string, cache: string): Promise<Cost> {
  const started = performance.now();
  const { examples } = await readDataset(data);
  const store = await FeatureStore.open(cache, { ...source, dim });
  const stop = new AbortController();
  let cost: Cost | undefined;
  await extractFeatures({
    model: tinyBackbone(),
    input: pixels,
    examples,
    targets: [{ store }],
    signal: stop.signal,
    onProgress() {
      cost ??= {
        seconds: (performance.now() - started) / 1000,
        peakMb: peakMemory() / 1e6,
      };
      stop.abort();
    },
  }).catch(() => {});
  if (!cost) throw new Error(`No photo of ${data} was computed.`);
  return cost;
}

/** Path and label of each row; the first 256 photos are there. */
function* lines(): Generator<string> {
  yield 'path,label\n';
  for (let i = 0; i < rows; i++) {
    yield `${i < 256 ? '' : 'shoot-2026-11/'}${String(i).padStart(5, '0')}.png,class-${i % 100}\n`;
  }
}

async function writeTable(folder: string): Promise<string> {
  const file = path.join(folder, 'million.csv');
  const out = createWriteStream(file);
  let piece = '';
  for (const line of lines()) {
    piece += line;
    if (piece.length < 2 ** 20) continue;
    if (!out.write(piece)) await new Promise<void>((resolve) => out.once('drain', resolve));
    piece = '';
  }
  out.end(piece);
  await finished(out);
  return file;
}

const [child, cache] = positionals;
if (child !== undefined) console.log(JSON.stringify(await measure(child, cache!)));
else {
  const scratch = await mkdtemp(path.join(tmpdir(), 'graft-million-'));
  try {
    const images = path.join(scratch, 'images');
    await mkdir(images);
    await drawImages(images, 256);
    const file = await writeTable(images);
    await writeFile(path.join(images, 'few.csv'), 'path,label\n00000.png,a\n00001.png,b\n');
    const costOf = (data: string): Cost => {
      const script = fileURLToPath(import.meta.url);
      const { stdout, stderr } = spawnSync(
        process.execPath,
        [script, data, path.join(scratch, 'cache-' + path.basename(data))],
        {
          encoding: 'utf8',
        },
      );
      if (stdout === '') throw new Error(stderr);
      return JSON.parse(stdout) as Cost;
    };
    const few = costOf(path.join(images, 'few.csv'));
    const many = costOf(file);
    if (flags.json) console.log(JSON.stringify({ rows, few, many }));
    else {
      console.log(`two rows: ${few.seconds.toFixed(2)} s, ${few.peakMb.toFixed(0)} MB`);
      console.log(
        `${rows} rows: ${many.seconds.toFixed(2)} s and ${many.peakMb.toFixed(0)} MB before the first batch ` +
          `(limits ${flags['limit-s']} s, ${flags['limit-mb']} MB)`,
      );
    }
    process.exitCode =
      many.seconds < Number(flags['limit-s']) && many.peakMb < Number(flags['limit-mb']) ? 0 : 1;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
