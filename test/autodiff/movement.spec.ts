import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { tensorValue } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

const isTraining: Tensor = { dtype: 'bool', dims: [], data: Uint8Array.of(1) };

type Build = GradientCase['build'];
const at = (name: string, opsets: readonly number[], build: Build): GradientCase[] =>
  opsets.map((opset) => ({ name, opset, build }));

const cases: GradientCase[] = [
  ...at('Reshape', [7, 14, 21], (b, { weight, ints }) =>
    b.op('Reshape', [weight('x', [2, 3, 5]), ints([5, -1])]),
  ),
  ...at('Reshape to a computed shape', [13], (b, { weight, ints }) => {
    const x = weight('x', [2, 3, 5]);
    const first = b.op('Gather', [b.op('Shape', [x]), ints([0])], { attributes: { axis: 0 } });
    return b.op('Reshape', [x, b.op('Concat', [first, ints([-1])], { attributes: { axis: 0 } })]);
  }),
  ...at('Flatten', [9, 13, 21], (b, { weight }) =>
    b.op('Flatten', [weight('x', [2, 3, 5])], { attributes: { axis: 2 } }),
  ),
  ...at('Squeeze by attribute', [7, 11], (b, { weight }) =>
    b.op('Squeeze', [weight('x', [2, 1, 5, 1])], { attributes: { axes: [1, 3] } }),
  ),
  ...at('Squeeze by input', [13, 21], (b, { weight, ints }) =>
    b.op('Squeeze', [weight('x', [2, 1, 5, 1]), ints([-1])]),
  ),
  ...at('Squeeze of everything', [11, 13], (b, { weight }) => b.op('Squeeze', [weight('x', [2, 1, 5, 1])])),
  ...at('Unsqueeze by attribute', [7, 11], (b, { weight }) =>
    b.op('Unsqueeze', [weight('x', [2, 5])], { attributes: { axes: [0, 2] } }),
  ),
  ...at('Unsqueeze by input', [13, 25], (b, { weight, ints }) =>
    b.op('Unsqueeze', [weight('x', [2, 5]), ints([-1])]),
  ),
  ...at('Transpose', [7, 13, 25], (b, { weight }) =>
    b.op('Transpose', [weight('x', [2, 3, 5, 1])], { attributes: { perm: [2, 0, 3, 1] } }),
  ),
  ...at('Transpose without perm', [13], (b, { weight }) => b.op('Transpose', [weight('x', [2, 3, 5])])),
  ...at('Concat', [7, 11, 13], (b, { weight }) =>
    b.op('Concat', [weight('a', [2, 3]), weight('b', [2, 1]), weight('c', [2, 4])], {
      attributes: { axis: 1 },
    }),
  ),
  ...at('Concat of computed values', [11, 13, 21], (b, { weight }) => {
    const x = weight('x', [2, 3, 2]);
    return b.op('Concat', [b.op('Sin', [x]), x, x], { attributes: { axis: -2 } });
  }),
  ...at('Concat of one', [13], (b, { weight }) =>
    b.op('Concat', [weight('a', [2, 3])], { attributes: { axis: 0 } }),
  ),
  ...at('Split by attribute', [7, 11], (b, { weight }) =>
    b.ops('Split', [weight('x', [2, 6])], 3, { attributes: { axis: 1, split: [1, 2, 3] } }),
  ),
  ...at('Split by input', [13, 18], (b, { weight, ints }) =>
    b.ops('Split', [weight('x', [2, 6]), ints([1, 5])], 2, { attributes: { axis: -1 } }),
  ),
  ...at('Split in equal parts', [11, 13], (b, { weight }) => b.ops('Split', [weight('x', [4, 3])], 2)),
  ...at('Split into a number of parts', [18, 25], (b, { weight }) =>
    b.ops('Split', [weight('x', [5, 3])], 2, { attributes: { num_outputs: 2 } }),
  ),
  ...at(
    'Split of which one part is used',
    [11, 13, 18],
    (b, { weight }) =>
      b.ops('Split', [weight('x', [6, 2])], 3, { attributes: b.opset < 18 ? {} : { num_outputs: 3 } })[1]!,
  ),
  ...at('Expand', [8, 13, 21], (b, { weight, ints }) =>
    b.op('Expand', [weight('x', [3, 1, 2]), ints([4, 1, 5, 2])]),
  ),
  ...at('Expand that changes nothing', [13], (b, { weight, ints }) =>
    b.op('Expand', [weight('x', [3, 2]), ints([1, 1])]),
  ),
  ...at('Expand of a scalar', [13], (b, { weight, ints }) => b.op('Expand', [weight('x', []), ints([2, 3])])),
  ...at('Tile', [7, 13, 21], (b, { weight, ints }) =>
    b.op('Tile', [weight('x', [2, 3, 1]), ints([2, 1, 3])]),
  ),
  ...at('Pad by attribute', [7, 10], (b, { weight }) =>
    b.op('Pad', [weight('x', [2, 3])], { attributes: { pads: [0, 1, 2, 0] } }),
  ),
  ...at('Pad by input', [11, 13, 21], (b, { weight, ints, fixed }) =>
    b.op('Pad', [weight('x', [2, 3]), ints([0, 1, 2, 0]), fixed('fill', [], [9])]),
  ),
  ...at('Pad with a constant that is a parameter', [11, 21], (b, { weight, ints }) =>
    b.op('Pad', [weight('x', [3, 3]), ints([0, 1, -1, 2]), weight('fill', [])]),
  ),
  ...at('Pad with mode reflect and a constant beside it', [16, 18], (b, { weight, ints, fixed }) =>
    b.op('Pad', [weight('x', [2, 4]), ints([0, 2, 0, 1]), fixed('fill', [], [0])], {
      attributes: { mode: 'reflect' },
    }),
  ),
  ...at('Pad that crops', [13], (b, { weight, ints }) =>
    b.op('Pad', [weight('x', [4, 3]), ints([-1, 1, 0, -2])]),
  ),
  ...at('Pad of one axis', [18, 21], (b, { weight, ints }) =>
    b.op('Pad', [weight('x', [2, 3]), ints([1, 2]), '', ints([1])]),
  ),
  ...['reflect', 'edge'].flatMap((mode) =>
    at(`Pad with mode ${mode}`, [16, 18, 21], (b, { weight, ints }) =>
      b.op('Pad', [weight('x', [2, 4]), ints([1, 2, 0, 3])], { attributes: { mode } }),
    ),
  ),
  ...at('Pad with mode wrap', [19], (b, { weight, ints }) =>
    b.op('Pad', [weight('x', [2, 4]), ints([0, 2, 0, 3])], { attributes: { mode: 'wrap' } }),
  ),
  ...at('Cast to float64 and back', [9, 13, 21], (b, { weight }) => {
    const wide = b.op('Cast', [weight('x', [2, 3])], { attributes: { to: 11 } });
    return b.op('Cast', [b.op('Exp', [wide])], { attributes: { to: 1 } });
  }),
  ...at('ReverseSequence', [11, 13, 17], (b, { weight, ints }) =>
    b.op('ReverseSequence', [weight('x', [4, 2, 3]), ints([3, 2])]),
  ),
  ...at('Compress', [11, 13, 17], (b, { weight, fixed }) => {
    const kept = b.op('Cast', [fixed('kept', [3], [1, 0, 1])], { attributes: { to: 9 } });
    return b.op('Compress', [weight('x', [2, 3]), kept], { attributes: { axis: 1 } });
  }),
  ...at('CastLike', [15, 19], (b, { weight, fixed }) =>
    b.op('CastLike', [weight('x', [2, 3]), fixed('like', [], [1])]),
  ),
  ...at('Identity', [7, 13, 25], (b, { weight }) => b.op('Identity', [b.op('Identity', [weight('x', [3])])])),
  ...at('Dropout at rest', [7, 10, 13], (b, { weight }) => b.op('Dropout', [weight('x', [3, 4])])),
  ...at('Trilu', [14, 17], (b, { weight }) =>
    b.op('Trilu', [weight('x', [2, 4, 3])], { attributes: { upper: 0 } }),
  ),
  ...[0, 1].flatMap((exclusive) =>
    [0, 1].flatMap((reverse) =>
      at(`CumSum exclusive=${exclusive} reverse=${reverse}`, [11, 14], (b, { weight, ints }) =>
        b.op('CumSum', [weight('x', [2, 4]), ints([1], [])], { attributes: { exclusive, reverse } }),
      ),
    ),
  ),
  ...at('SpaceToDepth', [7, 13], (b, { weight }) =>
    b.op('SpaceToDepth', [weight('x', [2, 3, 4, 6])], { attributes: { blocksize: 2 } }),
  ),
  ...at('DepthToSpace', [9, 11, 13], (b, { weight }) =>
    b.op('DepthToSpace', [weight('x', [2, 8, 2, 3])], { attributes: { blocksize: 2 } }),
  ),
  ...at('DepthToSpace by columns', [11, 13], (b, { weight }) =>
    b.op('DepthToSpace', [weight('x', [2, 8, 3, 2])], { attributes: { blocksize: 2, mode: 'CRD' } }),
  ),
];

describe('gradients of operators that move values', () => {
  claimGradients(cases);

  for (const { name, ratio, opset, isFed = false } of [
    { name: 'a ratio', ratio: 0.3, opset: 13 },
    { name: 'the usual ratio', ratio: undefined, opset: 12 },
    { name: 'a ratio', ratio: 0.75, opset: 25 },
    { name: 'training_mode an input', ratio: 0.3, opset: 17, isFed: true },
  ]) {
    // The mask is drawn anew in every run, so output and gradient are those of one and the same run.
    it(`lets the gradient through Dropout in training where and as much as the values, with ${name} (opset ${opset})`, async () => {
      const builder = new GraphBuilder({ opset });
      const x = builder.input('x', 'float32', [6, 50]);
      const share = ratio === undefined ? '' : builder.scalar(ratio);
      const training = isFed
        ? builder.input('training', 'bool', [])
        : builder.constant('training', isTraining);
      const y = builder.op('Dropout', [x, share, training]);
      const squared = builder.op('Mul', [y, y]);
      const loss = builder.op('ReduceSum', [squared], { attributes: { keepdims: 0 } });
      const shapes = new Map([[x, [6, 50]], [y, [6, 50]], [squared, [6, 50]], [loss, []]]); // prettier-ignore
      const { graph, gradients } = differentiate(builder.graph(), { loss, parameters: [x], shapes, opset });
      const outputs = [...graph.outputs, tensorValue(y, 'float32', [6, 50])];
      const session = await openSession(encodeModel(builder.model({ graph: { ...graph, outputs } })));
      const values = Float32Array.from({ length: 300 }, (_, i) => 1 + (i % 7));
      const x0 = float32([6, 50], values);
      const result = await session.run(isFed ? { x: x0, training: isTraining } : { x: x0 });
      await session.release();
      const [after, gradient] = [y, gradients.get(x)!].map((output) => result[output]!.data as Float32Array);
      const scale = 1 / (1 - (ratio ?? 0.5));
      const kept = after!.filter((value) => value !== 0).length;
      expect(kept / 300).to.be.closeTo(1 / scale, 0.12);
      // y = m · x with m = 0 or 1/(1 - ratio), so the gradient of y² is 2 y m.
      for (const [i, value] of after!.entries()) {
        expect(gradient![i]).to.be.closeTo(
          value === 0 ? 0 : 2 * value * scale,
          1e-4 * Math.abs(value) + 1e-6,
        );
      }
    });
  }
});
