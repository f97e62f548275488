/** This package: its folder and version, from the package.json above this file (dist/ and a test build lie at different depths). */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Found {
  readonly folder: string;
  readonly version: string;
}

function findPackage(): Found {
  for (const up of ['../', '../../', '../../../']) {
    try {
      const folder = new URL(up, import.meta.url);
      const found = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as {
        name: string;
        version: string;
      };
      if (found.name === 'onnx-graft') return { folder: fileURLToPath(folder), version: found.version };
    } catch {
      // Not at this depth.
    }
  }
  return { folder: fileURLToPath(new URL('../', import.meta.url)), version: 'unknown' };
}

export function packageVersion(): string {
  return findPackage().version;
}

/** Where package.json and what is shipped beside the code lie. */
export function packageFolder(): string {
  return findPackage().folder;
}
