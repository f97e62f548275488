/** How random views of a photo are made: which operations, and how far each may go. */
import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { GraftError, messageOf, unreadable } from '../errors.js';
import { splitList } from '../split-list.js';

export interface AugmentSpec {
  /** A random window, of a share of the area and a ratio of width to height within these bounds, resized to the input. */
  readonly crop?: { readonly scale: readonly [number, number]; readonly ratio: readonly [number, number] };
  /** Mirrored left to right, with this probability. */
  readonly flip?: { readonly probability: number };
  /** Factors from 1 − x to 1 + x; hue: turns of the colour circle from −x to x. */
  readonly color?: {
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    readonly hue: number;
  };
  /** So many operations of RandAugment (Cubuk et al. 2019), of a magnitude from 0 to 30. */
  readonly randaugment?: { readonly operations: number; readonly magnitude: number };
}

const defaults: Required<AugmentSpec> = {
  // Gentler than the 0.08 of training from scratch: the features are frozen, and what is cut off is not learned.
  crop: { scale: [0.35, 1], ratio: [3 / 4, 4 / 3] },
  flip: { probability: 0.5 },
  color: { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
  randaugment: { operations: 2, magnitude: 9 },
};

/** What `--views` does unless `--augment` says otherwise. */
export const defaultAugment: AugmentSpec = {
  crop: defaults.crop,
  flip: defaults.flip,
  color: defaults.color,
};

type Operation = keyof AugmentSpec;
const operations = Object.keys(defaults) as readonly Operation[];

/** The `--augment` that gives these operations: '' where none is needed, undefined where their bounds are not the usual ones. */
export function nameAugment(augment: AugmentSpec): string | undefined {
  const names = operations.filter((name) => augment[name] !== undefined);
  if (!names.every((name) => isDeepStrictEqual(augment[name], defaults[name]))) return undefined;
  return names.join() === Object.keys(defaultAugment).join() ? '' : names.join();
}

/**
 * From `crop,flip`, names of operations that then have their usual bounds, or from a JSON file that gives bounds.
 * @throws GraftError USAGE, FILE_NOT_FOUND, FILE_UNREADABLE
 */
export async function readAugment(text: string | undefined): Promise<AugmentSpec> {
  if (text === undefined) return defaultAugment;
  if (!/\.json$/i.test(text)) {
    const names = splitList('augment', text);
    return parseAugment(Object.fromEntries(names.map((name) => [name, {}])), `--augment ${text}`);
  }
  const content = await readFile(text, 'utf8').catch((error: unknown) => {
    throw unreadable(text, error);
  });
  let fields: unknown;
  try {
    fields = JSON.parse(content);
  } catch (error) {
    throw new GraftError('USAGE', `${text} is not JSON: ${messageOf(error)}.`);
  }
  return parseAugment(fields, text);
}

/** @param where - names the text in messages */
export function parseAugment(fields: unknown, where: string): AugmentSpec {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    throw new GraftError('USAGE', `Expected an object of operations in ${where}.`);
  }
  const spec: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(fields)) {
    if (!operations.includes(name as Operation)) {
      throw new GraftError(
        'USAGE',
        `There is no operation ${JSON.stringify(name)} in ${where}; there are ${operations.join(', ')}, or name a .json file.`,
      );
    }
    const bounds = { ...defaults[name as Operation], ...(given as object) };
    for (const [bound, value] of Object.entries(bounds)) check(name, bound, value, where);
    spec[name] = bounds;
  }
  if (Object.keys(spec).length === 0) throw new GraftError('USAGE', `${where} names no operation.`);
  return spec;
}

/** Least and most of each number; a pair is ascending. */
const limits: Readonly<Record<string, readonly [number, number]>> = {
  'crop.scale': [1e-3, 1],
  'crop.ratio': [0.05, 20],
  'flip.probability': [0, 1],
  'color.brightness': [0, 1],
  'color.contrast': [0, 1],
  'color.saturation': [0, 1],
  'color.hue': [0, 0.5],
  'randaugment.operations': [1, 16],
  'randaugment.magnitude': [0, 30],
};

function check(operation: string, bound: string, value: unknown, where: string): void {
  const name = `${operation}.${bound}`;
  const limit = limits[name];
  if (!limit) throw new GraftError('USAGE', `There is no ${name} in augmentations, but ${where} gives one.`);
  const [least, most] = limit;
  const isPair = operation === 'crop';
  const numbers = (isPair ? value : [value]) as readonly unknown[];
  const isGood =
    Array.isArray(numbers) &&
    numbers.length === (isPair ? 2 : 1) &&
    numbers.every((number) => typeof number === 'number' && number >= least && number <= most) &&
    (numbers[0] as number) <= (numbers.at(-1) as number) &&
    (operation !== 'randaugment' || Number.isInteger(numbers[0]));
  if (isGood) return;
  const what = isPair
    ? `two ascending numbers from ${least} to ${most}`
    : `a number from ${least} to ${most}`;
  throw new GraftError(
    'USAGE',
    `Expected ${what} for ${name} in ${where} but received ${JSON.stringify(value)}.`,
  );
}
