/**
 * Interpolation is linear in the pixels: the operator run once on the identity, one channel for each input pixel, gives
 * its matrix [input pixels, output pixels] (in float32, and the same float32 numbers in both models).
 */
import { sizeOf } from '../../tensor/shape.js';
import { float32, int64 } from '../../tensor/tensor.js';
import type { Float64Form } from './float64-form.js';

const floatCode = 1;
const doubleCode = 11;

const resize: Float64Form = (at) => {
  const { node, builder } = at;
  const [n, c, ...input] = at.shapeOf(node.inputs[0]!) as [number, number, ...number[]];
  const output = at.shapeOf(node.outputs[0]!).slice(2);
  const count = sizeOf(input);
  const identity = new Float32Array(count * count);
  for (let i = 0; i < count; i++) identity[i * (count + 1)] = 1;
  const inputs = [...node.inputs];
  inputs[0] = builder.constant('f64/identity', float32([1, count, ...input], identity));
  const scales = node.opType === 'Upsample' || builder.opset < 11 ? 1 : 2;
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
