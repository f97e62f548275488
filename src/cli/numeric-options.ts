/** Checks of flags that are numbers. */
import { GraftError } from '../errors.js';

interface Numeric {
  readonly requiresArg: true;
  readonly coerce: (value: unknown) => number | undefined;
}

function numeric(name: string, expected: string, accepts: (value: number) => boolean): Numeric {
  return {
    requiresArg: true,
    coerce: (given) => {
      // A flag that was given twice counts as it was given last.
      const value: unknown = Array.isArray(given) ? given.at(-1) : given;
      if (value === undefined) return undefined;
      const number = typeof value === 'string' && value.trim() === '' ? Number.NaN : Number(value);
      if (!accepts(number)) {
        throw new GraftError(
          'USAGE',
          `Expected ${expected} for --${name} but received ${JSON.stringify(value)}.`,
        );
      }
      return number;
    },
  };
}

export const positiveInteger = (name: string) =>
  numeric(name, 'a whole number above 0', (value) => Number.isSafeInteger(value) && value > 0);
export const foldCount = (name: string) =>
  numeric(name, 'a whole number of 2 or more', (value) => Number.isSafeInteger(value) && value > 1);
export const nonNegative = (name: string) =>
  numeric(name, 'a number of 0 or more', (value) => Number.isFinite(value) && value >= 0);
export const positive = (name: string) =>
  numeric(name, 'a number above 0', (value) => Number.isFinite(value) && value > 0);
export const share = (name: string) =>
  numeric(name, 'a share from 0 to below 1', (value) => value >= 0 && value < 1);
export const wholeNumber = (name: string) =>
  numeric(name, 'a whole number of 0 or more', (value) => Number.isSafeInteger(value) && value >= 0);
export const integer = (name: string) => numeric(name, 'a whole number', Number.isSafeInteger);
/** 100 000 would take ONNX Runtime minutes and 12 GB to start. */
const mostThreads = 1024;
export const threadCount = (name: string) =>
  numeric(
    name,
    `a whole number from 1 to ${mostThreads}`,
    (value) => Number.isInteger(value) && value >= 1 && value <= mostThreads,
  );
export const portNumber = (name: string) =>
  numeric(
    name,
    'a port from 0 to 65535',
    (value) => Number.isInteger(value) && value >= 0 && value <= 65_535,
  );
