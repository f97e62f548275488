/** `--config FILE`: flags from a JSON or YAML file, by their names without dashes. */
import { closeSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type Yaml from 'yaml';
import { GraftError, messageOf, unreadable } from '../errors.js';

/** A configuration is written by hand; a device, or a data set given by mistake, may never end. */
const mostBytes = 2 ** 20;

/** Of one call: yargs asks twice for the file, and what a pipe holds (`--config <(…)`) is there once. */
export function configReader(): typeof readConfigFile {
  const known = new Map<string, Record<string, unknown>>();
  return (file) => {
    const flags = known.get(file) ?? readConfigFile(file);
    known.set(file, flags);
    return flags;
  };
}

/** @throws GraftError where the file cannot be read or is not one mapping. */
function readConfigFile(file: string): Record<string, unknown> {
  const flags = parse(readText(file), file);
  if (flags === null || typeof flags !== 'object' || Array.isArray(flags)) {
    throw new GraftError(
      'USAGE',
      `Expected a mapping from flags to values in ${file}, such as "epochs: 20".`,
    );
  }
  if ('config' in flags) {
    throw new GraftError(
      'USAGE',
      `The configuration ${file} names another one, which would not be read; have all flags in one file.`,
    );
  }
  return flags as Record<string, unknown>;
}

function readText(file: string): string {
  const bytes = Buffer.allocUnsafe(mostBytes + 1);
  let length = 0;
  try {
    const descriptor = openSync(file, 'r');
    try {
      for (let read = 1; read > 0 && length < bytes.length; length += read)
        read = readSync(descriptor, bytes, length, bytes.length - length, null);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
  if (length > mostBytes)
    throw new GraftError('USAGE', `The configuration ${file} has more than ${mostBytes} bytes; is it one?`);
  // Editors on Windows put a byte order mark first.
  return bytes.toString('utf8', 0, length).replace(/^\ufeff/, '');
}

function parse(text: string, file: string): unknown {
  try {
    if (/\.json$/i.test(path.extname(file))) return JSON.parse(text);
    // yargs calls this synchronously, and most calls have no config file: load the parser only here.
    const document = (createRequire(import.meta.url)('yaml') as typeof Yaml).parseDocument(text);
    // A tag that is not known would else be left out, with a word from Node about it.
    const [problem] = [...document.errors, ...document.warnings];
    if (problem) throw problem;
    return document.toJS();
  } catch (error) {
    throw new GraftError(
      'USAGE',
      `The configuration ${file} is neither valid JSON nor YAML: ${messageOf(error).trimEnd()}`,
    );
  }
}
