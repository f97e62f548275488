/**
 * What the labels of a data set mean, from the task: readers collect each distinct label as it is written; here they
 * become classes in an order, sets of labels, or numbers.
 */
import { GraftError, nameSome } from '../errors.js';
import type { Logger } from '../logger.js';
import type { TaskKind } from '../tasks/task.js';
import type { Dataset } from './dataset.js';
import { sortNames } from './sort-names.js';

export interface LabelOptions {
  /** Default: multi where labels are lists, else single. */
  readonly task?: TaskKind | undefined;
  /** Names of ordered classes, lowest first, or with commas between; needed where they are no numbers. */
  readonly order?: string | readonly string[] | undefined;
  /** Names of the columns that numbers come from. */
  readonly labelColumn?: string | undefined;
}

/**
 * @param written - its `classes` are the labels as they are written, each once
 * @throws GraftError INVALID_DATASET naming a label that does not go with the task.
 */
export function interpretLabels(written: Dataset, options: LabelOptions, logger: Logger): Dataset {
  const { classes, root } = written;
  const task = options.task ?? inferTask(written, logger);
  if (options.order !== undefined && task !== 'ordered')
    throw new GraftError(
      'USAGE',
      `--order is for --task ordered, but the task is ${task}; say --task ordered.`,
    );
  switch (task) {
    case 'single':
      return { ...written, task: 'single' };
    case 'multi': {
      const sets = classes.map(splitLabels);
      refuseIndicators(sets, root);
      sayCommas(sets, root, logger);
      const names = sortNames(sets.flat());
      const placeOf = new Map(names.map((name, place) => [name, place]));
      const targets = new Float32Array(classes.length * names.length);
      sets.forEach((set, i) => {
        for (const name of set) targets[i * names.length + placeOf.get(name)!] = 1;
      });
      return { ...written, task: 'multi', classes: names, targets };
    }
    case 'regression': {
      const rows = classes.map((_, label) => parseNumbers(label, written));
      const count = rows[0]?.length ?? 0;
      const uneven = rows.findIndex(({ length }) => length !== count);
      if (uneven >= 0) {
        throw new GraftError(
          'INVALID_DATASET',
          `Expected ${count} numbers in every label of ${root}, as in ${JSON.stringify(classes[0])}, but ` +
            `${JSON.stringify(classes[uneven])} holds ${rows[uneven]!.length}.`,
        );
      }
      const names = nameNumbers(count, options.labelColumn);
      return { ...written, task: 'regression', classes: names, targets: Float32Array.from(rows.flat()) };
    }
    case 'ordered': {
      const names = orderClasses(classes, options.order, root);
      const placeOf = new Map(names.map((name, place) => [name, place]));
      const places = classes.map((name) => placeOf.get(name)!);
      return { ...written, task: 'ordered', classes: names, examples: written.examples.relabel(places) };
    }
  }
}

/** Rows of 0 and 1 would be sets of the labels "0" and "1". A set holds nothing twice, so one that does is none. */
function refuseIndicators(sets: readonly (readonly string[])[], root: string): void {
  const [first] = sets;
  const areRows = sets.every(
    (set) => set.length === first!.length && set.every((part) => /^[01](\.0*)?$/.test(part)),
  );
  const repeating = areRows ? sets.find((set) => new Set(set).size < set.length) : undefined;
  if (repeating === undefined) return;
  throw new GraftError(
    'INVALID_DATASET',
    `Expected lists of labels in ${root} for --task multi but they are rows of 0 and 1, such as [${repeating.join()}]; write the ` +
      'names or numbers of the labels that have a 1.',
  );
}

/** Commas divide nothing, since names may hold them. */
function sayCommas(sets: readonly (readonly string[])[], root: string, logger: Logger): void {
  if (sets.some((set) => set.length > 1)) return;
  const whole = sets.flat().find((name) => name.includes(','));
  if (whole === undefined) return;
  logger.warn(
    `Labels of ${root} hold commas, for instance ${JSON.stringify(whole)}, which are part of their names; write | or ; between ` +
      'several labels of an example.',
  );
}

/** Lists are taken for sets of labels where their parts come again elsewhere, or all are JSON; a lone "a|b" may be a name. */
function inferTask({ classes, root, examples }: Dataset, logger: Logger): TaskKind {
  const sets = classes.map(splitLabels);
  const seen = new Map<string, number>();
  for (const name of sets.flat()) seen.set(name, (seen.get(name) ?? 0) + 1);
  const areJson = classes.every((label) => parseList(label));
  const list = areJson
    ? 0
    : sets.findIndex((set) => set.length > 1 && set.some((name) => seen.get(name)! > 1));
  if (list >= 0) {
    logger.warn(
      `Labels of ${root} are lists, for instance ${JSON.stringify(classes[list])}: taken as several labels an example ` +
        '(--task multi). Pass --task single where each is one class.',
    );
    return 'multi';
  }
  if (classes.length > Math.max(20, examples.length / 10) && classes.every(isNumber)) {
    logger.warn(
      `Labels of ${root} are ${classes.length} different numbers, taken as that many classes; pass --task regression ` +
        'where they are amounts, or --task ordered where they are grades.',
    );
  }
  return 'single';
}

/** The parts of "a|b", "a;b" or a JSON list; a text without these is one label. */
function splitLabels(text: string): string[] {
  return (parseList(text) ?? text.split(/[|;]/))
    .map((part) => part.normalize().trim())
    .filter((part) => part !== '');
}

function parseList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed.map(String) : undefined;
  } catch {
    return parsePythonList(text);
  }
}

/** A list or an array of NumPy as pandas writes it into a table: `['a', 'b']`, `['a' 'b']`, `[1 0]`. */
function parsePythonList(text: string): string[] | undefined {
  const item = /'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([-+\d.e]+)/g;
  if (!text.endsWith(']') || /[^\s,]/.test(text.slice(1, -1).replace(item, ''))) return undefined;
  return Array.from(text.matchAll(item), ([, single, double, number]) =>
    (single ?? double ?? number!).replace(/\\(.)/g, '$1'),
  );
}

/** As a float32 too, which targets are. */
function isNumber(text: string): boolean {
  return text !== '' && Number.isFinite(Math.fround(Number(text)));
}

function parseNumbers(number: number, { root, classes, examples }: Dataset): number[] {
  const label = classes[number]!;
  const parts = splitLabels(label);
  const bad = parts.find((part) => !isNumber(part));
  if (bad === undefined && parts.length > 0) return parts.map(Number);
  throw new GraftError(
    'INVALID_DATASET',
    `Expected finite numbers such as 1500.5 as labels of ${root} for --task regression but found ${JSON.stringify(bad ?? label)}, ` +
      `of ${examples.at(examples.rowsWhere((example) => example.label === number)[0]!).path}; mend it, or take the example out.`,
  );
}

function nameNumbers(count: number, columns: string | undefined): string[] {
  const named = columns?.split(',').map((name) => name.trim());
  if (named?.length === count) return named;
  if (count === 1) return ['value'];
  return Array.from({ length: count }, (_, i) => `${named?.length === 1 ? named[0] : 'value'}${i + 1}`);
}

function orderClasses(classes: readonly string[], order: LabelOptions['order'], root: string): string[] {
  if (order === undefined) {
    if (classes.every(isNumber)) return [...classes].sort((a, b) => Number(a) - Number(b));
    throw new GraftError(
      'INVALID_DATASET',
      `The classes of ${root} are no numbers (${nameSome(classes, 5)}), so their order is not known; ` +
        'give it with --order lowest,…,highest.',
    );
  }
  const given = typeof order === 'string' ? order.split(',').map((name) => name.trim()) : order;
  // As classes are.
  const names = given.map((name) => name.normalize());
  const [isNamed, isClass] = [new Set(names), new Set(classes)];
  const strange = classes.filter((name) => !isNamed.has(name));
  const twice =
    isNamed.size === names.length ? undefined : names.find((name, i) => names.indexOf(name) !== i);
  if (strange.length === 0 && twice === undefined) return names.filter((name) => isClass.has(name));
  throw new GraftError(
    'INVALID_DATASET',
    twice === undefined
      ? `--order lacks ${strange.join(', ')} of ${root}; name every class, lowest first.`
      : `--order names ${twice} twice.`,
  );
}
