import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { inlineFunctions } from '../../src/graph/inline-functions.js';
import { toAttribute } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { prepareTail } from '../../src/pipeline/prepare-tail.js';
import { buildTailGraph } from '../../src/train/tail-step.js';
import { preprocess, splitBackbone } from '../pipeline/split-backbone.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

const domain = 'test.functions';
type Attributes = Record<string, ir.Attribute>;
const float = (value: number): ir.Attribute => ({ kind: 'float', value });
const reference = (value: string, type: number): ir.Attribute => ({ kind: 'reference', value, type });
const [floatType, intsType] = [1, 7];

function op(opType: string, inputs: string[], outputs: string[], attributes: Attributes = {}): ir.Node {
  return ir.node({
    opType,
    name: outputs[0]!,
    inputs,
    outputs,
    attributes: new Map(Object.entries(attributes)),
  });
}

function call(
  name: string,
  inputs: string[],
  outputs: string[],
  attributes: Attributes = {},
  overload = '',
): ir.Node {
  return { ...op(name, inputs, outputs, attributes), domain, overload };
}

function define(
  name: string,
  inputs: string[],
  outputs: string[],
  nodes: ir.Node[],
  more: Partial<ir.FunctionDefinition> = {},
): ir.FunctionDefinition {
  const none = new Map<string, never>();
  const opsets = new Map([['', 17], [domain, 1]]); // prettier-ignore
  const empty = {
    overload: '',
    docString: '',
    attributes: [],
    attributeDefaults: none,
    valueInfo: none,
    metadata: none,
  };
  return { ...empty, name, domain, inputs, outputs, nodes, opsets, ...more };
}

function modelOf(nodes: ir.Node[], functions: ir.FunctionDefinition[], outputs = ['y']): ir.Model {
  return ir.model({
    irVersion: 10,
    opsets: new Map([['', 17], [domain, 1]]), // prettier-ignore
    functions,
    graph: ir.graph({
      nodes,
      inputs: [ir.tensorValue('x', 'float32', [2, 3]), ir.tensorValue('z', 'float32', [2, 3])],
      outputs: outputs.map((name) => ir.tensorValue(name, 'float32')),
    }),
  });
}

const branch = (nodes: ir.Node[], output: string, more: Partial<ir.Graph> = {}): ir.Attribute => ({
  kind: 'graph',
  value: ir.graph({ nodes, inputs: [], outputs: [ir.tensorValue(output, 'float32')], ...more }),
});

/** LeakyRelu(a · b) by a slope with a default. */
const leaky = define(
  'Leaky',
  ['a', 'b'],
  ['out'],
  [op('Mul', ['a', 'b'], ['t']), op('LeakyRelu', ['t'], ['out'], { alpha: reference('slope', floatType) })],
  { attributeDefaults: new Map([['slope', float(0.3)]]) },
);

/** `plain` computes the same without functions, where onnxruntime takes no such function. */
const models: { claim: string; model: () => ir.Model; plain?: () => ir.Model }[] = [
  {
    claim: 'attributes of the call, and defaults of the definition where the call has none',
    model: () =>
      modelOf(
        [call('Leaky', ['x', 'z'], ['t']), call('Leaky', ['t', 'x'], ['y'], { slope: float(0.7) })],
        [leaky],
      ),
  },
  {
    claim: 'functions in functions, which hand attributes on',
    model: () =>
      modelOf(
        [call('Twice', ['x', 'z'], ['y'], { strength: float(2) }), call('Twice', ['z', 'y'], ['w'])],
        [
          define(
            'Twice',
            ['p', 'q'],
            ['out'],
            [
              call('Leaky', ['p', 'q'], ['t'], { slope: reference('strength', floatType) }),
              call('Leaky', ['t', 'p'], ['out']),
            ],
            { attributeDefaults: new Map([['strength', float(0.5)]]) },
          ),
          leaky,
        ],
        ['y', 'w'],
      ),
  },
  {
    claim: 'inputs that are absent, outputs that nobody wants, and inputs handed on',
    model: () =>
      modelOf(
        [call('Clamp', ['x', '', 'top'], ['', 'same', 'y']), op('Add', ['same', 'y'], ['sum'])],
        [
          define(
            'Clamp',
            ['v', 'low', 'high'],
            ['out', 'v', 'out2'],
            [op('Clip', ['v', 'low', 'high'], ['out']), op('Neg', ['out'], ['out2'])],
          ),
        ],
        ['y', 'sum'],
      ),
    plain: () =>
      modelOf(
        [op('Clip', ['x', '', 'top'], ['out']), op('Neg', ['out'], ['y']), op('Add', ['x', 'y'], ['sum'])],
        [],
        ['y', 'sum'],
      ),
  },
  {
    claim: 'overloads of one name',
    model: () =>
      modelOf(
        [call('Act', ['x'], ['t'], {}, 'sine'), call('Act', ['t'], ['y'], {}, 'root')],
        [
          define('Act', ['v'], ['out'], [op('Sin', ['v'], ['out'])], { overload: 'sine' }),
          define('Act', ['v'], ['m', 'out'].slice(1), [op('Abs', ['v'], ['m']), op('Sqrt', ['m'], ['out'])], {
            overload: 'root',
          }),
        ],
      ),
  },
  {
    claim: 'branches that read the values around them, and that call',
    model: () =>
      modelOf(
        [
          op('ReduceSum', ['x'], ['sum'], { keepdims: toAttribute(0) }),
          op('Greater', ['sum', 'nought'], ['positive']),
          call('Choose', ['positive', 'x', 'z'], ['t']),
          op('If', ['positive'], ['y'], {
            then_branch: branch([call('Leaky', ['t', 'x'], ['then'])], 'then'),
            else_branch: branch([call('Choose', ['positive', 't', 't'], ['else'])], 'else'),
          }),
        ],
        [
          define(
            'Choose',
            ['which', 'p', 'q'],
            ['out'],
            [
              op('Add', ['p', 'q'], ['t']),
              op('If', ['which'], ['out'], {
                then_branch: branch([call('Leaky', ['t', 'q'], ['r'], { slope: float(0.2) })], 'r'),
                else_branch: branch([op('Sub', ['t', 'p'], ['r'])], 'r'),
              }),
            ],
          ),
          leaky,
        ],
      ),
  },
  {
    claim: 'functions of an older operator set, with axes that the caller gives',
    model: () =>
      modelOf(
        [call('Sums', ['x'], ['y'], { which: toAttribute([1]) })],
        [
          define(
            'Sums',
            ['v'],
            ['out'],
            [
              op('ReduceSum', ['v'], ['s'], { axes: reference('which', intsType), keepdims: toAttribute(0) }),
              op('Unsqueeze', ['s'], ['out'], { axes: toAttribute([0]) }),
            ],
            { attributes: ['which'], opsets: new Map([['', 11]]) },
          ),
        ],
      ),
    plain: () =>
      modelOf(
        [
          op('ReduceSum', ['x', 'one'], ['s'], { keepdims: toAttribute(0) }),
          op('Unsqueeze', ['s', 'none'], ['y']),
        ],
        [],
      ),
  },
  {
    claim: 'functions of a newer operator set, to which the model is raised',
    model: () =>
      modelOf(
        [op('ReduceMax', ['x'], ['m'], { axes: toAttribute([1]) }), call('Soft', ['m'], ['y'])],
        [define('Soft', ['v'], ['out'], [op('Gelu', ['v'], ['out'])], { opsets: new Map([['', 20]]) })],
      ),
    plain: () => ({
      ...modelOf([op('ReduceMax', ['x', 'one'], ['m']), op('Gelu', ['m'], ['y'])], []),
      opsets: new Map([['', 20]]),
    }),
  },
];

/** Constants that some of the models read. */
function withConstants(model: ir.Model): ir.Model {
  const b = new GraphBuilder();
  b.constant('top', { dtype: 'float32', dims: [], data: Float32Array.of(0.4) });
  b.constant('one', int64([1], [1]));
  b.constant('none', int64([1], [0]));
  b.constant('nought', { dtype: 'float32', dims: [], data: new Float32Array(1) });
  return { ...model, graph: { ...model.graph, initializers: b.initializers } };
}

describe('inlineFunctions', () => {
  for (const { claim, model, plain } of models) {
    it(`computes the same after writing out ${claim}`, async () => {
      const original = withConstants(model());
      const inlined = inlineFunctions(original);
      expect(inlined.functions).to.deep.equal([]);
      for (const sign of [1, -1]) {
        const x = float32(
          [2, 3],
          (randomTensor([2, 3]).data as Float32Array).map((v) => sign * v),
        );
        const feeds = { x, z: randomTensor([2, 3], 2) };
        const expected = await runModel(plain ? withConstants(plain()) : original, feeds);
        const outputs = await runModel(inlined, feeds);
        for (const { name } of original.graph.outputs)
          expect(largestDifference(outputs[name]!, expected[name]!), name).to.be.at.most(1e-6);
      }
    });
  }

  it('keeps a value that a body reads from being hidden by what the body calls the same', () => {
    const body = branch([op('Add', ['p', 'q'], ['r'])], 'r', {
      initializers: new GraphBuilder({}).initializers,
      inputs: [ir.tensorValue('p', 'float32')],
    });
    const inner = define('Inner', ['p', 'q'], ['out'], [op('Loop', ['', '', 'q'], ['out'], { body })]);
    const { graph } = inlineFunctions(modelOf([call('Inner', ['x', 'x'], ['y'])], [inner]));
    const loop = graph.nodes[0]!.attributes.get('body');
    if (loop?.kind !== 'graph') throw new Error('no body');
    expect(loop.value.inputs[0]!.name).to.not.equal('x');
    expect(loop.value.nodes[0]!.inputs).to.deep.equal([loop.value.inputs[0]!.name, 'x']);
  });

  it('refuses functions that call each other in a circle', () => {
    const [a, b] = [
      define('A', ['v'], ['out'], [call('B', ['v'], ['out'])]),
      define('B', ['v'], ['out'], [call('A', ['v'], ['out'])]),
    ];
    expect(() => inlineFunctions(modelOf([call('A', ['x'], ['y'])], [a, b]))).to.throw(
      /calls itself: "A" → "B" → "A"/,
    );
  });

  it('refuses functions that grow without bound, by number, depth, names or constants', () => {
    const grow = (times: number, count: number, name = 'f'): ir.Model => {
      const functions = Array.from({ length: count }, (_, i) => {
        const inner = i + 1 === count ? 'Neg' : `${name}${i + 1}`;
        const chain = Array.from({ length: times }, (_, j) => {
          const [from, to] = [j === 0 ? 'v' : `t${j}`, j + 1 === times ? 'out' : `t${j + 1}`];
          return inner === 'Neg' ? op(inner, [from], [to]) : call(inner, [from], [to]);
        });
        return define(`${name}${i}`, ['v'], ['out'], chain);
      });
      return modelOf([call(`${name}0`, ['x'], ['y'])], functions);
    };
    expect(() => inlineFunctions(grow(2, 60))).to.throw(
      /come to more than 4000000 parts .* export it without/,
    );
    expect(() => inlineFunctions(grow(1, 3000))).to.throw(/lie in one another more than 100 deep/);
    const long = 'n'.repeat(1_000_000);
    const named = define('Named', ['v'], ['out'], [op('Neg', ['v'], [long]), op('Neg', [long], ['out'])]);
    const chain = Array.from({ length: 200 }, (_, i) =>
      call('Named', [i === 0 ? 'x' : `y${i - 1}`], [`y${i}`]),
    );
    expect(() => inlineFunctions(modelOf(chain, [named], ['y199']))).to.throw(/come to more than/);
    const bytes = new Uint8Array(4 * 4_000_000);
    const value: ir.Attribute = {
      kind: 'tensor',
      value: {
        name: '',
        dtype: 'float32',
        dims: [4_000_000],
        content: { kind: 'raw', bytes },
        docString: '',
        metadata: new Map(),
      },
    };
    const heavy = define(
      'Named',
      ['v'],
      ['out'],
      [op('Constant', [], ['c'], { value }), op('Add', ['v', 'c'], ['out'])],
    );
    expect(() => inlineFunctions(modelOf(chain.slice(0, 2), [heavy], ['y1']))).to.not.throw();
    expect(() => inlineFunctions(modelOf(chain, [heavy], ['y199']))).to.throw(/come to more than/);
  });

  it('opens functions to what looks for layers, cuts and trains', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-test-'));
    try {
      const file = path.join(folder, 'backbone.onnx');
      writeFileSync(file, encodeModel(blockAsFunction()));
      writeFileSync(path.join(folder, 'backbone.preprocess.json'), JSON.stringify(preprocess));
      const { operators, featureLayers } = await inspectModel(file);
      expect(operators).to.include({ Conv: 6 }).and.not.to.have.property('Block');
      expect(featureLayers.every(({ trainableFromHere }) => trainableFromHere)).to.equal(true);
      const backbone = await prepareBackbone(
        { backbone: file, layer: 'last', pool: 'avg' },
        { folder: path.join(folder, 'backbones') },
      );
      const { tail } = await prepareTail(backbone, 'block/inner');
      expect(tail.crossing.map(({ name }) => name)).to.deep.equal(['block/inner', 'shuffled']);
      const graph = await buildTailGraph(tail, { head: { kind: 'linear' }, task: 'single', outputCount: 5 });
      expect(graph.weights.size).to.equal(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** The small backbone with its residual block behind a function. */
function blockAsFunction(): ir.Model {
  const source = decodeModel(splitBackbone(), { path: 'backbone.onnx' });
  const names = ['inner/conv', 'inner', 'outer/conv', 'residual/sum', 'residual'];
  const inside = source.graph.nodes.filter(({ name }) => names.includes(name));
  const block = define('Block', ['shuffled', 'shared'], ['residual'], inside, {
    opsets: new Map([['', 13]]),
  });
  const nodes = source.graph.nodes.flatMap((row) => {
    if (row.name === 'inner')
      return { ...call('Block', ['shuffled', 'shared'], ['residual']), name: 'block' };
    return names.includes(row.name) ? [] : [row];
  });
  return {
    ...source,
    functions: [block],
    opsets: new Map([...source.opsets, [domain, 1]]),
    graph: { ...source.graph, nodes },
  };
}
