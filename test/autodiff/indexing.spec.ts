import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

type Build = GradientCase['build'];
const at = (name: string, opsets: readonly number[], build: Build): GradientCase[] =>
  opsets.map((opset) => ({ name, opset, build }));

const end = Number.MAX_SAFE_INTEGER;

type SliceRow = readonly [
  name: string,
  starts: readonly number[],
  ends: readonly number[],
  axes?: readonly number[],
  steps?: readonly number[],
];

const slices: readonly SliceRow[] = [
  ['from the front', [0], [2], [1]],
  ['from the middle', [1, 2], [2, 4], [0, 2]],
  ['to the end', [1], [end], [-1]],
  ['all but the last', [0], [-1], [1]],
  ['the last', [-1], [end], [1]],
  ['from the back', [-3], [-1], [2]],
  ['without axes', [1, 0, 2], [3, 2, 4]],
  ['beyond the end', [1], [99], [2]],
  ['across from back to front', [-4], [3], [2]],
  ['of two axes from the back', [-2, -4], [-1, 4], [1, 2]],
];

const stepped: readonly SliceRow[] = [
  ['every second', [0], [end], [2], [2]],
  ['every third from 1', [1, 0], [end, end], [2, 1], [3, 2]],
  ['backwards', [-1], [-end], [1], [-1]],
  ['backwards by two', [4], [0], [2], [-2]],
];

const constantSlices = slices.flatMap(([name, starts, ends, axes]) => [
  ...at(`Slice ${name}`, [7, 9], (b, { weight }) =>
    b.op('Slice', [weight('x', [3, 4, 5])], {
      attributes: { starts, ends, ...(axes && { axes: axes.map((axis) => (axis < 0 ? axis + 3 : axis)) }) },
    }),
  ),
  ...at(`Slice ${name}`, [10, 11, 21], (b, { weight, ints }) =>
    b.op('Slice', [weight('x', [3, 4, 5]), ints(starts), ints(ends), ...(axes ? [ints(axes)] : [])]),
  ),
]);

const steppedSlices = stepped.flatMap(([name, starts, ends, axes, steps]) =>
  at(`Slice ${name}`, [11, 16, 21], (b, { weight, ints }) =>
    b.op('Slice', [weight('x', [3, 4, 5]), ints(starts), ints(ends), ints(axes!), ints(steps!)]),
  ),
);

const gathers: readonly (readonly [string, number, readonly number[], readonly number[]])[] = [
  ['rows, one of them twice', 0, [3], [2, 0, 2]],
  ['a matrix of rows', 0, [2, 3], [1, 0, 2, 2, -1, 0]],
  ['columns', 1, [3], [3, 3, 1]],
  ['a matrix along the last axis', -1, [2, 2], [0, 4, 4, -5]],
  ['one row', 0, [], [1]],
  ['the last of an axis', 1, [], [-1]],
  ['one column, kept', 2, [1], [3]],
];

const cases: GradientCase[] = [
  ...constantSlices,
  ...steppedSlices,
  ...at('Slice of nothing', [7, 9], (b, { weight }) => {
    const x = weight('x', [4]);
    const none = b.op('Slice', [x], { attributes: { starts: [3], ends: [1] } });
    return b.op('Add', [b.op('Mul', [x, x]), b.op('ReduceSum', [none])]);
  }),
  ...at('Slice to two computed ends', [10], (b, { weight, ints }) => {
    const other = weight('other', [3, 2]);
    const part = b.op('Slice', [
      weight('x', [4, 5]),
      ints([0, 1]),
      b.op('Add', [b.op('Shape', [other]), ints([0, 1])]),
    ]);
    return b.op('Mul', [part, other]);
  }),
  ...at('Slice to a computed end', [11, 13, 21], (b, { weight, ints }) => {
    const x = weight('x', [4, 5]);
    const other = weight('other', [3]);
    const part = b.op('Slice', [x, ints([0]), b.op('Shape', [other]), ints([1])]);
    return b.op('Mul', [part, other]);
  }),
  ...at('Slice from a computed start', [11, 16, 21], (b, { weight, fixed, ints }) => {
    const start = b.op('Shape', [fixed('other', [2])]);
    return b.op('Slice', [weight('x', [4, 5]), start, ints([end]), ints([1])]);
  }),
  ...gathers.flatMap(([name, axis, dims, values]) =>
    at(`Gather of ${name}`, [9, 11, 13, 16, 21], (b, { weight, ints }) =>
      b.op('Gather', [weight('x', [3, 4, 5]), ints(values, dims)], { attributes: { axis } }),
    ),
  ),
  ...at('Gather by computed indices', [13, 17], (b, { weight, ints }) => {
    const indices = b.op('Add', [ints([0, 1]), ints([1, 1])]);
    return b.op('Gather', [weight('x', [3, 4]), indices], { attributes: { axis: 1 } });
  }),
  ...at('GatherElements', [16, 18, 21], (b, { weight, ints }) =>
    b.op('GatherElements', [weight('x', [3, 4]), ints([0, 1, 1, -1, 2, 2], [3, 2])], {
      attributes: { axis: 1 },
    }),
  ),
  ...at('GatherND', [16, 18, 21], (b, { weight, ints }) =>
    b.op('GatherND', [weight('x', [3, 4, 2]), ints([0, 1, 2, 3, 0, 1], [3, 2])]),
  ),
  ...at('GatherND with batch axes', [16, 18, 21], (b, { weight, ints }) =>
    b.op('GatherND', [weight('x', [2, 3, 4]), ints([1, 1, 0, 2], [2, 2, 1])], {
      attributes: { batch_dims: 1 },
    }),
  ),
  ...at('ScatterND', [11, 16, 18], (b, { weight, ints }) =>
    b.op('ScatterND', [weight('x', [4, 3]), ints([2, 0], [2, 1]), weight('updates', [2, 3])]),
  ),
  ...at('ScatterND that adds', [16, 18], (b, { weight, ints }) =>
    b.op('ScatterND', [weight('x', [4]), ints([2, 2], [2, 1]), weight('updates', [2])], {
      attributes: { reduction: 'add' },
    }),
  ),
  ...at('ScatterElements', [11, 16, 18], (b, { weight, ints }) =>
    b.op('ScatterElements', [weight('x', [3, 4]), ints([0, 3, 1, 2], [2, 2]), weight('updates', [2, 2])], {
      attributes: { axis: 1 },
    }),
  ),
  ...at('TopK', [11, 17], (b, { weight, ints }) => b.ops('TopK', [weight('x', [3, 5]), ints([2])], 2)[0]!),
];

describe('gradients of operators that pick elements', () => {
  claimGradients(cases);

  for (const opType of ['ScatterElements', 'ScatterND'])
    it(`are refused of a ${opType} that keeps the largest, also where another path leads past it`, async () => {
      const b = new GraphBuilder({ opset: 18 });
      const x = b.constant('x', float32([4], [1, 2, 3, 4]));
      const indices = b.constant('indices', int64(opType === 'ScatterND' ? [1, 1] : [1], [2]));
      const updates = b.constant('updates', float32([1], [9]));
      const y = b.op(opType, [x, indices, updates], { name: 'largest', attributes: { reduction: 'max' } });
      b.output(b.op('Add', [x, y], { name: 'loss' }), 'float32', [4]);
      const shapes = await probeShapes(b.model());
      expect(() => differentiate(b.model(), { loss: 'loss', parameters: [x], shapes })).to.throw(
        `${opType} "largest" has reduction max, for which there is no gradient rule`,
      );
    });

  for (const [opType, dims] of [
    ['Gather', [4096]],
    ['GatherND', [4096, 1]],
  ] as const)
    it(`count every one of the places that ${opType} read a row from, on several threads`, async () => {
      const [rows, width] = [4, 512];
      const places = Array.from({ length: 4096 }, (_, i) => i % 3);
      const b = new GraphBuilder();
      const table = b.constant('table', float32([rows, width], new Float32Array(rows * width)));
      // An input, since all is folded away beforehand where it is constant.
      const y = b.op(opType, [table, b.input('places', 'int64', dims)]);
      const loss = b.op('ReduceSum', [y], { name: 'loss', attributes: { keepdims: 0 } });
      b.output(loss, 'float32', []);
      const shapes = await probeShapes(b.model());
      const { model, gradients } = differentiate(b.model(), { loss, parameters: [table], shapes });
      const expected = Array.from(
        { length: rows },
        (_, row) => places.filter((place) => place === row).length,
      );
      const session = await openSession(encodeModel(model), { threads: 4 });
      try {
        for (let run = 0; run < 10; run++) {
          const { data } = (await session.run({ places: int64(dims, places) }))[gradients.get(table)!]!;
          const wrong = Array.from(data, Number).filter(
            (value, i) => value !== expected[Math.floor(i / width)],
          );
          expect(wrong, `run ${run}`).to.have.length(0);
        }
      } finally {
        await session.release();
      }
    });
});
