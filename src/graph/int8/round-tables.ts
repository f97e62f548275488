/** Tables that rows are looked up in (Gather), as those of words, in int8 with a scale for each row: a quarter of the bytes. */
import { intAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import { sizeOf } from '../../tensor/shape.js';
import type { Int8Tape } from './int8-tape.js';
import { lookedUpMost } from './round-weights.js';

/** Smaller tables are kept. */
const fewestWeights = 2 ** 14;

/** Writes the lookup, values of the row · scale of the row. False where the node looks up nothing, or in a small table. */
export function roundTable(row: Node, tape: Int8Tape): boolean {
  const { opType, domain, inputs, outputs } = row;
  const [name = '', indices = ''] = inputs;
  if (opType !== 'Gather' || domain !== '' || intAttribute(row, 'axis', 0) !== 0) return false;
  const table = tape.facts.constantOf(name);
  if (table?.dtype !== 'float32' || table.dims.length !== 2 || sizeOf(table.dims) < fewestWeights)
    return false;
  const [rows, width] = table.dims as [number, number];
  const { builder } = tape;
  const { stored, scales } = tape.weights(`${name}/rows`, table, {
    view: [rows, width, 1],
    most: lookedUpMost,
  });
  const [output] = outputs as [string];
  const found = builder.op('Gather', [stored, indices], { name: `${output}/int8` });
  const values = tape.toFloat32(found, `${output}/rounded`);
  const scale = builder.op('Gather', [tape.float32(`${name}/rows/scale`, [rows, 1], scales), indices], {
    name: `${output}/scale`,
  });
  tape.give(output, 'Mul', [values, scale]);
  return true;
}
