/** This package's own version, from the package.json above this file (dist/ and a test build lie at different depths). */
import { readFileSync } from 'node:fs';

export function packageVersion(): string {
  for (const up of ['../package.json', '../../package.json', '../../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as {
        name: string;
        version: string;
      };
      if (found.name === 'onnx-graft') return found.version;
    } catch {
      // Not at this depth.
    }
  }
  return 'unknown';
}
