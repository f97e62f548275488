import { expect } from 'chai';
import { checkGradients } from '../../src/autodiff/check-gradients.js';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { initializerBytes } from '../../src/onnx/initializer.js';
import { createRng } from '../../src/rng.js';
import { openModel } from '../../src/runtime/open-model.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';

type Float = 'float32' | 'float64';
type Weight = (name: string, dims: readonly number[]) => string;

interface Row {
  readonly name: string;
  readonly opset: number;
  readonly build: (b: GraphBuilder, weight: Weight) => string;
}

const row = (name: string, opset: number, build: Row['build']): Row => ({ name, opset, build });

const rows: readonly Row[] = [
  ...[14, 21].flatMap((opset) => [
    row('BatchNormalization', opset, (b, w) => {
      const variance = b.op('Mul', [w('s', [3]), 's'], { name: 'variance' });
      return b.op('BatchNormalization', [w('x', [4, 3]), w('scale', [3]), w('bias', [3]), w('mean', [3]), variance]);
    }),
    row('LayerNormalization', opset, (b, w) =>
      b.op('LayerNormalization', [w('x', [2, 3, 4]), w('scale', [4]), w('bias', [4])])),
  ]),
  row('MaxPool', 17, (b, w) =>
    b.op('MaxPool', [w('x', [2, 3, 5, 5])], { attributes: { kernel_shape: [3, 3], strides: [2, 2] } })),
  row('GroupNormalization', 21, (b, w) =>
    b.op('GroupNormalization', [w('x', [2, 4, 3]), w('scale', [4]), w('bias', [4])], { attributes: { num_groups: 2 } })),
  row('RMSNormalization', 23, (b, w) => b.op('RMSNormalization', [w('x', [2, 3, 4]), w('scale', [4])])),
]; // prettier-ignore

/** Gradients of Σ y² by all weights, computed in `dtype`. */
async function gradientsOf({ opset, build }: Row, dtype: Float): Promise<number[][]> {
  const rng = createRng(3);
  const b = new GraphBuilder({ opset });
  const parameters: string[] = [];
  const y = build(b, (name, dims) => {
    const values = Array.from({ length: sizeOf(dims) }, () => rng.normal());
    const data = dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
    parameters.push(b.constant(name, { dtype, dims, data }));
    return parameters.at(-1)!;
  });
  const squares = b.op('Mul', [y, y]);
  const loss = b.op('ReduceSum', [squares], { name: 'loss', attributes: { keepdims: 0 } });
  b.output(loss, dtype, []);
  const model = b.model({ irVersion: opset > 21 ? 11 : 9 });
  const shapes = await probeShapes(model);
  const { model: withGradients, gradients } = differentiate(model, { loss, parameters, shapes });
  const session = await openModel(withGradients);
  try {
    const found = await session.run({});
    return parameters.map((name) => Array.from(found[gradients.get(name)!]!.data, Number));
  } finally {
    await session.release();
  }
}

describe('gradients of a float64 graph', () => {
  it('are checked in float64, and the weights of the model stay as they are', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const rng = createRng(5);
    const weight = (name: string, dims: readonly number[]): string =>
      b.constant(name, {
        dtype: 'float64',
        dims,
        data: Float64Array.from({ length: sizeOf(dims) }, () => rng.normal()),
      });
    const product = b.op('MatMul', [weight('x', [3, 4]), weight('w', [4, 5])], { name: 'product' });
    b.output(b.op('LayerNormalization', [product, weight('scale', [5])], { name: 'y' }), 'float64', [3, 5]);
    const model = b.model();
    const before = initializerBytes(model.graph.initializers.get('w')!).slice();
    const { parameters, together } = await checkGradients(model, {
      loss: 'y',
      parameters: ['w', 'scale', 'product'],
      samples: 20,
    });
    for (const { name, maxRelativeError } of parameters) expect(maxRelativeError, name).to.be.below(1e-6);
    expect(together!.relativeError).to.be.below(1e-6);
    expect(initializerBytes(model.graph.initializers.get('w')!)).to.deep.equal(before);
  });

  for (const each of rows)
    it(`are computed in float64 and are those of float32: ${each.name} (opset ${each.opset})`, async () => {
      const [wide, narrow] = [await gradientsOf(each, 'float64'), await gradientsOf(each, 'float32')];
      for (const [i, values] of wide.entries())
        for (const [j, value] of values.entries())
          expect(narrow[i]![j]).to.be.closeTo(value, 1e-3 * (1 + Math.abs(value)));
    });

  for (const opType of ['MaxPool', 'Gather'])
    it(`are refused of a ${opType} before opset 16, so that the model is raised to it`, async () => {
      const each = row(opType, 13, (b, weight) => {
        const x = weight('x', [2, 3, 4]);
        return opType === 'Gather'
          ? b.op('Gather', [x, b.ints([0, 1, 1])])
          : b.op('MaxPool', [x], { attributes: { kernel_shape: [2] } });
      });
      const error = await gradientsOf(each, 'float64').catch((caught: unknown) => caught);
      expect(error).to.have.property('code', 'NO_GRADIENT_RULE');
    });
});
