/**
 * Features of photos through the image-feature-extraction pipeline of @huggingface/transformers.
 *
 * Arguments: folder where the package is installed, model folder, file with a path a line, output file (float32 rows),
 * photos a call. Prints one JSON line: version, and the seconds from the first photo to the last row, without imports
 * and opening the model.
 */
import { Buffer } from 'node:buffer';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const [library, model, list, output, batchText] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(library), 'package.json'));
const entry = path.join(path.dirname(require.resolve('@huggingface/transformers')), 'transformers.node.mjs');
const { pipeline, env } = await import(pathToFileURL(entry).href);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(model);
const extract = await pipeline('image-feature-extraction', path.basename(model), {
  dtype: 'fp32',
  device: 'cpu',
});
const photos = (await readFile(list, 'utf8')).trim().split('\n');
const batch = Number(batchText);
const started = performance.now();
const rows = [];
for (let at = 0; at < photos.length; at += batch) {
  const { data } = await extract(batch === 1 ? photos[at] : photos.slice(at, at + batch));
  rows.push(Buffer.from(data.slice().buffer));
}
const seconds = (performance.now() - started) / 1000;
await writeFile(output, Buffer.concat(rows));
console.log(
  JSON.stringify({ versions: `@huggingface/transformers ${env.version}`, seconds, rows: photos.length }),
);
