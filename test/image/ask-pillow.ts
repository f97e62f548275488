import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { PixelSpec } from './read-pixels.js';

/** Pillow's levels for each item, one after the other, or undefined where there is no Python with Pillow. */
export function askPillow(items: readonly { image: string; spec: PixelSpec }[]): Uint8Array | undefined {
  const script = path.resolve('scripts/fixtures/pillow_pixels.py');
  const { status, stdout } = spawnSync(process.env.GRAFT_TEST_PYTHON ?? '/usr/bin/python3', ['-B', script], {
    input: JSON.stringify({ items }),
    maxBuffer: 2 ** 28,
  });
  return status === 0 ? stdout : undefined;
}
