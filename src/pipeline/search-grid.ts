/** Which candidates a search compares, from flags: `--l2 0.1,1,10`, `--lr 1e-3,1e-2`, `--heads linear,mlp`, `--seeds 1,2`. */
import { GraftError } from '../errors.js';
import { type HeadKindName, headKinds, type HeadSpec } from '../heads/head.js';
import { eachOnce, splitList } from '../split-list.js';
import { type HeadOptions, headSpec } from './head-options.js';
import type { Candidate } from '../train/candidate.js';
import type { Solver } from '../train/train-options.js';

export interface GridOptions extends Pick<HeadOptions, 'hidden' | 'activation' | 'scale'> {
  /** `auto` (default) or a list with commas. */
  readonly l2?: string | number | undefined;
  /** Lists with commas, for adamw and sgd. */
  readonly lr?: string | number | undefined;
  /** In place of `l2`. */
  readonly weightDecay?: string | number | undefined;
  /** Of the training: where it starts, the order of the examples. */
  readonly seeds?: string | number | undefined;
  /** A list with commas, for MLPs. */
  readonly dropout?: string | number | undefined;
  /** Lists with commas; where there is none, `head` and `solver` are the only ones. */
  readonly heads?: string | undefined;
  readonly head?: string | undefined;
  readonly solver?: string | undefined;
  readonly solvers?: string | undefined;
}

const solvers = ['lbfgs', 'adamw', 'sgd'] as const satisfies readonly Solver[];
const usualRates = { adamw: [3e-4, 1e-3, 3e-3], sgd: [1e-3, 1e-2, 1e-1] } as const;
/** Where a penalty is no path but a fit each, fewer are tried: these shares of the number of examples. */
const fewPenalties = [5e-4, 5e-3, 5e-2];

/**
 * From flags to the candidates of a layer with so many examples; flags are checked at once.
 * @throws GraftError USAGE for a list that none of the candidates would use, too.
 */
export function parseGrid(options: GridOptions): (rows: number) => Candidate[] {
  const { l2 = 'auto' } = options;
  const penalties = l2 === 'auto' ? undefined : parseNumbers('l2', l2, aboveZero);
  const listOf = (flag: string, given: string | number | undefined, range: Range) =>
    given === undefined ? undefined : parseNumbers(flag, given, range);
  const rates = listOf('lr', options.lr, aboveZero);
  const decays = listOf('weight-decay', options.weightDecay, zeroOrMore);
  const seeds = listOf('seeds', options.seeds, whole);
  const dropouts = listOf('dropout', options.dropout, shareOfOne);
  const kinds = parseChoices('heads', options.heads ?? options.head ?? 'linear', headKinds);
  const listed = options.solvers ?? options.solver;
  const named = listed === undefined ? undefined : parseChoices('solvers', listed, solvers);
  const solversOf = (kind: HeadKindName): readonly Solver[] =>
    kind === 'prototype' ? [] : (named ?? [kind === 'linear' ? 'lbfgs' : 'adamw']);
  const used = kinds.flatMap(solversOf);
  const goesByEpochs = used.some((solver) => solver !== 'lbfgs');
  const stray = Object.entries({ 'weight-decay': decays, seeds }).find(([, list]) => list)?.[0];
  if (stray && !goesByEpochs) {
    throw new GraftError(
      'USAGE',
      `--${stray} is for the solvers that go by epochs, of which none is searched; add --solvers adamw or sgd.`,
    );
  }
  if (dropouts && !kinds.includes('mlp')) {
    throw new GraftError('USAGE', '--dropout is for MLPs, of which none is searched; add --heads mlp.');
  }
  if (decays && penalties && !used.includes('lbfgs')) {
    throw new GraftError(
      'USAGE',
      '--weight-decay stands in place of --l2 for adamw and sgd; give one of them.',
    );
  }
  const specs = kinds.flatMap((kind): HeadSpec[] =>
    kind === 'mlp' && dropouts
      ? dropouts.map((dropout) => specOf(kind, options, dropout))
      : [specOf(kind, options)],
  );
  return (rows) =>
    specs.flatMap((head): Candidate[] => {
      const { kind } = head;
      if (kind === 'prototype') return [{ head, solver: 'none', l2: 0 }];
      return solversOf(kind).flatMap((solver): Candidate[] => {
        if (solver === 'lbfgs') {
          const path = penalties ?? (kind === 'linear' ? defaultPenalties(rows) : few(rows));
          return path.map((value) => ({ head, solver, l2: value }));
        }
        const pulls = decays
          ? decays.map((weightDecay) => ({ l2: 0, weightDecay }))
          : (penalties ?? few(rows)).map((value) => ({ l2: value }));
        const trainings = (rates ?? usualRates[solver]).flatMap((lr) =>
          seeds ? seeds.map((seed) => ({ lr, seed })) : [{ lr }],
        );
        return pulls.flatMap((pull) => trainings.map((training) => ({ head, solver, ...pull, ...training })));
      });
    });
}

const few = (rows: number): number[] => fewPenalties.map((share) => Number((share * rows).toPrecision(1)));

/** Flags of one kind of head do not disturb the others. */
function specOf(kind: HeadKindName, { hidden, activation, scale }: GridOptions, dropout?: number): HeadSpec {
  if (kind === 'mlp') return headSpec({ head: kind, hidden, dropout, activation });
  return headSpec({ head: kind, ...(kind === 'cosine' && { scale }) });
}

interface Range {
  readonly expected: string;
  readonly example: string;
  accepts(value: number): boolean;
}

const aboveZero: Range = { expected: 'numbers above 0', example: '0.1,1,10', accepts: (value) => value > 0 };
const zeroOrMore: Range = {
  expected: 'numbers of 0 or more',
  example: '0,0.01,0.1',
  accepts: (value) => value >= 0,
};
const shareOfOne: Range = {
  expected: 'shares from 0 to below 1',
  example: '0,0.3,0.5',
  accepts: (value) => value >= 0 && value < 1,
};
const whole: Range = { expected: 'whole numbers', example: '1,2,3', accepts: Number.isSafeInteger };

/** @throws GraftError USAGE, naming the flag and the item. */
export function parseNumbers(
  flag: string,
  text: string | number,
  { expected, example, accepts }: Range = aboveZero,
): number[] {
  const items = splitList(flag, text);
  const values = items.map((item) => {
    const value = Number(item);
    if (Number.isFinite(value) && accepts(value)) return value;
    throw new GraftError(
      'USAGE',
      `Expected ${expected} with commas between for --${flag}, as in ${example}, but received "${item}".`,
    );
  });
  return eachOnce(flag, values, items);
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
