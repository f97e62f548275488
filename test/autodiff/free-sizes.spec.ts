import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { createRng } from '../../src/rng.js';
import { openModel } from '../../src/runtime/open-model.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';

type Weight = (name: string, dims: readonly number[]) => string;

interface Row {
  readonly name: string;
  /** Of an example; a name for a size that is another in the trial run too. */
  readonly dims: readonly (number | string)[];
  readonly build: (b: GraphBuilder, x: string, weight: Weight) => string;
  readonly opsets: readonly number[];
}

const row = (name: string, dims: Row['dims'], build: Row['build'], opsets = [10, 12, 17]): Row => ({
  name,
  dims,
  build,
  opsets,
});
const being = (attributes: Readonly<Record<string, AttributeInput>>) => ({ attributes });
/** x times a weight, so that what follows has a gradient. */
const scaled = (b: GraphBuilder, x: string, weight: Weight, dims: readonly number[]): string =>
  b.op('Mul', [x, weight('factor', dims)]);

const rows: readonly Row[] = [
  row('Concat of a token in front of a sequence', ['length', 3], (b, x, w) => {
    const count = b.op('Slice', [b.op('Shape', [x]), b.ints([0]), b.ints([1])]);
    const shape = b.op('Concat', [count, b.ints([1, 3])], being({ axis: 0 }));
    return b.op('Concat', [b.op('Expand', [w('token', [1, 1, 3]), shape]), x], being({ axis: 1 }));
  }),
  row('Concat along the batch', [3], (b, x, w) =>
    b.op('Concat', [scaled(b, x, w, [3]), x, w('more', [2, 3])], being({ axis: 0 }))),
  row('Gather along another axis', [3, 2], (b, x, w) =>
    b.op('Gather', [scaled(b, x, w, [3, 2]), b.ints([0, 2])], being({ axis: 1 }))),
  row('LSTM', [5, 3], (b, x, w) => {
    const steps = b.op('Transpose', [x], being({ perm: [1, 0, 2] }));
    return b.op('LSTM', [steps, w('W', [1, 8, 3]), w('R', [1, 8, 2])], being({ hidden_size: 2 }));
  }),
  row('GRU', [5, 3], (b, x, w) => {
    const steps = b.op('Transpose', [x], being({ perm: [1, 0, 2] }));
    return b.op('GRU', [steps, w('W', [1, 6, 3]), w('R', [1, 6, 2]), w('B', [1, 12])], being({ hidden_size: 2 }));
  }),
  row('Conv', [4, 6, 6], (b, x, w) =>
    b.op('Conv', [x, w('W', [6, 2, 3, 3]), w('b', [6])], being({ group: 2, strides: [2, 1], pads: [1, 1, 0, 1] }))),
  row('Conv over tokens', [4, 'length'], (b, x, w) =>
    b.op('Conv', [x, w('W', [3, 4, 3]), w('b', [3])], being({ pads: [1, 1] }))),
  row('Conv over tokens, of many channels', [9, 'length'], (b, x, w) =>
    b.op('Conv', [x, w('W', [10, 9, 3])], being({ dilations: [2], pads: [3, 1] }))),
  row('Conv over tokens, pointwise in groups', [4, 'length'], (b, x, w) =>
    b.op('Conv', [x, w('W', [6, 2, 1]), w('b', [6])], being({ group: 2 }))),
  row('Conv over maps in groups', [4, 'side', 'side'], (b, x, w) =>
    b.op('Conv', [x, w('W', [6, 2, 2, 3])], being({ group: 2, pads: [1, 1, 0, 1] }))),
  row('Conv over maps for each channel', [4, 'side', 'side'], (b, x, w) =>
    b.op('Conv', [x, w('W', [8, 1, 3, 2])], being({ group: 4, auto_pad: 'SAME_UPPER' }))),
  row('MaxPool', [4, 6, 6], (b, x, w) =>
    b.op('MaxPool', [scaled(b, x, w, [4, 1, 1])], being({ kernel_shape: [3, 2], strides: [2, 2] }))),
  row('AveragePool', [4, 6, 6], (b, x, w) =>
    b.op('AveragePool', [scaled(b, x, w, [4, 1, 1])], being({ kernel_shape: [3, 2], strides: [2, 2] }))),
  row('GlobalAveragePool', [4, 'height', 'width'], (b, x, w) =>
    b.op('GlobalAveragePool', [scaled(b, x, w, [4, 1, 1])])),
  row('GlobalMaxPool', [4, 'height', 'width'], (b, x, w) =>
    b.op('GlobalMaxPool', [scaled(b, x, w, [4, 1, 1])])),
  row('GroupNormalization', [4, 'side', 'side'], (b, x, w) =>
    b.op('GroupNormalization', [scaled(b, x, w, [4, 1, 1]), w('scale', [4]), w('bias', [4])], being({ num_groups: 2 })), [21]),
  row('LRN', [4, 'side', 'side'], (b, x, w) =>
    b.op('LRN', [scaled(b, x, w, [4, 1, 1])], being({ size: 3, alpha: { float: 2 } }))),
  row('DepthToSpace', [4, 'side', 'side'], (b, x, w) =>
    b.op('DepthToSpace', [scaled(b, x, w, [4, 1, 1])], being({ blocksize: 2, mode: 'CRD' })), [12, 17]),
  row('GlobalLpPool', [4, 'side', 'side'], (b, x, w) =>
    b.op('GlobalLpPool', [scaled(b, x, w, [4, 1, 1])], being({ p: 3 }))),
  row('GridSample', [4, 'side', 'side'], (b, x, w) => {
    const count = b.op('Slice', [b.op('Shape', [x]), b.ints([0]), b.ints([1])]);
    const shape = b.op('Concat', [count, b.ints([1, 1, 1])], being({ axis: 0 }));
    return b.op('GridSample', [scaled(b, x, w, [4, 1, 1]), b.op('Expand', [w('grid', [1, 3, 2, 2]), shape])]);
  }, [20]),
  row('Einsum', [3, 4], (b, x, w) => b.op('Einsum', [x, w('W', [4, 2])], being({ equation: 'bij,jk->bk' })), [12, 17]),
  row('ReduceMean over all', [3], (b, x, w) => b.op('ReduceMean', [scaled(b, x, w, [3])], being({ keepdims: 0 }))),
  row('Softmax over the batch', [3], (b, x, w) => b.op('Softmax', [scaled(b, x, w, [3])], being({ axis: 0 }))),
  row('MatMul by a matrix in front', [3, 2], (b, x, w) => b.op('MatMul', [w('W', [4, 3]), x])),
  row('Slice of positions, as many as there are', ['length', 3], (b, x, w) => {
    const length = b.op('Slice', [b.op('Shape', [x]), b.ints([1]), b.ints([2])]);
    return b.op('Add', [x, b.op('Slice', [w('positions', [9, 3]), b.ints([0]), length, b.ints([0])])]);
  }),
  row('Slice of the last of a sequence', ['length', 3], (b, x, w) => {
    const bounds = [b.ints([-1]), b.ints([2 ** 31]), b.ints([1])];
    return b.op('Slice', [scaled(b, x, w, [3]), ...bounds]);
  }),
  row('Gather of the first of a sequence', ['length', 3], (b, x, w) => {
    const first = b.constant('first', int64([], [0]));
    return b.op('Gather', [scaled(b, x, w, [3]), first], being({ axis: 1 }));
  }),
  row('Slice of the last example', [3], (b, x, w) =>
    b.op('Slice', [scaled(b, x, w, [3]), b.ints([-1]), b.ints([2 ** 31]), b.ints([0])])),
]; // prettier-ignore

const size = 4;

/** Gradients of Σ y sin y by x and all weights for free sizes of 4: of twice as many, a reshape to the trial's would go unnoticed. @param probed - these sizes in the trial run */
async function gradientsOf({ dims, build }: Row, opset: number, probed: number): Promise<Tensor[]> {
  const withSizes = (free: number): number[] => [
    free,
    ...dims.map((dim) => (typeof dim === 'string' ? free : dim)),
  ];
  const rng = createRng(3);
  const draw = (shape: readonly number[]): Tensor =>
    float32(shape, Array.from({ length: sizeOf(shape) }, () => rng.normal())); // prettier-ignore
  const x0 = draw(withSizes(size));
  const b = new GraphBuilder({ opset });
  const x = b.input('x', 'float32', ['batch', ...dims]);
  const parameters = [x];
  const y = build(b, x, (name, shape) => {
    parameters.push(b.constant(name, draw(shape)));
    return parameters.at(-1)!;
  });
  const curved = b.op('Mul', [y, b.op('Sin', [y])]);
  const loss = b.op('ReduceSum', [curved], { name: 'loss', attributes: { keepdims: 0 } });
  b.output(loss, 'float32', []);
  const shapes = await probeShapes(b.model(), { inputDims: new Map([[x, withSizes(probed)]]) });
  const { model, gradients } = differentiate(b.model(), { loss, parameters, shapes });
  const session = await openModel(model);
  try {
    const found = await session.run({ [x]: x0 });
    return parameters.map((name) => found[gradients.get(name)!]!);
  } finally {
    await session.release();
  }
}

describe('Gradients of free sizes that are others than in the trial run', () => {
  for (const each of rows)
    for (const opset of each.opsets)
      it(`are those of a trial run with these sizes: ${each.name} (opset ${opset})`, async () => {
        const found = await gradientsOf(each, opset, 2);
        for (const [i, expected] of (await gradientsOf(each, opset, size)).entries()) {
          expect(found[i]!.dims).to.deep.equal(expected.dims);
          for (const [j, value] of found[i]!.data.entries())
            expect(Number(value)).to.be.closeTo(
              Number(expected.data[j]),
              1e-4 + 1e-4 * Math.abs(Number(value)),
            );
        }
      });
});
