import { expect } from 'chai';
import { asFloat16 } from '../../src/graph/as-float16.js';
import { holdInFloat16 } from '../../src/graph/hold-in-float16.js';
import { toTensor } from '../../src/onnx/initializer.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { modelWithIf, modelWithLoop, modelWithScan } from './models-with-subgraphs.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

type Feeds = Record<string, Tensor>;

async function differenceOf(model: ir.Model, feeds: Feeds): Promise<number> {
  const [single, half] = [await runModel(model, feeds), await runModel(asFloat16(model), feeds)];
  return Math.max(...Object.keys(single).map((name) => largestDifference(single[name]!, half[name]!)));
}

describe('a model that holds its weights in float16', () => {
  it('takes half the bytes, gives the same within the rounding of its weights', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 40]);
    const w = b.constant('w', randomTensor([40, 30], 3));
    b.output(b.op('MatMul', [x, w]), 'float32', ['batch', 30], 'y');
    b.output(b.op('Mul', [x, b.constant('few', randomTensor([40], 4))]), 'float32', ['batch', 40], 'z');
    const model = b.model();
    const held = holdInFloat16(model);
    expect(encodeModel(held).length).to.be.below(0.65 * encodeModel(model).length);
    const feeds = { x: randomTensor([2, 40], 5) };
    const [single, half] = [await runModel(model, feeds), await runModel(held, feeds)];
    expect(largestDifference(single['y']!, half['y']!)).to.be.within(1e-7, 5e-3);
    expect(largestDifference(single['z']!, half['z']!)).to.equal(0);
  });
});

describe('a model in float16', () => {
  it('takes and gives float32, holds half the bytes, and gives the same within the rounding of float16', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 3, 8, 8]);
    const w = b.constant('w', randomTensor([4, 3, 3, 3]));
    const y = b.op('Relu', [b.op('Conv', [x, w], { name: 'conv' })]);
    b.output(
      b.op('ReduceMean', [y], { attributes: { axes: [2, 3], keepdims: 0 } }),
      'float32',
      ['batch', 4],
      'y',
    );
    const model = b.model();
    const { graph } = asFloat16(model);
    expect([...graph.inputs, ...graph.outputs].map(({ type }) => type)).to.deep.equal(
      [...model.graph.inputs, ...model.graph.outputs].map(({ type }) => type),
    );
    const { dtype, content } = graph.initializers.get('w')!;
    expect(dtype).to.equal('float16');
    expect(content)
      .to.have.property('bytes')
      .with.length(4 * 3 * 3 * 3 * 2);
    const difference = await differenceOf(model, { x: randomTensor([2, 3, 8, 8], 5) });
    expect(difference).to.be.within(1e-7, 2e-3);
  });

  it('keeps what is float32 by definition: the scales of a Resize, given or computed, and a Range', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [1, 1, 6, 6]);
    const factor = b.input('factor', 'float32', [1]);
    // In float16 the third would be 1.3330078: of six rows seven, not eight.
    const given = b.constant('scales', float32([4], [1, 1, 4 / 3 + 1e-7, 1]));
    const large = b.op('Resize', [x, '', given], { attributes: { mode: 'linear' } });
    const computed = b.op('Concat', [b.constant('ones', float32([3], [1, 1, 1])), factor], {
      attributes: { axis: 0 },
    });
    b.output(
      b.op('Resize', [large, '', computed], { attributes: { mode: 'linear' } }),
      'float32',
      [1, 1, 8, 12],
      'y',
    );
    const range = b.op('Range', [b.scalar(0), b.scalar(3), b.scalar(1)]);
    b.output(b.op('Mul', [range, factor]), 'float32', [3], 'z');
    const model = b.model();
    const { initializers } = asFloat16(model).graph;
    expect(toTensor(initializers.get('scales/float32')!).data[2]).to.equal(Math.fround(4 / 3 + 1e-7));
    const feeds = { x: randomTensor([1, 1, 6, 6]), factor: float32([1], [2]) };
    expect((await runModel(asFloat16(model), feeds))['y']!.dims).to.deep.equal([1, 1, 8, 12]);
    expect(await differenceOf(model, feeds)).to.be.below(2e-3);
  });

  it('leaves a Range of integers one, whose ends are Constants that say them as plain numbers', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [3, 2]);
    const number = (value: number): string => b.op('Constant', [], { attributes: { value_int: value } });
    const rows = b.op('Range', [number(2), number(-1), number(-1)]);
    b.output(b.op('Gather', [x, rows], { attributes: { axis: 0 } }), 'float32', [3, 2], 'y');
    expect(await differenceOf(b.model(), { x: randomTensor([3, 2]) })).to.be.below(2e-3);
  });

  it('leaves a Range of integers one inside a branch, which takes its ends from around', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [3, 2]);
    const ends = [2, -1, -1].map((value) => b.constant('end', int64([], [value])));
    const branch = (name: string): ir.Attribute => {
      const rows = ir.node({ opType: 'Range', inputs: ends, outputs: [`${name}/rows`] });
      const taken = ir.node({ opType: 'Gather', inputs: [x, `${name}/rows`], outputs: [name] });
      const outputs = [ir.tensorValue(name, 'float32')];
      return { kind: 'graph', value: ir.graph({ nodes: [rows, taken], inputs: [], outputs }) };
    };
    const sum = b.op('ReduceSum', [x], { attributes: { keepdims: 0 } });
    const inputs = [b.op('Greater', [sum, b.scalar(0)])];
    const attributes = new Map([['then_branch', branch('a')], ['else_branch', branch('b')]]); // prettier-ignore
    b.nodes.push(ir.node({ opType: 'If', inputs, outputs: ['y'], attributes }));
    b.output('y', 'float32', [3, 2]);
    expect(await differenceOf(b.model(), { x: randomTensor([3, 2]) })).to.be.below(2e-3);
  });

  it('has what no float16 form is of in float32: Celu and IsInf', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [3, 2]);
    const bent = b.op('Celu', [x]);
    b.output(b.op('Where', [b.op('IsInf', [bent]), b.scalar(0), bent]), 'float32', [3, 2], 'y');
    expect(await differenceOf(b.model(), { x: randomTensor([3, 2]) })).to.be.below(2e-3);
  });

  it('neither divides by zero where a divisor was small, nor gives infinities for what a mask hides', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 4]);
    const divisor = b.op('Add', [b.op('Sub', [x, x]), b.scalar(1e-12)]);
    b.output(b.op('Div', [b.op('Sub', [x, x]), divisor]), 'float32', ['batch', 4], 'ratio');
    const mask = b.constant('mask', float32([4], [0, -3.4028234663852886e38, 0, 0]));
    b.output(b.op('Softmax', [b.op('Add', [x, mask])]), 'float32', ['batch', 4], 'masked');
    const outputs = await runModel(asFloat16(b.model()), { x: randomTensor([2, 4]) });
    for (const { data } of Object.values(outputs)) {
      expect([...(data as Float32Array)].every(Number.isFinite)).to.equal(true);
    }
    expect(outputs['masked']!.data[1]).to.equal(0);
  });

  it('spells out float32 that the format leaves unsaid: ConstantOfShape and Constant', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [2, 3]);
    const zeros = b.op('ConstantOfShape', [b.constant('shape', int64([2], [2, 3]))]);
    const half = b.op('Constant', [], { attributes: { value_float: { float: 0.5 } } });
    const list = b.op('Constant', [], { attributes: { value_floats: { floats: [1, 2, 3] } } });
    const sum = b.op('Add', [b.op('Add', [b.op('Add', [x, zeros]), half]), list]);
    b.output(sum, 'float32', [2, 3], 'y');
    expect(await differenceOf(b.model(), { x: randomTensor([2, 3]) })).to.be.below(4e-3);
  });

  for (const [kind, model] of Object.entries({
    If: modelWithIf(),
    Loop: modelWithLoop(),
    Scan: modelWithScan(),
  })) {
    it(`goes into the bodies of ${kind}`, async () => {
      const lowered = asFloat16(model);
      const text = JSON.stringify(lowered.graph.nodes, (_, value: unknown) =>
        typeof value === 'bigint' ? Number(value) : value instanceof Map ? [...value] : value,
      );
      expect(text).to.include('float16').and.not.include('"float32"');
      const feeds: Feeds = {};
      for (const { name, type } of model.graph.inputs) {
        if (type?.kind !== 'tensor') throw new Error('expected tensors');
        const dims = (type.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 3));
        feeds[name] =
          type.dtype === 'float32'
            ? randomTensor(dims)
            : type.dtype === 'bool'
              ? { dtype: 'bool', dims, data: new Uint8Array(dims.reduce((a, d) => a * d, 1)).fill(1) }
              : int64(
                  dims,
                  Array.from({ length: dims.reduce((a, d) => a * d, 1) }, () => 3),
                );
      }
      expect(await differenceOf(model, feeds)).to.be.below(0.05);
    });
  }

  it('leaves a model without float32 as it is', () => {
    const b = new GraphBuilder();
    b.output(b.op('Not', [b.input('x', 'bool', [2])]), 'bool', [2], 'y');
    const model = b.model();
    expect(asFloat16(model)).to.equal(model);
  });
});
