/** A value of a configuration, as its flag takes it: a list is a,b on the command line, and nothing is guessed from what is no value. */
import type { Options } from 'yargs';
import { GraftError } from '../errors.js';
import { showJson } from '../shorten-text.js';

/**
 * @param name - of the flag, without dashes
 * @throws GraftError USAGE for a value that the flag cannot have
 */
export function configValue(name: string, value: unknown, { type, coerce }: Options): unknown {
  if (type === 'array') return value;
  if (type === 'boolean') {
    if (typeof value === 'boolean') return value;
    if (value === 'true' || value === 'false') return value === 'true';
    throw unfit(name, 'true or false', value);
  }
  // Of a flag that is no switch, false is as good as nothing: no folder is called so.
  if (value === null || (value === false && type === 'string'))
    throw unfit(name, 'a value (without the line, the default counts)', value);
  if (typeof value === 'object') {
    const isList = Array.isArray(value) && value.every((item) => typeof item !== 'object');
    if (!isList) throw unfit(name, 'a value, or a list of values,', value);
    return value.map(String).join(',');
  }
  if (typeof value === 'boolean' && coerce) throw unfit(name, 'a number', value);
  if (type === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return String(value);
  return value;
}

function unfit(name: string, expected: string, value: unknown): GraftError {
  return new GraftError(
    'USAGE',
    `Expected ${expected} for ${name} in the configuration but received ${showJson(value, 200)}.`,
  );
}
