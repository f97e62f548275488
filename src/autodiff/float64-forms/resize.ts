/**
 * Interpolation is linear in the pixels, and along each axis Y = M X: with the matrices M that the operator itself gives
 * (in float32, and the same float32 numbers in both models). Where the axes depend on each other it runs once on the identity
 * of all pixels instead, one channel for each.
 */
import { sizeOf } from '../../tensor/shape.js';
import { float32, int64 } from '../../tensor/tensor.js';
import { reshape } from '../append.js';
import { isSeparable, isUnit, matrixOf } from '../resize-matrix.js';
import type { Float64Form, FormContext } from './float64-form.js';

const floatCode = 1;
const doubleCode = 11;

const resize: Float64Form = (given) => {
  if (!isSeparable(given.node)) return resizeTogether(given);
  const at = withFloatScales(given);
  const input = at.shapeOf(at.x[0]!);
  const output = at.shapeOf(at.node.outputs[0]!);
  let y = at.x[0]!;
  for (const [axis, size] of input.entries()) {
    if (size === output[axis] && isUnit(at, axis)) continue;
    const matrix = at.op('Cast', [matrixOf(at, axis, size, output[axis]!)], { to: doubleCode });
    const after = input.slice(axis + 1);
    const stacked = reshape(at, y, [sizeOf(output.slice(0, axis)), size, sizeOf(after)]);
    y = reshape(at, at.op('MatMul', [matrix, stacked]), [...output.slice(0, axis + 1), ...after]);
  }
  return y;
};

/** Scales that are computed are float64 here, which the operator does not take. */
function withFloatScales(at: FormContext): FormContext {
  const { node } = at;
  const index = scalesIndex(at);
  const scales = node.inputs[index];
  if (!scales || node.inputs[3] || at.constantOf(scales)) return at;
  const narrow = at.op('Cast', [scales], { to: floatCode });
  return { ...at, node: { ...node, inputs: node.inputs.with(index, narrow) } };
}

const scalesIndex = ({ node, builder }: FormContext): number =>
  node.opType === 'Upsample' || builder.opset < 11 ? 1 : 2;

const resizeTogether: Float64Form = (at) => {
  const { node, builder } = at;
  const [n, c, ...input] = at.shapeOf(node.inputs[0]!) as [number, number, ...number[]];
  const output = at.shapeOf(node.outputs[0]!).slice(2);
  const count = sizeOf(input);
  const identity = new Float32Array(count * count);
  for (let i = 0; i < count; i++) identity[i * (count + 1)] = 1;
  const inputs = [...node.inputs];
  inputs[0] = builder.constant('f64/identity', float32([1, count, ...input], identity));
  const scales = scalesIndex(at);
  if (inputs[scales]) inputs[scales] = at.op('Cast', [inputs[scales]], { to: floatCode });
  if (inputs[3]) inputs[3] = builder.constant('f64/sizes', int64([output.length + 2], [1, count, ...output]));
  const name = builder.freshName(`f64/${node.outputs[0]}/pixels`);
  const attributes = new Map([...node.attributes].filter(([key]) => !(key === 'axes' && inputs[3])));
  builder.nodes.push({ ...node, name, inputs, outputs: [name], attributes });
  const pixels = at.op('Reshape', [name, builder.ints([count, sizeOf(output)])]);
  const matrix = at.op('Cast', [pixels], { to: doubleCode });
  const flat = at.op('Reshape', [at.x[0]!, builder.ints([n * c, count])]);
  return at.op('Reshape', [at.op('MatMul', [flat, matrix]), builder.ints([n, c, ...output])]);
};

export const resizeForms: readonly (readonly [string, Float64Form])[] = [
  ['Resize', resize],
  ['Upsample', resize],
];
