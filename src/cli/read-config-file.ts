/** `--config FILE`: flags from a JSON or YAML file, by their names without dashes. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type Yaml from 'yaml';
import { GraftError, messageOf, unreadable } from '../errors.js';

/** @throws GraftError where the file cannot be read or is not one mapping. */
export function readConfigFile(file: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  let flags: unknown;
  try {
    // yargs calls this synchronously, and most calls have no config file: load the parser only here.
    flags = /\.json$/i.test(path.extname(file))
      ? JSON.parse(text)
      : (createRequire(import.meta.url)('yaml') as typeof Yaml).parse(text);
  } catch (error) {
    throw new GraftError(
      'USAGE',
      `The configuration ${file} is neither valid JSON nor YAML: ${messageOf(error).trimEnd()}`,
    );
  }
  if (flags === null || typeof flags !== 'object' || Array.isArray(flags)) {
    throw new GraftError(
      'USAGE',
      `Expected a mapping from flags to values in ${file}, such as "epochs: 20".`,
    );
  }
  return flags as Record<string, unknown>;
}
