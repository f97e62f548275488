/**
 * Measures by cross-validation what unfreezing gains over the head alone, on the same folds, with the time and the disk
 * it takes. The activations are cached once; every variant and the head alone read them. Nothing of a fold is looked at
 * in training: the epochs are fixed and the last weights count.
 *
 *   node build/scripts/measure-unfreezing.js --backbone FILE --layer 690 --pool avg --data FOLDER --unfreeze 658 \
 *     --variant '{}' --variant '{"tailLr": 0.001, "epochs": 3}' [--folds 5] [--only 0,1] [--threads 2] [--nested 0]
 *
 * Options of a variant are those of `fineTune`. Prints a line a fold, then a table. To choose options without looking at
 * what they are to be judged on, `--nested K` leaves fold K out and deals the rest into folds of its own.
 *
 * `--few N` trains on N examples of each class and judges by 30 others (`--held`), which the same draw has for every N, in place
 * of folds: `--only 0,1` then names draws, each of which seeds its training too.
 */
import { parseArgs } from 'node:util';
import { createRng } from '../src/rng.js';
import { cacheFeatures } from '../src/pipeline/cache-features.js';
import { type Backbone, prepareBackbone } from '../src/pipeline/prepare-backbone.js';
import { prepareTail, type UnfrozenBackbone } from '../src/pipeline/prepare-tail.js';
import { openRows, type RowReader } from '../src/features/row-reader.js';
import type { Pool } from '../src/graph/pool-features.js';
import { openSession } from '../src/runtime/open-session.js';
import { fineTune } from '../src/train/fine-tune.js';
import type { FineTuneOptions } from '../src/train/fine-tune-options.js';
import type { ActivationSet } from '../src/train/row-source.js';

const { values: flags } = parseArgs({
  options: {
    backbone: { type: 'string' },
    layer: { type: 'string' },
    pool: { type: 'string' },
    data: { type: 'string' },
    unfreeze: { type: 'string' },
    variant: { type: 'string', multiple: true, default: ['{}'] },
    folds: { type: 'string', default: '5' },
    only: { type: 'string' },
    threads: { type: 'string', default: '2' },
    cache: { type: 'string' },
    nested: { type: 'string' },
    few: { type: 'string' },
    held: { type: 'string', default: '30' },
  },
});
const { backbone = '', data = '', unfreeze = '', layer, cache } = flags;
const folds = Number(flags.folds);
const chosen = flags.only?.split(',').map(Number) ?? Array.from({ length: folds }, (_, i) => i);

let unfrozen: UnfrozenBackbone | undefined;
const cached = await cacheFeatures(
  { backbone, layer, pool: flags.pool as Pool | undefined, data, cache, dtype: 'float16' },
  {},
  async (given, context): Promise<Backbone> => {
    unfrozen = await prepareTail(await prepareBackbone(given, context), unfreeze);
    return unfrozen.frozen;
  },
);
const { tail, frozen } = unfrozen!;
const { dataset, keys, store, report } = cached;
const rows = dataset.examples.length;
const megabytes = Math.round((rows * frozen.dim * 2) / 1e6);
console.log(
  `${rows} examples after ${unfreeze}: ${frozen.dim} values each, ${megabytes} MB as float16; ` +
    `${report.computed} computed in ${report.seconds.toFixed(0)} s`,
);

const outer = dealOut(() => true, 1);
const nested = flags.nested === undefined ? undefined : Number(flags.nested);
const foldOf = nested === undefined ? outer : dealOut((row) => outer[row] !== nested, 2);

/** Stratified: within each class the examples are dealt out in a seeded order; -1 for those that are left out. */
function dealOut(include: (row: number) => boolean, seed: number): Int32Array {
  const dealt = new Int32Array(rows).fill(-1);
  const rng = createRng(seed);
  for (const label of dataset.classes.keys()) {
    const members = dataset.examples.rowsWhere((example, row) => example.label === label && include(row));
    for (const [i, row] of rng.shuffle(members).entries()) dealt[row] = i % folds;
  }
  return dealt;
}

/** Rows to learn from and rows to judge by. */
function partsOf(fold: number): readonly [train: number[], held: number[]] {
  if (flags.few !== undefined) return draw(Number(flags.few), Number(flags.held), fold + 1);
  const rowsWhere = (include: (own: number) => boolean): number[] =>
    [...foldOf.keys()].filter((row) => foldOf[row]! >= 0 && include(foldOf[row]!));
  return [rowsWhere((own) => own !== fold), rowsWhere((own) => own === fold)];
}

function draw(few: number, held: number, seed: number): [number[], number[]] {
  const rng = createRng(seed);
  const drawn = [...dataset.classes.keys()].map((label) =>
    rng.shuffle(dataset.examples.rowsWhere((example) => example.label === label)),
  );
  return [
    drawn.flatMap((members) => members.slice(held, held + few)),
    drawn.flatMap((members) => members.slice(0, held)),
  ];
}

async function select(
  picked: readonly number[],
): Promise<ActivationSet & { readonly activations: RowReader }> {
  const own = new Uint8Array(picked.length * 32);
  for (const [i, row] of picked.entries()) own.set(keys.subarray(row * 32, (row + 1) * 32), i * 32);
  return {
    activations: await openRows(store, own),
    rows: picked.length,
    labels: Int32Array.from(picked, (row) => dataset.examples.at(row).label),
    classes: dataset.classes,
  };
}

interface Figures {
  readonly alone: number;
  readonly tuned: number;
  readonly seconds: number;
}
const results = new Map<string, Figures[]>();
for (const variant of flags.variant) {
  const options = JSON.parse(variant) as FineTuneOptions;
  const figures: Figures[] = [];
  results.set(variant, figures);
  for (const fold of chosen) {
    const [ofTraining, ofJudging] = partsOf(fold);
    const [train, held] = [await select(ofTraining), await select(ofJudging)];
    const tuned = await fineTune(
      tail,
      train,
      held,
      // The held fold chooses nothing: no epoch is kept for its loss, and training does not stop by it.
      {
        ...{ threads: Number(flags.threads), ...options, stopsEarly: false },
        ...(flags.few !== undefined && { seed: fold + 1 }),
      },
      openSession,
    );
    for (const { activations } of [train, held]) await activations.close();
    const last = tuned.history.at(-1)!.validation!;
    const curve = tuned.history.map(
      ({ validation }) => `${validation!.accuracy!.toFixed(4)}/${validation!.loss.toFixed(3)}`,
    );
    const alone = tuned.headAlone?.validation?.accuracy ?? Number.NaN;
    figures.push({ alone, tuned: last.accuracy!, seconds: tuned.seconds });
    console.log(
      `${unfreeze} ${variant} fold ${fold}: head alone ${alone.toFixed(4)}, unfrozen ${last.accuracy!.toFixed(4)}, ` +
        `loss ${tuned.headAlone?.validation?.loss.toFixed(4)} to ${last.loss.toFixed(4)}, ${tuned.seconds.toFixed(0)} s; ${curve.join(' ')}`,
    );
  }
}

console.log('| options | head alone | unfrozen | gain in points | seconds a fold | disk |');
for (const [variant, figures] of results) {
  const column = (pick: (figure: Figures) => number): string => {
    const values = figures.map(pick);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    return `${(100 * mean).toFixed(2)} ± ${(100 * Math.sqrt(variance)).toFixed(2)}`;
  };
  const seconds = figures.reduce((sum, figure) => sum + figure.seconds, 0) / figures.length;
  console.log(
    `| ${variant} | ${column(({ alone }) => alone)} | ${column(({ tuned }) => tuned)} | ` +
      `${column(({ tuned, alone }) => tuned - alone)} | ${seconds.toFixed(0)} | ${megabytes} MB |`,
  );
}
