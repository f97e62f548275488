import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { lowerPrecision } from '../../src/export/lower-precision.js';
import { mixesExamples } from '../../src/graph/mixes-examples.js';
import type { EncodedExamples } from '../../src/inputs/encoded-examples.js';
import type { ModelPrecision } from '../../src/models/model-precision.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toTensor } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel, valuesOf } from '../graph/run-model.js';

type Build = (b: GraphBuilder) => string;

/** A model of one input `x` and one output `y`. */
function modelOf(
  dims: readonly (number | string)[],
  build: (b: GraphBuilder, x: string) => string,
  opset = 17,
) {
  const b = new GraphBuilder({ opset });
  const x = b.input('x', 'float32', dims);
  b.output(build(b, x), 'float32', undefined, 'y');
  return b.model();
}

const weight = (b: GraphBuilder, name: string, dims: readonly number[], seed: number): string =>
  b.constant(name, randomTensor(dims, seed));

function oneByOne(feeds: readonly TensorMap[]): () => AsyncGenerator<EncodedExamples> {
  return async function* () {
    yield {
      count: feeds.length,
      order: feeds.map((_, i) => i),
      together: () => 1,
      feeds: (start) => feeds[start]!,
    };
  };
}

const lower = (model: Model, precision: ModelPrecision, ...feeds: TensorMap[]): Promise<Model> =>
  lowerPrecision(model, precision, oneByOne(feeds));

/** Largest difference of `y`, in units of the largest number that it should hold. */
async function errorOf(model: Model, lowered: Model, feeds: TensorMap): Promise<number> {
  const [expected, found] = [(await runModel(model, feeds)).y!, (await runModel(lowered, feeds)).y!];
  return largestDifference(expected, found) / Math.max(...valuesOf(expected).map(Math.abs));
}

describe('A backbone in 8-bit integers', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-int8-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** How often each operator is in the graph that ONNX Runtime makes of the model. */
  async function fusedOperators(model: Model): Promise<Record<string, number>> {
    const file = path.join(folder, 'fused.onnx');
    const session = await openSession(encodeModel(model), { optimizedFile: file, threads: 1 });
    await session.release();
    const counts: Record<string, number> = {};
    for (const { opType } of (await readModel(file)).graph.nodes) counts[opType] = (counts[opType] ?? 0) + 1;
    return counts;
  }

  const [images, tokens] = [randomTensor([2, 8, 9, 9], 1), randomTensor([1, 5, 48], 2)];
  const convolution = (
    b: GraphBuilder,
    x: string,
    dims: readonly number[],
    seed: number,
    group = 1,
  ): string => {
    const pads = [1, 1, 1, 1];
    const bias = weight(b, `b${seed}`, [dims[0]!], seed + 1);
    return b.op('Conv', [x, weight(b, `w${seed}`, dims, seed), bias], { attributes: { group, pads } });
  };

  describe('with ranges that are known beforehand', () => {
    const cases: readonly [name: string, model: Model, x: Tensor, fused: Record<string, number>][] = [
      [
        'a convolution with its batch normalisation and Relu',
        modelOf(['n', 8, 9, 9], (b, x) => {
          const y = convolution(b, x, [16, 8, 3, 3], 3);
          const variance = b.constant('variance', float32([16], new Float32Array(16).fill(2)));
          const parameters = [5, 6, 7].map((seed) => weight(b, `bn${seed}`, [16], seed));
          const normal = b.op('BatchNormalization', [y, ...parameters, variance]);
          return b.op('GlobalMaxPool', [b.op('Relu', [normal])]);
        }),
        images,
        { QLinearConv: 1 },
      ],
      [
        'depthwise and grouped convolutions',
        modelOf(['n', 8, 9, 9], (b, x) =>
          b.op('GlobalMaxPool', [convolution(b, convolution(b, x, [8, 1, 3, 3], 3, 8), [16, 2, 3, 3], 5, 4)]),
        ),
        images,
        { QLinearConv: 2 },
      ],
      [
        'what is between convolutions: LeakyRelu, Concat, Split, pooling, a residual',
        modelOf(['n', 8, 9, 9], (b, x) => {
          const first = b.op('LeakyRelu', [convolution(b, x, [8, 8, 3, 3], 3)]);
          const second = b.op('Relu', [b.op('Add', [convolution(b, first, [8, 8, 3, 3], 5), first])]);
          const joined = b.op('MaxPool', [b.op('Concat', [first, second], { attributes: { axis: 1 } })], {
            attributes: { kernel_shape: [2, 2] },
          });
          const halves = b.ops('Split', [joined, b.ints([8, 8])], 2, { attributes: { axis: 1 } });
          const last = halves.map((half, i) => convolution(b, half, [8, 8, 3, 3], 7 + 2 * i));
          return b.op('GlobalMaxPool', [b.op('Add', last)]);
        }),
        images,
        { QLinearConv: 4, QLinearLeakyRelu: 1, QLinearAdd: 1, QLinearConcat: 1, QuantizeLinear: 1 },
      ],
      [
        'products with matrices, also transposed ones and ones with a bias',
        modelOf(['n', 48], (b, x) => {
          const transB = { attributes: { transB: 1 } };
          const y = b.op('Gemm', [x, weight(b, 'g', [64, 48], 3), weight(b, 'c', [64], 4)], transB);
          return b.op('MatMul', [
            b.op('Gelu', [y], { domain: 'com.microsoft' }),
            weight(b, 'm', [64, 32], 5),
          ]);
        }),
        randomTensor([3, 48], 2),
        { QGemm: 1, MatMulIntegerToFloat: 1 },
      ],
    ];
    for (const [name, model, x, fused] of cases) {
      it(`computes ${name} with the integer kernels of ONNX Runtime`, async () => {
        const opsets = new Map([...model.opsets, ['com.microsoft', 1]]);
        const lowered = await lower({ ...model, opsets }, 'int8', { x });
        expect(await fusedOperators(lowered)).to.include(fused);
        // 7 bits of weights and 8 of data.
        expect(await errorOf({ ...model, opsets }, lowered, { x })).to.be.below(0.04);
        // A fused kernel does not read by what axis weights are scaled, other runtimes do.
        const session = await openSession(encodeModel(lowered), { optimization: 'disabled' });
        const unfused = (await session.run({ x })).y!;
        await session.release();
        const expected = (await runModel({ ...model, opsets }, { x })).y!;
        expect(largestDifference(unfused, expected)).to.be.below(0.04 * Math.max(...valuesOf(expected)));
      });
    }

    it('is off by no more than half a step of the data, of each weight and of the result', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) =>
        b.op('Conv', [x, weight(b, 'w', [16, 8, 3, 3], 3)], {}),
      );
      const lowered = await lower(model, 'int8', { x: images });
      const y = (await runModel(model, { x: images })).y!;
      const steps = (values: readonly number[]): number =>
        (Math.max(0, ...values) - Math.min(0, ...values)) / 255;
      const [data, weights] = [valuesOf(images), valuesOf(toTensor(model.graph.initializers.get('w')!))];
      const largest = Math.max(...data.map(Math.abs));
      const bounds = Array.from({ length: 16 }, (_, filter) => {
        const sizes = weights.slice(filter * 72, (filter + 1) * 72).map(Math.abs);
        const ofWeights = (72 * Math.max(...sizes)) / 64 / 2;
        // Twice what the weights are off by, as the mean of that is taken off the bias.
        const ofData = (sizes.reduce((a, b) => a + b) + ofWeights) * (steps(data) / 2);
        return 2 * ofWeights * largest + ofData + steps(valuesOf(y)) / 2;
      });
      const found = valuesOf((await runModel(lowered, { x: images })).y!);
      valuesOf(y).forEach((value, i) =>
        expect(Math.abs(found[i]! - value)).to.be.below(bounds[Math.floor(i / 49) % 16]! + 1e-4),
      );
    });

    it('gives each channel the mean that it had, though all weights of a channel are rounded the same way', async () => {
      // 0.3 of a step above an integer, but for the largest.
      const filters = float32(
        [2, 64, 1, 1],
        Float32Array.from({ length: 128 }, (_, i) => (i % 64 === 0 ? 64 : 10.3)),
      );
      const model = modelOf(['n', 64, 3, 3], (b, x) => b.op('Conv', [x, b.constant('w', filters)]));
      const x = randomTensor([1, 64, 3, 3], 1);
      const shifted = float32(
        x.dims,
        (x.data as Float32Array).map((value) => value + 3),
      );
      const lowered = await lower(model, 'int8', { x: shifted });
      const [expected, found] = [model, lowered].map((one) => runModel(one, { x: shifted }));
      const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;
      // Rounding alone: 63 · 0.3 · 3 less.
      expect(mean(valuesOf((await found!).y!))).to.be.closeTo(mean(valuesOf((await expected!).y!)), 8);
    });

    it('keeps weights to 7 bits, so that sums of two products fit into 16 on every processor', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => convolution(b, x, [16, 8, 3, 3], 3));
      const { graph } = await lower(model, 'int8', { x: images });
      const stored = [...graph.initializers.values()].filter(
        ({ dtype, dims }) => dtype === 'int8' && dims.length === 4,
      );
      expect(stored).to.have.length(1);
      const sizes = Array.from(toTensor(stored[0]!).data as Int8Array, Math.abs);
      expect(Math.max(...sizes)).to.equal(64);
    });

    it('keeps the bias of a channel whose weights are nothing, and takes data that are always zero', async () => {
      const filters = float32([2, 3, 1, 1], [1, -2, 3, 0, 0, 0]);
      const model = modelOf(['n', 3, 4, 4], (b, x) => {
        const y = b.op('Conv', [x, b.constant('w', filters), b.constant('b', float32([2], [0.5, 100]))]);
        return b.op('Conv', [
          b.op('Relu', [b.op('Neg', [b.op('Abs', [y])])]),
          b.constant('v', float32([1, 2, 1, 1], [1, 1])),
          b.constant('c', float32([1], [7])),
        ]);
      });
      const b = new GraphBuilder();
      const x = b.input('x', 'float32', ['n', 3, 4, 4]);
      b.output(
        b.op('Conv', [x, b.constant('w', filters), b.constant('b', float32([2], [0.5, 100]))]),
        'float32',
        undefined,
        'y',
      );
      const feeds = { x: randomTensor([1, 3, 4, 4], 4) };
      const kept = await lower(b.model(), 'int8', feeds);
      const found = valuesOf((await runModel(kept, feeds)).y!).slice(16);
      for (const value of found) expect(value).to.be.closeTo(100, 0.3);
      const dead = await lower(model, 'int8', feeds);
      for (const value of valuesOf((await runModel(dead, feeds)).y!)) expect(value).to.be.closeTo(7, 0.02);
    });

    it('takes one channel of one pixel', async () => {
      const model = modelOf([1, 1, 1, 1], (b, x) => b.op('Conv', [x, weight(b, 'w', [1, 1, 1, 1], 1)]));
      const feeds = { x: float32([1, 1, 1, 1], [3]) };
      expect(await errorOf(model, await lower(model, 'int8', feeds), feeds)).to.be.below(0.01);
    });

    it('stores weights that several operators share once', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => {
        const w = weight(b, 'w', [8, 8, 3, 3], 3);
        return b.op('Conv', [b.op('Conv', [x, w]), w]);
      });
      const { graph } = await lower(model, 'int8', { x: images });
      const large = [...graph.initializers.values()].filter(({ dims }) => dims.length === 4);
      expect(large.map(({ dtype }) => dtype)).to.deep.equal(['int8']);
    });

    it('leaves several filters for each single channel in float32, for which there is no fast kernel', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => {
        const several = convolution(b, x, [16, 1, 3, 3], 3, 8);
        return b.op('GlobalMaxPool', [convolution(b, several, [8, 16, 3, 3], 5)]);
      });
      const { Conv, QLinearConv } = await fusedOperators(await lower(model, 'int8', { x: images }));
      expect({ Conv, QLinearConv }).to.deep.equal({ Conv: 1, QLinearConv: 1 });
    });

    it('reads an older operator set', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => convolution(b, x, [16, 8, 3, 3], 3), 11);
      expect(await errorOf(model, await lower(model, 'int8', { x: images }), { x: images })).to.be.below(
        0.03,
      );
    });

    it('leaves a range as wide as the examples have it on average, not as the oddest of them', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => convolution(b, x, [16, 8, 3, 3], 3));
      const odd = float32(
        images.dims,
        (images.data as Float32Array).map((value) => 100 * value),
      );
      const usual = Array.from({ length: 63 }, () => ({ x: images }));
      const lowered = await lower(model, 'int8', { x: odd }, ...usual);
      expect(await errorOf(model, lowered, { x: images })).to.be.below(0.06);
    });
  });

  describe('with ranges that are found while it runs', () => {
    it('computes products in one operator each, and rounds data that several read once', async () => {
      const model = modelOf(['n', 't', 48], (b, x) => {
        const [first, second] = [3, 4].map((seed) =>
          b.op('MatMul', [x, weight(b, `w${seed}`, [48, 32], seed)]),
        );
        return b.op('Add', [b.op('Add', [first!, weight(b, 'bias', [32], 5)]), second!]);
      });
      const lowered = await lower(model, 'int8-dynamic');
      expect(lowered.graph.nodes.filter(({ opType }) => opType === 'DynamicQuantizeLinear')).to.have.length(
        1,
      );
      expect(await errorOf(model, lowered, { x: tokens })).to.be.below(0.03);
      const fused = await fusedOperators(lowered);
      expect((fused.DynamicQuantizeMatMul ?? 0) + (fused.MatMulIntegerToFloat ?? 0)).to.equal(2);
      expect(mixesExamples(lowered)).to.equal('scale');
    });

    it('takes a matrix for each of several heads, and Gemm either way round', async () => {
      const model = modelOf([3, 5, 48], (b, x) => b.op('MatMul', [x, weight(b, 'w', [3, 48, 32], 3)]));
      const feeds = { x: randomTensor([3, 5, 48], 1) };
      expect(await errorOf(model, await lower(model, 'int8-dynamic'), feeds)).to.be.below(0.03);
      for (const transB of [0, 1]) {
        const dims = transB === 0 ? [48, 32] : [32, 48];
        const gemm = modelOf(['n', 48], (b, x) =>
          b.op('Gemm', [x, weight(b, 'w', dims, 3), weight(b, 'c', [32], 4)], { attributes: { transB } }),
        );
        const lowered = await lower(gemm, 'int8-dynamic');
        expect(lowered.graph.nodes.some(({ opType }) => opType === 'MatMulInteger')).to.equal(true);
        expect(await errorOf(gemm, lowered, { x: randomTensor([4, 48], 1) })).to.be.below(0.03);
      }
    });

    it('stores a table of words in a quarter of the bytes, each number within half a step of its row', async () => {
      const table = randomTensor([600, 48], 1);
      const b = new GraphBuilder();
      const ids = b.input('ids', 'int64', ['n', 't']);
      const words = b.op('Gather', [b.constant('words', table), ids]);
      b.output(words, 'float32', undefined, 'words_out');
      b.output(b.op('MatMul', [words, weight(b, 'w', [48, 32], 2)]), 'float32', undefined, 'y');
      const lowered = await lower(b.model(), 'int8-dynamic');
      expect(encodeModel(lowered).length).to.be.below(0.4 * encodeModel(b.model()).length);
      const feeds = { ids: int64([2, 3], [0, 1, 2, 3, 598, 599]) };
      const [expected, found] = [await runModel(b.model(), feeds), await runModel(lowered, feeds)];
      const largest = Math.max(...valuesOf(table).map(Math.abs));
      expect(largestDifference(expected.words_out!, found.words_out!)).to.be.below(largest / 127 / 2 + 1e-6);
    });
  });

  describe('is refused', () => {
    const refusal = (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'nothing was refused',
        (error: Error) => error.message,
      );
    const build: Build = (b) => b.op('Relu', [b.input('x', 'float32', ['n', 4])]);

    it('where the backbone is quantised already', async () => {
      const model = modelOf(['n', 8, 9, 9], (b, x) => convolution(b, x, [16, 8, 3, 3], 3));
      const lowered = await lower(model, 'int8', { x: images });
      for (const precision of ['int8', 'int8-dynamic', 'float16'] as const)
        expect(await refusal(lower(lowered, precision, { x: images }))).to.match(
          /quantised already \(.*Linear/,
        );
    });

    it('where nothing in it could be computed with integers, and what could is named', async () => {
      const b = new GraphBuilder();
      b.output(build(b), 'float32', undefined, 'y');
      expect(await refusal(lower(b.model(), 'int8'))).to.match(
        /no convolution or product .* leave --precision out/,
      );
      const convolutional = modelOf(['n', 8, 9, 9], (c, x) => convolution(c, x, [16, 8, 3, 3], 3));
      expect(await refusal(lower(convolutional, 'int8-dynamic'))).to.match(/no product .* --precision int8,/);
    });

    it('where it has no weights to hold in float16', async () => {
      const model = modelOf(['n', 4], (b, x) => b.op('Relu', [x]));
      expect(await refusal(lower(model, 'float16-weights'))).to.match(/no weights .* leave --precision out/);
    });

    it('where weights or values are not finite', async () => {
      const model = modelOf(['n', 2, 1, 1], (b, x) =>
        b.op('Conv', [x, b.constant('w', float32([1, 2, 1, 1], [Number.NaN, 1]))]),
      );
      expect(await refusal(lower(model, 'int8', { x: float32([1, 2, 1, 1], [1, 2]) }))).to.match(
        /not finite/,
      );
      const sound = modelOf(['n', 2, 1, 1], (b, x) =>
        b.op('Conv', [b.op('Log', [x]), b.constant('w', float32([1, 2, 1, 1], [1, 1]))]),
      );
      const message = await refusal(lower(sound, 'int8', { x: float32([1, 2, 1, 1], [0, 2]) }));
      expect(message).to.match(/value "?Log"? .*not finite on some examples/);
    });
  });
});
