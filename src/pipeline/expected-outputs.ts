import type { Dataset } from '../dataset/dataset.js';
import type { ExampleList } from '../dataset/example-list.js';
import { GraftError } from '../errors.js';
import type { Targets } from '../tasks/targets.js';

/**
 * What a model should have said of some examples, in the order of its own outputs.
 * @param names - of the model's outputs
 * @throws GraftError INVALID_DATASET where the data set has labels that the model does not know.
 */
export function expectedOutputs(
  examples: ExampleList,
  { classes, task, targets, root }: Dataset,
  names: readonly string[],
  model: string,
): Targets {
  const base = { rows: examples.length, classes: names };
  if (task === 'regression') {
    if (classes.length !== names.length) {
      throw new GraftError(
        'INVALID_DATASET',
        `${root} holds ${classes.length} numbers an example, but ${model} predicts ${names.length}: ${names.join(', ')}.`,
      );
    }
    return { ...base, labels: new Int32Array(), targets: gatherRows(examples, targets!, classes.length) };
  }
  const placeOf = classes.map((name) => names.indexOf(name));
  const strange = classes.filter((_, c) => placeOf[c]! < 0);
  if (strange.length > 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `${root} has classes that ${model} does not know: ${strange.join(', ')}. It knows ${names.join(', ')}.`,
    );
  }
  if (!targets) return { ...base, labels: Int32Array.from(examples, ({ label }) => placeOf[label]!) };
  const own = gatherRows(examples, targets, classes.length);
  const placed = new Float32Array(examples.length * names.length);
  for (let row = 0; row < examples.length; row++) {
    for (let c = 0; c < classes.length; c++)
      placed[row * names.length + placeOf[c]!] = own[row * classes.length + c]!;
  }
  return { ...base, labels: new Int32Array(), targets: placed };
}

function gatherRows(examples: ExampleList, table: Float32Array, columns: number): Float32Array {
  const rows = new Float32Array(examples.length * columns);
  for (let row = 0; row < examples.length; row++) {
    const { label } = examples.at(row);
    rows.set(table.subarray(label * columns, (label + 1) * columns), row * columns);
  }
  return rows;
}
