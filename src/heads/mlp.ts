/**
 * The multi-layer perceptron: h₁ = a(x W₁ + b₁), h₂ = a(h₁ W₂ + b₂), …, scores = h_n W + b.
 *
 * Hidden weights start at He's scale √(2 / inputs), the last layer at zero: the first scores are the task's prior. The
 * standardisation folds into the first layer as it does into a linear head.
 */
import { invalidArgument } from '../errors.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { lossTape, type Precision } from '../tasks/loss-tape.js';
import { biasName } from '../tasks/task.js';
import { sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { foldIntoLayer } from './fold-into-layer.js';
import type { Activation, Head, HeadBuilder, MlpSpec } from './head.js';

const lastWeight = 'head/weight';

export const mlpHead: HeadBuilder<MlpSpec> = ({ hidden, activation }, { dim, columns, hasBias }): Head => {
  if (hidden.length === 0 || !hidden.every((width) => Number.isSafeInteger(width) && width > 0)) {
    throw invalidArgument('hidden', 'one whole number above 0 or more', hidden.join());
  }
  const parameters = new Map<string, readonly number[]>();
  let width = dim;
  hidden.forEach((next, layer) => {
    parameters.set(weightOf(layer), [width, next]);
    parameters.set(biasOf(layer), [next]);
    width = next;
  });
  parameters.set(lastWeight, [width, columns]);
  if (hasBias) parameters.set(biasName, [columns]);
  return {
    isConvex: false,
    parameters,
    kept: parameters,
    penalized: [...hidden.map((_, layer) => weightOf(layer)), lastWeight],
    penaltyFactor: 1,
    initial: (rng) =>
      new Map(
        [...parameters].map(([name, dims]) => {
          const data = new Float32Array(sizeOf(dims));
          if (dims.length === 2 && name !== lastWeight) {
            const scale = Math.sqrt(2 / dims[0]!);
            for (let i = 0; i < data.length; i++) data[i] = scale * rng.normal();
          }
          return [name, float32(dims, data)];
        }),
      ),
    append(builder, features, values, { precision = 'float32', dropout } = {}) {
      const layer = (x: string, weight: string, bias: string | undefined, name: string): string => {
        const product = builder.op('MatMul', [x, values.get(weight)!], { name: `${name}/product` });
        return bias === undefined ? product : builder.op('Add', [product, bias], { name });
      };
      let x = features;
      hidden.forEach((units, i) => {
        const sum = layer(x, weightOf(i), values.get(biasOf(i)), `head/hidden${i}/sum`);
        x = appendActivation(builder, sum, activation, `head/hidden${i}`, precision);
        if (dropout) x = dropout(x, i, units);
      });
      return layer(x, lastWeight, values.get(biasName), 'head/scores');
    },
    finish(trained, standardization) {
      if (!standardization) return trained;
      const first = foldIntoLayer(
        trained.get(weightOf(0))!,
        trained.get(biasOf(0))!.data as Float32Array,
        standardization,
      );
      return new Map<string, Tensor>([...trained, [weightOf(0), first.weight], [biasOf(0), first.bias]]);
    },
  };
};

const weightOf = (layer: number): string => `head/hidden${layer}/weight`;
const biasOf = (layer: number): string => `head/hidden${layer}/bias`;

/** Of operators that every opset from 9 on has. */
function appendActivation(
  builder: GraphBuilder,
  x: string,
  activation: Activation,
  name: string,
  precision: Precision,
): string {
  const { scalar } = lossTape(builder, precision);
  const op = (opType: string, inputs: readonly string[], step?: string): string =>
    builder.op(opType, inputs, { name: step ? `${name}/${step}` : name });
  switch (activation) {
    case 'relu':
      return op('Relu', [x]);
    case 'tanh':
      return op('Tanh', [x]);
    case 'silu':
      return op('Mul', [x, op('Sigmoid', [x], 'gate')]);
    case 'gelu': {
      // ½ x (1 + erf(x / √2))
      const erf = op('Erf', [op('Mul', [x, scalar(Math.SQRT1_2)], 'scaled')], 'erf');
      const half = op('Mul', [x, scalar(0.5)], 'half');
      return op('Mul', [half, op('Add', [erf, scalar(1)], 'gate')]);
    }
  }
}
