/** Which candidates a search compares, from flags: `--l2 0.1,1,10`, `--lr 1e-3,1e-2`, `--heads linear,mlp`. */
import { GraftError } from '../errors.js';
import type { HeadKindName, HeadSpec } from '../heads/head.js';
import { type HeadOptions, headSpec } from './head-options.js';
import type { Candidate } from '../train/candidate.js';
import type { Solver } from '../train/train-head.js';

export interface GridOptions extends Pick<HeadOptions, 'hidden' | 'dropout' | 'activation' | 'scale'> {
  /** `auto` (default) or a list with commas. */
  readonly l2?: string | number | undefined;
  /** A list with commas, for adamw and sgd. */
  readonly lr?: string | number | undefined;
  /** Lists with commas; where there is none, `head` and `solver` are the only ones. */
  readonly heads?: string | undefined;
  readonly head?: string | undefined;
  readonly solver?: string | undefined;
  readonly solvers?: string | undefined;
}

const headKinds = ['linear', 'mlp', 'cosine', 'prototype'] as const satisfies readonly HeadKindName[];
const solvers = ['lbfgs', 'adamw', 'sgd'] as const satisfies readonly Solver[];
const usualRates = { adamw: [3e-4, 1e-3, 3e-3], sgd: [1e-3, 1e-2, 1e-1] } as const;
/** Where a penalty is no path but a fit each, fewer are tried: these shares of the number of examples. */
const fewPenalties = [5e-4, 5e-3, 5e-2];

/** From flags to the candidates of a layer with so many examples; flags are checked at once. */
export function parseGrid(options: GridOptions): (rows: number) => Candidate[] {
  const { l2 = 'auto', lr } = options;
  const penalties = l2 === 'auto' ? undefined : parseNumbers('l2', l2);
  const rates = lr === undefined ? undefined : parseNumbers('lr', lr);
  const heads = parseChoices('heads', options.heads ?? options.head ?? 'linear', headKinds);
  const listed = options.solvers ?? options.solver;
  const named = listed === undefined ? undefined : parseChoices('solvers', listed, solvers);
  return (rows) =>
    heads.flatMap((kind): Candidate[] => {
      const head = specOf(kind, options);
      if (kind === 'prototype') return [{ head, solver: 'none', l2: 0 }];
      return (named ?? [kind === 'linear' ? 'lbfgs' : 'adamw']).flatMap((solver): Candidate[] => {
        if (solver === 'lbfgs') {
          const path = penalties ?? (kind === 'linear' ? defaultPenalties(rows) : few(rows));
          return path.map((value) => ({ head, solver, l2: value }));
        }
        return (penalties ?? few(rows)).flatMap((value) =>
          (rates ?? usualRates[solver]).map((rate) => ({ head, solver, l2: value, lr: rate })),
        );
      });
    });
}

const few = (rows: number): number[] => fewPenalties.map((share) => Number((share * rows).toPrecision(1)));

/** Flags of one kind of head do not disturb the others. */
function specOf(kind: HeadKindName, { hidden, dropout, activation, scale }: GridOptions): HeadSpec {
  if (kind === 'mlp') return headSpec({ head: kind, hidden, dropout, activation });
  return headSpec({ head: kind, ...(kind === 'cosine' && { scale }) });
}

/** @throws GraftError USAGE, naming the flag and the item. */
export function parseNumbers(flag: string, text: string | number): number[] {
  return splitList(flag, text).map((item) => {
    const value = Number(item);
    if (Number.isFinite(value) && value > 0) return value;
    throw new GraftError(
      'USAGE',
      `Expected numbers above 0 with commas between for --${flag}, as in 0.1,1,10, but received "${item}".`,
    );
  });
}

/** @throws GraftError USAGE, naming the flag, the item and what there is. */
function parseChoices<T extends string>(flag: string, text: string, choices: readonly T[]): T[] {
  return splitList(flag, text).map((item) => {
    const choice = choices.find((each) => each === item);
    if (choice !== undefined) return choice;
    throw new GraftError(
      'USAGE',
      `Expected ${choices.join(', ')} with commas between for --${flag} but received "${item}".`,
    );
  });
}

/** @throws GraftError USAGE for an empty item or one that is there twice. */
export function splitList(flag: string, text: string | number): string[] {
  const items = String(text)
    .split(',')
    .map((item) => item.trim());
  if (items.includes('')) {
    throw new GraftError(
      'USAGE',
      `Expected a list with commas between for --${flag} but received "${text}", in which an item is empty.`,
    );
  }
  return [...new Set(items)];
}

/**
 * Penalties that are tried where none are given: twelve, half a decade apart, up to three times the number of examples
 * (as its nearest power of ten), where little is left of the weights.
 * @example defaultPenalties(2062) // [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000]
 */
export function defaultPenalties(rows: number): number[] {
  const top = Math.round(Math.log10(rows));
  return Array.from({ length: 12 }, (_, i) => {
    const power = top - 5 + Math.floor(i / 2);
    return Number(`${i % 2 === 0 ? 1 : 3}e${power}`);
  });
}
