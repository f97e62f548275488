/** Run as a process of its own: caches the images of a folder, and says how far it is, one number a line. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { extractFeatures } from '../../src/features/extract-features.js';
import { openTinyStore, pixels, tinyBackbone } from './tiny-backbone.js';

const [, , images, cache] = process.argv as [string, string, string, string];
const examples = (await readdir(images)).sort().map((name) => ({ path: path.join(images, name) }));
const store = await openTinyStore(cache);
const { computed } = await extractFeatures({
  model: tinyBackbone(),
  input: pixels,
  examples,
  targets: [{ store }],
  threads: 2,
  onProgress: ({ done }) => console.log(done),
});
console.log(`computed ${computed}`);
