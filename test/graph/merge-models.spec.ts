import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { mergeModels } from '../../src/graph/merge-models.js';
import { toAttribute } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toInitializer } from '../../src/onnx/initializer.js';
import * as ir from '../../src/onnx/ir.js';
import { toHalfArray } from '../../src/tensor/float16.js';
import { checked, float32 } from '../../src/tensor/tensor.js';
import { runModel, valuesOf } from './run-model.js';

type Shape = readonly ir.Dimension[];

/** y = x · factor, with a node and a weight whose names any exporter might choose. */
function scale(
  factor: number,
  { shape = ['batch', 2] as Shape, opset = 17, input = 'x', output = 'y' } = {},
) {
  const builder = new GraphBuilder({ opset });
  const x = builder.input(input, 'float32', shape);
  const weight = builder.constant('weight', float32([], [factor]));
  const product = builder.op('Mul', [x, weight], { name: 'product' });
  builder.output(product, 'float32', shape, output);
  const { graph, ...rest } = builder.model();
  const valueInfo = new Map([[product, ir.tensorValue(product, 'float32', shape)]]);
  return { ...rest, graph: { ...graph, valueInfo } };
}

const names = (values: readonly ir.ValueInfo[]): string[] => values.map(({ name }) => name);
const shapes = (values: Iterable<ir.ValueInfo>) =>
  Object.fromEntries([...values].map(({ name, type }) => [name, type?.kind === 'tensor' && type.shape]));

describe('mergeModels', () => {
  it('computes what the two models compute one after the other', async () => {
    const merged = mergeModels(scale(3), scale(5), { connect: { y: 'x' } });
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([15, 30]);
  });

  it('takes the connections as a map too', () => {
    const merged = mergeModels(scale(3), scale(5), { connect: new Map([['y', 'x']]) });
    expect(names(merged.graph.outputs)).to.deep.equal(['y']);
  });

  it('lets no names clash when a model is merged with itself, again and again', async () => {
    let merged: ir.Model = scale(2);
    for (let i = 0; i < 4; i++) {
      merged = mergeModels(merged, merged, { connect: { [names(merged.graph.outputs)[0]!]: 'x' } });
    }
    const { graph } = merged;
    expect(graph.nodes).to.have.length(32);
    expect(new Set(graph.nodes.map(({ name }) => name)).size).to.equal(32);
    expect(graph.initializers.size).to.equal(16);
    for (const [name, row] of graph.initializers) expect(row.name).to.equal(name);
    const run = await runModel(merged, { x: float32([1, 2], [1, -1]) });
    expect(valuesOf(run[names(graph.outputs)[0]!]!)).to.deep.equal([2 ** 16, -(2 ** 16)]);
  });

  it('leaves inputs and outputs their names before inner values', async () => {
    const other = new GraphBuilder();
    other.output(other.op('Relu', [other.input('x', 'float32', ['n', 2])]), 'float32', ['n', 2], 'weight');
    const mixed = mergeModels(scale(3), other.model(), { connect: { y: 'x' } });
    expect(names(mixed.graph.outputs)).to.deep.equal(['weight']);
    expect([...mixed.graph.initializers.keys()]).to.deep.equal(['weight_1']);
    const { weight } = await runModel(mixed, { x: float32([1, 2], [-1, 2]) });
    expect(valuesOf(weight!)).to.deep.equal([0, 6]);
  });

  it('puts prefixes before inner names only', () => {
    const { graph } = mergeModels(scale(3, { output: 'features' }), scale(5, { output: 'logits' }), {
      connect: { features: 'x' },
      prefix: { second: 'head/' },
    });
    expect(names(graph.outputs)).to.deep.equal(['logits']);
    expect([...graph.initializers.keys()]).to.deep.equal(['weight', 'head/weight']);
    expect(graph.nodes.map(({ name }) => name)).to.deep.equal([
      'product',
      'features',
      'head/product',
      'head/logits',
    ]);
  });

  it('keeps declared shapes and unifies the symbols that meet at the seam', () => {
    const { graph } = mergeModels(
      scale(3, { shape: ['batch', 2], output: 'features' }),
      scale(5, { shape: ['N', 2], output: 'logits' }),
      { connect: { features: 'x' } },
    );
    expect(shapes(graph.outputs)).to.deep.equal({ logits: ['batch', 2] });
    expect(shapes(graph.valueInfo.values())).to.deep.equal({
      product: ['batch', 2],
      features: ['batch', 2],
      product_1: ['batch', 2],
    });
  });

  it('writes a size for a symbol where the seam tells it, on either side', () => {
    const fixed = { shape: [1, 2] };
    const free = { shape: ['batch', 2] };
    const later = mergeModels(scale(3, free), scale(5, fixed), { connect: { y: 'x' } });
    expect(shapes(later.graph.inputs)).to.deep.equal({ x: [1, 2] });
    const earlier = mergeModels(scale(3, fixed), scale(5, free), { connect: { y: 'x' } });
    expect(shapes(earlier.graph.outputs)).to.deep.equal({ y: [1, 2] });
  });

  it('keeps symbols of one name apart where they are different dimensions', () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', 'float32', ['rows', 2]);
    const other = builder.input('other', 'float32', ['batch', 2]);
    builder.output(builder.op('Concat', [x, other], { attributes: { axis: 0 } }), 'float32', [null, 2], 'z');
    const { graph } = mergeModels(scale(3), builder.model(), { connect: { y: 'x' } });
    expect(shapes(graph.inputs)).to.deep.equal({ x: ['batch', 2], other: ['batch_1', 2] });
  });

  it('keeps unconnected inputs and outputs of both, and connected outputs that are asked for', async () => {
    const builder = new GraphBuilder();
    const a = builder.input('a', 'float32', [2]);
    const b = builder.input('b', 'float32', [2]);
    builder.output(builder.op('Add', [a, b], { name: 'sum' }), 'float32', [2]);
    builder.output(builder.op('Sub', [a, b], { name: 'difference' }), 'float32', [2]);
    const model = builder.model();
    const merged = mergeModels(model, model, { connect: { sum: ['a'] }, keep: ['sum'] });
    expect(names(merged.graph.inputs)).to.deep.equal(['a', 'b', 'b_1']);
    expect(names(merged.graph.outputs)).to.deep.equal(['sum', 'difference', 'sum_1', 'difference_1']);
    const run = await runModel(merged, {
      a: float32([2], [1, 2]),
      b: float32([2], [10, 20]),
      b_1: float32([2], [100, 200]),
    });
    expect(valuesOf(run.sum!)).to.deep.equal([11, 22]);
    expect(valuesOf(run.sum_1!)).to.deep.equal([111, 222]);
    expect(valuesOf(run.difference_1!)).to.deep.equal([-89, -178]);
  });

  it('feeds one value into several inputs, and an input of the first model into the second', async () => {
    const builder = new GraphBuilder();
    const a = builder.input('a', 'float32', ['batch', 2]);
    const b = builder.input('b', 'float32', ['batch', 2]);
    const c = builder.input('c', 'float32', ['batch', 2]);
    builder.output(builder.op('Sum', [a, b, c]), 'float32', ['batch', 2], 'total');
    const merged = mergeModels(scale(3), builder.model(), { connect: { y: ['a', 'b'], x: 'c' } });
    expect(names(merged.graph.inputs)).to.deep.equal(['x']);
    const { total } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(total!)).to.deep.equal([7, 14]);
  });

  it('copies what the second model only passes through', async () => {
    const value = ir.tensorValue('x', 'float32', ['batch', 2]);
    const through = ir.model({ graph: ir.graph({ nodes: [], inputs: [value], outputs: [value] }) });
    const merged = mergeModels(scale(3), through, { connect: { y: 'x' }, keep: ['y'] });
    expect(names(merged.graph.outputs)).to.deep.equal(['y', 'y_1']);
    const run = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(run.y_1!)).to.deep.equal([3, 6]);
  });

  it('replaces the default of an input that is given', async () => {
    const second = scale(5);
    const x = toInitializer('x', float32([1, 2], [7, 7]));
    const graph = { ...second.graph, initializers: new Map([...second.graph.initializers, ['x', x]]) };
    const merged = mergeModels(scale(3), { ...second, graph }, { connect: { y: 'x' } });
    expect(merged.graph.initializers.size).to.equal(2);
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([15, 30]);
  });

  it('takes initializers that are listed as inputs, of IR version 3', async () => {
    const model = scale(3, { opset: 8 });
    const listed: ir.Model = {
      ...model,
      irVersion: 3,
      graph: { ...model.graph, inputs: [...model.graph.inputs, ir.tensorValue('weight', 'float32', [])] },
    };
    const merged = mergeModels(listed, listed, { connect: { y: 'x' } });
    expect(names(merged.graph.inputs)).to.deep.equal(['x', 'weight', 'weight_1']);
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([9, 18]);
  });

  it('says both types of every seam that does not fit, in one error', () => {
    const builder = new GraphBuilder();
    const wide = builder.input('wide', 'float32', ['batch', 3]);
    const whole = builder.input('whole', 'int64', ['batch', 2]);
    const cast = builder.op('Cast', [whole], { attributes: { to: 1 } });
    builder.output(
      builder.op('Concat', [wide, cast], { attributes: { axis: 1 } }),
      'float32',
      [null, 5],
      'z',
    );
    const merge = () => mergeModels(scale(3), builder.model(), { connect: { y: ['wide', 'whole'] } });
    expect(merge)
      .to.throw(
        GraftError,
        'The models do not fit: "y" is float32 [batch,2] but "wide" takes float32 [batch,3]; ' +
          '"y" is float32 [batch,2] but "whole" takes int64 [batch,2].',
      )
      .with.property('code', 'INVALID_ARGUMENT');
  });

  it('finds a contradiction between two seams', () => {
    const builder = new GraphBuilder();
    const a = builder.input('a', 'float32', ['N', 2]);
    const b = builder.input('b', 'float32', ['N', 2]);
    builder.output(builder.op('Add', [a, b]), 'float32', ['N', 2], 'sum');
    const first = new GraphBuilder();
    const x = first.input('x', 'float32', [4, 2]);
    const y = first.input('y', 'float32', [3, 2]);
    first.output(x, 'float32', [4, 2], 'four');
    first.output(y, 'float32', [3, 2], 'three');
    const merge = () => mergeModels(first.model(), builder.model(), { connect: { four: 'a', three: 'b' } });
    expect(merge).to.throw(GraftError, '"three" is float32 [3,2] but "b" takes float32 [N,2]');
  });

  it('names what is there where a connection names what is not', () => {
    const merge =
      (connect: Record<string, string | string[]>, keep: string[] = []) =>
      () =>
        mergeModels(scale(3), scale(5), { connect, keep });
    expect(merge({ z: 'x' })).to.throw(GraftError, 'The first model has no output "z". It has: x, y.');
    expect(merge({ y: 'z' })).to.throw(GraftError, 'The second model has no input "z". It has: x.');
    expect(merge({ y: 'x', x: 'x' })).to.throw(GraftError, '"y" and "x" are connected to it');
    expect(merge({ y: 'x' }, ['z'])).to.throw(GraftError, 'connected outputs for keep but received "z"');
  });

  it('converts between float types only when told to', async () => {
    const half = new GraphBuilder();
    const x = half.input('x', 'float16', ['batch', 2]);
    const two = half.constant('two', checked('float16', [], toHalfArray(Float32Array.of(2))));
    half.output(half.op('Mul', [x, two]), 'float16', ['batch', 2], 'y');
    const first = half.model();
    expect(() => mergeModels(first, scale(5), { connect: { y: 'x' } })).to.throw(
      GraftError,
      'float16 [batch,2] but "x" takes float32 [batch,2]. castFloats: true',
    );
    const merged = mergeModels(first, scale(5), { connect: { y: 'x' }, castFloats: true });
    const fed = checked('float16', [1, 2], toHalfArray(Float32Array.of(1, 3)));
    const run = await runModel(merged, { x: fed });
    expect(run.y!.dtype).to.equal('float32');
    expect(valuesOf(run.y!)).to.deep.equal([10, 30]);
    expect(shapes(merged.graph.outputs)).to.deep.equal({ y: ['batch', 2] });
  });

  it('merges metadata, notes and versions', () => {
    const first = {
      ...scale(3),
      metadata: new Map([
        ['a', '1'],
        ['b', '1'],
      ]),
      docString: 'one',
      irVersion: 7,
    };
    const second = {
      ...scale(5),
      metadata: new Map([
        ['b', '2'],
        ['c', '2'],
      ]),
      docString: 'two',
      irVersion: 9,
    };
    const merged = mergeModels(first, second, { connect: { y: 'x' } });
    expect(Object.fromEntries(merged.metadata)).to.deep.equal({ a: '1', b: '2', c: '2' });
    expect(merged).to.include({ docString: 'one\ntwo', irVersion: 9 });
  });

  it('imports the domains of both', () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', 'float32', ['batch', 2]);
    builder.output(builder.op('Gelu', [x], { domain: 'com.microsoft' }), 'float32', ['batch', 2], 'y');
    const second = builder.model({
      opsets: new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
    });
    const merged = mergeModels(scale(3), second, { connect: { y: 'x' } });
    expect([...merged.opsets]).to.deep.equal([
      ['', 17],
      ['com.microsoft', 1],
    ]);
  });

  it('renumbers quantisation notes along with the tensors they name', () => {
    const model = scale(3);
    const quantization = [{ tensorName: 'product', parameters: new Map([['SCALE_TENSOR', 'weight']]) }];
    const noted = { ...model, graph: { ...model.graph, quantization } };
    const { graph } = mergeModels(noted, noted, { connect: { y: 'x' } });
    expect(graph.quantization[1]).to.deep.equal({
      tensorName: 'product_1',
      parameters: new Map([['SCALE_TENSOR', 'weight_1']]),
    });
  });
});

/** y = |x| · 2 where sum(x) > 0, else x · weight: the branches capture x and weight and name their values alike. */
function conditional(weight: number): ir.Model {
  const builder = new GraphBuilder();
  const x = builder.input('x', 'float32', ['batch', 2]);
  const sum = builder.op('ReduceSum', [x], { name: 'sum', attributes: { keepdims: 0 } });
  const positive = builder.op('Greater', [sum, builder.scalar(0)], { name: 'positive' });
  const factor = builder.constant('weight', float32([], [weight]));
  const branch = (nodes: ir.Node[]) =>
    ({
      kind: 'graph',
      value: ir.graph({ name: 'branch', nodes, inputs: [], outputs: [ir.tensorValue('inner', 'float32')] }),
    }) as const;
  const two = toInitializer('two', float32([], [2]));
  const thenBranch = branch([
    ir.node({ opType: 'Abs', name: 'abs', inputs: [x], outputs: ['size'] }),
    ir.node({ opType: 'Mul', name: 'double', inputs: ['size', 'two'], outputs: ['inner'] }),
  ]);
  builder.nodes.push(
    ir.node({
      opType: 'If',
      name: 'choose',
      inputs: [positive],
      outputs: ['y'],
      attributes: new Map([
        [
          'then_branch',
          { ...thenBranch, value: { ...thenBranch.value, initializers: new Map([['two', two]]) } },
        ],
        [
          'else_branch',
          branch([ir.node({ opType: 'Mul', name: 'scale', inputs: [x, factor], outputs: ['inner'] })]),
        ],
      ]),
    }),
  );
  builder.outputs.push(ir.tensorValue('y', 'float32', ['batch', 2]));
  return builder.model();
}

describe('mergeModels with subgraphs', () => {
  it('renames inside branches, captured values included', async () => {
    const merged = mergeModels(conditional(-10), conditional(100), { connect: { y: 'x' } });
    const branches = merged.graph.nodes.filter(({ opType }) => opType === 'If');
    const captured = branches.map(({ attributes }) => {
      const body = attributes.get('else_branch');
      return body?.kind === 'graph' && [body.value.nodes[0]!.inputs, body.value.outputs[0]!.name];
    });
    expect(captured).to.deep.equal([
      [['x', 'weight'], 'inner'],
      [['y_1', 'weight_1'], 'inner_1'],
    ]);
    for (const [fed, expected] of [
      [
        [-1, -2],
        [20, 40],
      ], // negative: · −10, then positive: |·| · 2
      [
        [1, 2],
        [4, 8],
      ],
      [
        [-3, 1],
        [60, 20],
      ],
    ] as const) {
      const run = await runModel(merged, { x: float32([1, 2], fed) });
      expect(valuesOf(run.y!)).to.deep.equal(expected);
    }
  });

  it('keeps an inner name of one model off the outer names of the other', async () => {
    const merged = mergeModels(scale(3, { output: 'inner' }), conditional(100), { connect: { inner: 'x' } });
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([6, 12]);
    const reversed = mergeModels(conditional(-10), scale(3, { output: 'size' }), { connect: { y: 'x' } });
    const run = await runModel(reversed, { x: float32([1, 2], [-1, 2]) });
    expect(valuesOf(run.size!)).to.deep.equal([6, 12]);
  });
});

/** y = F(x), where F is the model's own function x · factor. */
function withFunction(factor: number, domain = 'own', name = 'F'): ir.Model {
  const builder = new GraphBuilder();
  const x = builder.input('x', 'float32', ['batch', 2]);
  builder.output(builder.op(name, [x], { domain, name: 'called' }), 'float32', ['batch', 2], 'y');
  const constant = toInitializer('', float32([], [factor]));
  return builder.model({
    opsets: new Map([
      ['', 17],
      [domain, 1],
    ]),
    functions: [
      {
        name,
        domain,
        overload: '',
        docString: '',
        inputs: ['a'],
        outputs: ['c'],
        attributes: [],
        attributeDefaults: new Map(),
        nodes: [
          ir.node({
            opType: 'Constant',
            inputs: [],
            outputs: ['b'],
            attributes: new Map([['value', { kind: 'tensor', value: constant }]]),
          }),
          ir.node({ opType: 'Mul', inputs: ['a', 'b'], outputs: ['c'] }),
        ],
        opsets: new Map([['', 17]]),
        valueInfo: new Map(),
        metadata: new Map(),
      },
    ],
  });
}

describe('mergeModels with functions', () => {
  it('keeps a function that both models have once', async () => {
    const merged = mergeModels(withFunction(3), withFunction(3), { connect: { y: 'x' } });
    expect(merged.functions).to.have.length(1);
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([9, 18]);
  });

  it('renames the second of two different functions of one name', async () => {
    const merged = mergeModels(withFunction(3), withFunction(5), { connect: { y: 'x' } });
    expect(merged.functions.map(({ name }) => name)).to.deep.equal(['F', 'F_1']);
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([15, 30]);
  });

  it("lets no function take over the other model's operators", async () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', 'float32', ['batch', 2]);
    const scaled = builder.op('FusedMatMul', [x, builder.constant('eye', float32([2, 2], [1, 0, 0, 1]))], {
      domain: 'com.microsoft',
    });
    builder.output(scaled, 'float32', ['batch', 2], 'y');
    const plain = builder.model({
      opsets: new Map([
        ['', 17],
        ['com.microsoft', 1],
      ]),
    });
    const defined = withFunction(5, 'com.microsoft', 'FusedMatMul');
    for (const [first, second] of [
      [plain, defined],
      [defined, plain],
    ] as const) {
      const merged = mergeModels(first, second, { connect: { y: 'x' } });
      const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
      expect(valuesOf(y!)).to.deep.equal([5, 10]);
    }
  });

  it('renames calls from functions and from subgraphs', async () => {
    const nested = (factor: number): ir.Model => {
      const model = withFunction(factor);
      const outer: ir.FunctionDefinition = {
        ...model.functions[0]!,
        name: 'G',
        nodes: [ir.node({ opType: 'F', domain: 'own', inputs: ['a'], outputs: ['c'] })],
        opsets: new Map([['own', 1]]),
      };
      const nodes = model.graph.nodes.map((row) => (row.opType === 'F' ? { ...row, opType: 'G' } : row));
      return { ...model, graph: { ...model.graph, nodes }, functions: [...model.functions, outer] };
    };
    // G is the same text in both models but calls another F.
    const merged = mergeModels(nested(3), nested(5), { connect: { y: 'x' } });
    const { y } = await runModel(merged, { x: float32([1, 2], [1, 2]) });
    expect(valuesOf(y!)).to.deep.equal([15, 30]);
  });

  it('does not mistake an attribute for a name', () => {
    const builder = new GraphBuilder();
    const x = builder.input('x', 'float32', ['batch', 2]);
    const padded = builder.op('Softmax', [x], { attributes: { axis: 1 } });
    builder.output(padded, 'float32', ['batch', 2], 'y');
    const { graph } = mergeModels(builder.model(), builder.model(), { connect: { y: 'x' } });
    expect(graph.nodes.find(({ name }) => name === 'Softmax_1')!.attributes.get('axis')).to.deep.equal(
      toAttribute(1),
    );
  });
});
