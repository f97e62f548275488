/** sharp, loaded for the first image that needs it: libvips takes 60 ms, and small JPEGs do without. */
import { createRequire } from 'node:module';
import type sharp from 'sharp';

let loaded: typeof sharp | undefined;

export function loadSharp(): typeof sharp {
  if (!loaded) {
    // `import` would search the CommonJS files for their exports, in every thread anew.
    loaded = createRequire(import.meta.url)('sharp') as typeof sharp;
    // Many images are decoded at once, each on one thread of libuv's pool; no image is met twice.
    loaded.concurrency(1);
    loaded.cache(false);
  }
  return loaded;
}
