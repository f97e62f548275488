/**
 * Products with constant matrices in integers, the data rounded to 8 bits as they come:
 *
 *   x ≈ sx · (qx − zx),  W ≈ sw · qW   ⇒   x·W ≈ sx · sw · Σ (qx − zx) · qW
 *
 * with one scale sx for the whole tensor (DynamicQuantizeLinear, Cast and Mul as ONNX defines them) and one scale sw for each
 * column of W. ONNX Runtime fuses this to one operator. Convolutions stay float32, as it has no fast kernel for them in this form.
 */
import type { Model } from '../../onnx/ir.js';
import { Int8Tape } from './int8-tape.js';
import { channelsOfMatrix, type MatrixProduct, matrixProduct } from './matrix-product.js';
import { roundTable } from './round-tables.js';

/** @param model - on operator set 11 or later, its weights as initializers */
export function quantizeDynamic(model: Model): Model {
  const { graph, opsets } = model;
  const tape = new Int8Tape(graph, opsets.get('')!);
  const rounded = new Map<string, readonly string[]>();
  for (const row of graph.nodes) {
    const product = matrixProduct(row, tape.facts);
    if (product) writeProduct(product, row.outputs[0]!, tape, rounded);
    else if (!roundTable(row, tape)) tape.builder.nodes.push(row);
  }
  return tape.finish(model);
}

/** @param rounded - integers, scale and zero point of the data that were met, by their names */
function writeProduct(
  { data, name, weights, bias }: MatrixProduct,
  output: string,
  tape: Int8Tape,
  rounded: Map<string, readonly string[]>,
): void {
  const { builder } = tape;
  let made = rounded.get(data);
  if (!made) {
    made = builder.ops('DynamicQuantizeLinear', [data], 3, { name: `${data}/int8` });
    rounded.set(data, made);
  }
  const [values, scale, zeroPoint] = made as [string, string, string];
  const { stored, scales } = tape.weights(name, weights, channelsOfMatrix(weights));
  const ofColumns = tape.float32(
    `${name}/scale`,
    weights.dims.with(-2, 1).slice(weights.dims.length === 2 ? 1 : 0),
    scales,
  );
  const sums = builder.op('MatMulInteger', [values, stored, zeroPoint, tape.zero('int8')], {
    name: `${output}/int32`,
  });
  const factors = builder.op('Mul', [scale, ofColumns], { name: `${output}/scale` });
  const inputs = [tape.toFloat32(sums, `${output}/sums`), factors];
  if (bias === undefined) tape.give(output, 'Mul', inputs);
  else tape.give(output, 'Add', [builder.op('Mul', inputs, { name: `${output}/product` }), bias]);
}
