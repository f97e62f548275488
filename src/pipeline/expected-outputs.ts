import type { Dataset } from '../dataset/dataset.js';
import type { ExampleList } from '../dataset/example-list.js';
import { GraftError, nameSome } from '../errors.js';
import { countTargets, type Targets } from '../tasks/targets.js';
import type { TaskKind } from '../tasks/task.js';

/**
 * What a model should have said of some examples, in the order of its own outputs.
 * @param names - of the model's outputs
 * @throws GraftError INVALID_DATASET where examples have labels that the model does not know.
 */
export function expectedOutputs(
  examples: ExampleList,
  { classes, task, targets, root }: Dataset,
  names: readonly string[],
  model: string,
): Targets {
  const given = { rows: examples.length, classes };
  const own: Targets = targets
    ? { ...given, labels: new Int32Array(), targets: gatherRows(examples, targets, classes.length) }
    : { ...given, labels: Int32Array.from(examples, ({ label }) => label) };
  return placeOutputs(own, names, { task, data: root, model });
}

/**
 * Targets in the order of a model's outputs, which are found by their names; numbers of other names are taken as they come.
 * @param names - of the model's outputs
 * @throws GraftError INVALID_DATASET where rows have classes that the model does not know.
 */
export function placeOutputs(
  { rows, classes, labels, targets }: Targets,
  names: readonly string[],
  { task, data, model }: { readonly task: TaskKind; readonly data: string; readonly model: string },
): Targets {
  // A model may have its names as macOS spells them.
  const composed = names.map((name) => name.normalize());
  let placeOf = classes.map((name) => composed.indexOf(name.normalize()));
  const counts = countTargets({ rows, classes, labels, targets });
  // Those of another part of the data, or that no row has, do not matter.
  const strange = classes.filter((_, c) => placeOf[c]! < 0 && (task === 'regression' || counts[c]! > 0));
  if (task === 'regression') {
    if (classes.length !== names.length) {
      throw new GraftError(
        'INVALID_DATASET',
        `${data} holds ${classes.length} numbers an example, but ${model} predicts ${names.length}: ${names.join(', ')}.`,
      );
    }
    if (strange.length > 0) placeOf = [...classes.keys()];
  } else if (strange.length > 0) {
    throw new GraftError(
      'INVALID_DATASET',
      `${data} has classes that ${model} does not know: ${nameSome(strange)}. It knows ${nameSome(names)}; leave the others out, or train with them.`,
    );
  }
  const base = { rows, classes: names };
  if (!targets) return { ...base, labels: labels.map((label) => placeOf[label]!) };
  const placed = new Float32Array(rows * names.length);
  for (let row = 0; row < rows; row++) {
    for (let c = 0; c < classes.length; c++)
      if (placeOf[c]! >= 0) placed[row * names.length + placeOf[c]!] = targets[row * classes.length + c]!;
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
