import { expect } from 'chai';
import { checkGradients } from '../../src/autodiff/check-gradients.js';
import { checkGradientShapes } from '../../src/autodiff/check-gradient-shapes.js';
import { differentiate } from '../../src/autodiff/differentiate.js';
import type { GradientRule } from '../../src/autodiff/gradient-rule.js';
import { nameGradients } from '../../src/autodiff/name-gradients.js';
import { rules } from '../../src/autodiff/rules/index.js';
import { tabulateRules } from '../../src/autodiff/reachability.js';
import { trainableFromHere } from '../../src/autodiff/trainable-from-here.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { type Graph, node, tensorValue } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { toHalfArray } from '../../src/tensor/float16.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';

const values = (count: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(3 * i + 1));

/** loss = Σ relu(x w + b), x [batch, 3] */
function perceptron() {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', 'float32', ['batch', 3]);
  const w = b.constant('w', float32([3, 4], values(12)));
  const bias = b.constant('b', float32([4], values(4)));
  const z = b.op('Add', [b.op('MatMul', [x, w], { name: 'product' }), bias], { name: 'z' });
  b.output(
    b.op('ReduceSum', [b.op('Relu', [z], { name: 'y' })], { name: 'loss', attributes: { keepdims: 0 } }),
    'float32',
    [],
  );
  return b.model();
}

const batchOf = (rows: number) => new Map([['x', [rows, 3]]]);

async function run(model: ReturnType<typeof perceptron>, feeds: Record<string, Tensor>) {
  const session = await openSession(encodeModel(model));
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

describe('differentiate', () => {
  it('keeps the outputs and adds one for each parameter, named after it and of its shape', async () => {
    const model = perceptron();
    const shapes = await probeShapes(model, { inputDims: batchOf(2) });
    const { graph, gradients } = differentiate(model, { loss: 'loss', parameters: ['w', 'b', 'x'], shapes });
    expect(graph.outputs.map(({ name }) => name)).to.deep.equal(['loss', 'grad/w', 'grad/b', 'grad/x']);
    expect([...gradients]).to.deep.equal([
      ['w', 'grad/w'],
      ['b', 'grad/b'],
      ['x', 'grad/x'],
    ]);
    const shapeOf = (name: string) => {
      const type = graph.outputs.find((output) => output.name === name)?.type;
      return type?.kind === 'tensor' ? type.shape : undefined;
    };
    expect(shapeOf('grad/w')).to.deep.equal([3, 4]);
    expect(shapeOf('grad/x')).to.deep.equal(['batch', 3]);
  });

  it('names the gradient of a value on the way after the value, and its nodes after the node they come from', async () => {
    const model = perceptron();
    const shapes = await probeShapes(model, { inputDims: batchOf(2) });
    const { graph, gradientOf } = differentiate(model, { loss: 'loss', parameters: ['w'], shapes });
    expect(gradientOf.get('z')).to.equal('grad/z');
    const added = graph.nodes.slice(model.graph.nodes.length);
    expect(added.every(({ name }) => name.startsWith('grad/') || name.endsWith('/shape'))).to.equal(true);
    expect(
      added.some(({ name, outputs }) => name === 'grad/y/Greater' && outputs[0] === 'grad/y/Greater'),
    ).to.equal(true);
  });

  it('appends nothing that no asked gradient needs', async () => {
    const model = perceptron();
    const shapes = await probeShapes(model, { inputDims: batchOf(2) });
    const { graph } = differentiate(model, { loss: 'loss', parameters: ['b'], shapes });
    const added = graph.nodes.slice(model.graph.nodes.length);
    expect(added.map(({ opType }) => opType)).to.not.include.members(['Gemm', 'MatMul']);
    const used = new Set([
      ...graph.nodes.flatMap(({ inputs }) => inputs),
      ...graph.outputs.map(({ name }) => name),
    ]);
    for (const { outputs } of added)
      expect(
        outputs.some((output) => used.has(output)),
        outputs[0],
      ).to.equal(true);
    for (const name of graph.initializers.keys()) expect(used.has(name), name).to.equal(true);
  });

  it('gives the right gradients for another batch than the probed one', async () => {
    const model = perceptron();
    const x = float32([5, 3], values(15));
    const results = [];
    for (const rows of [2, 5]) {
      const shapes = await probeShapes(model, { inputDims: batchOf(rows) });
      const { graph } = differentiate(model, { loss: 'loss', parameters: ['w', 'b', 'x'], shapes });
      results.push(await run({ ...model, graph }, { x }));
    }
    for (const name of ['grad/w', 'grad/b', 'grad/x']) {
      expect(results[0]![name]!.dims).to.deep.equal(results[1]![name]!.dims);
      expect([...results[0]![name]!.data]).to.deep.equal([...results[1]![name]!.data]);
    }
  });

  it('takes a name like those it gives as it finds it', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.constant('x', float32([2], [1, 2]));
    const taken = b.op('Mul', [x, x], { name: 'grad/x' });
    b.output(b.op('ReduceSum', [taken], { name: 'loss', attributes: { keepdims: 0 } }), 'float32', []);
    const model = b.model();
    const { graph, gradients } = differentiate(model, {
      loss: 'loss',
      parameters: ['x'],
      shapes: await probeShapes(model),
    });
    expect(gradients.get('x')).to.equal('grad/x_1');
    expect([...(await run({ ...model, graph }, {}))['grad/x_1']!.data]).to.deep.equal([2, 4]);
  });

  it('differentiates the sum of a loss that is no scalar', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.constant('x', float32([3], [1, 2, 3]));
    b.output(b.op('Mul', [x, x], { name: 'loss' }), 'float32', [3]);
    const model = b.model();
    const { graph } = differentiate(model, {
      loss: 'loss',
      parameters: ['x'],
      shapes: await probeShapes(model),
    });
    expect([...(await run({ ...model, graph }, {}))['grad/x']!.data]).to.deep.equal([2, 4, 6]);
  });

  for (const [dtype, data] of [
    ['float64', Float64Array.of(1, 2, 3)],
    ['float16', toHalfArray(Float32Array.of(1, 2, 3))],
  ] as const) {
    it(`gives gradients of ${dtype} for parameters of ${dtype}`, async () => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.constant('x', { dtype, dims: [3], data });
      const narrow = b.op('Cast', [b.op('Sigmoid', [x])], { attributes: { to: 1 } });
      b.output(b.op('ReduceSum', [narrow], { name: 'loss', attributes: { keepdims: 0 } }), 'float32', []);
      const model = b.model();
      const { graph } = differentiate(model, {
        loss: 'loss',
        parameters: ['x'],
        shapes: await probeShapes(model),
      });
      const gradient = (await run({ ...model, graph }, {}))['grad/x']!;
      expect(gradient.dtype).to.equal(dtype);
    });
  }

  it('differentiates its own gradients once more', async () => {
    const b = new GraphBuilder({ opset: 20 });
    const weight = (name: string, dims: readonly number[]): string =>
      b.constant(name, float32(dims, values(sizeOf(dims))));
    const hidden = b.op('Gelu', [b.op('MatMul', [weight('x', [3, 4]), weight('w', [4, 5])])]);
    const standard = b.op('LayerNormalization', [hidden, weight('scale', [5]), weight('shift', [5])]);
    const y = b.op('Softmax', [b.op('MatMul', [standard, weight('v', [5, 2])])]);
    b.output(
      b.op('ReduceSum', [b.op('Mul', [y, y])], { name: 'loss', attributes: { keepdims: 0 } }),
      'float32',
      [],
    );
    const once = differentiate(b.model(), {
      loss: 'loss',
      parameters: ['w'],
      shapes: await probeShapes(b.model()),
    });
    const { parameters } = await checkGradients(once.model, {
      loss: 'grad/w',
      parameters: ['w', 'scale'],
      samples: 30,
    });
    for (const { name, maxRelativeError } of parameters) expect(maxRelativeError, name).to.be.below(1e-5);
  });

  it('keeps clear of the names inside of branches', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.constant('x', float32([3], [1, 2, 3]));
    const branch = (name: string): Graph => {
      const inner = new GraphBuilder({ opset: 17 });
      inner.output(inner.op('Identity', ['x'], { name }), 'float32', [3]);
      return inner.graph(name);
    };
    const yes = b.constant('yes', { dtype: 'bool', dims: [], data: Uint8Array.of(1) });
    const chosen = b.op('If', [yes], {
      attributes: { then_branch: branch('grad/x'), else_branch: branch('grad/loss/ones') },
    });
    const squares = b.op('Mul', [x, x], { name: 'loss' });
    b.output(squares, 'float32', [3]);
    b.output(chosen, 'float32', [3]);
    const model = b.model();
    const { model: withGradients, gradients } = differentiate(model, {
      loss: 'loss',
      parameters: ['x'],
      shapes: await probeShapes(model),
    });
    // ONNX Runtime lets a branch hide a value around it, but the format does not.
    expect(gradients.get('x')).to.equal('grad/x_1');
    expect([...(await run(withGradients, {}))['grad/x_1']!.data]).to.deep.equal([2, 4, 6]);
  });

  it('gives one output to a parameter that is asked for twice', async () => {
    const model = perceptron();
    const shapes = await probeShapes(model, { inputDims: batchOf(2) });
    const { graph, gradients } = differentiate(model, { loss: 'loss', parameters: ['w', 'w'], shapes });
    expect([...gradients]).to.deep.equal([['w', 'grad/w']]);
    expect(graph.outputs.map(({ name }) => name)).to.deep.equal(['loss', 'grad/w']);
  });

  describe('refuses', () => {
    it('to differentiate by nothing', () => {
      expect(() => differentiate(perceptron(), { loss: 'loss', parameters: [] })).to.throw(
        /one value or more, or 'all' for parameters/,
      );
    });

    /** x → Relu → Det → + skip(x) → Tanh → loss, with Loop-like strangers on the way. */
    function stranger() {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', 'float32', [1, 3, 3]);
      const w = b.constant('w', float32([3], values(3)));
      const scaled = b.op('Mul', [x, w], { name: 'scaled' });
      const det = b.op('Det', [scaled], { name: 'det' });
      const other = b.op('Bogus', [det], { name: 'other', domain: 'my.domain' });
      const joined = b.op('Add', [scaled, other], { name: 'joined' });
      const late = b.op('Mul', [joined, b.constant('v', float32([3], values(3)))], { name: 'late' });
      b.output(b.op('ReduceSum', [late], { name: 'loss', attributes: { keepdims: 0 } }), 'float32', []);
      return b.model().graph;
    }

    it('once, listing every operator in the way and the layer behind them all', () => {
      const shapes = new Map<string, readonly number[]>();
      let message = '';
      try {
        differentiate(stranger(), { loss: 'loss', parameters: ['w', 'v'], shapes });
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).to.match(/^2 nodes between the parameters and the loss "loss" have no gradient rule:/);
      expect(message).to.include('Det "det"');
      expect(message).to.include('my.domain.Bogus "other"');
      expect(message).to.include('Everything after "joined" can be differentiated');
    });

    it('what a rule refuses in the same list as what has none', () => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', 'float32', [1, 1, 4, 4]);
      const attributes = { kernel_shape: [2, 2], storage_order: 1 };
      const pooled = b.op('MaxPool', [b.op('Det', [x], { name: 'det' })], { name: 'byColumn', attributes });
      b.output(b.op('Einsum', [pooled], { name: 'loss', attributes: { equation: 'ii->' } }), 'float32', []);
      const shapes = { det: [1, 1, 4, 4], byColumn: [3, 3] };
      expect(() => differentiate(b.model(), { loss: 'loss', parameters: ['x'], shapes })).to.throw(
        /^3 nodes.*\n.*Det "det"\n.*"byColumn" counts its indices by column.*\n.*"loss" takes a diagonal/,
      );
    });

    it('a gradient that comes back through an output of which the rule knows nothing', () => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', 'float32', [2, 3]);
      const scale = b.constant('scale', float32([3], values(3)));
      const attributes = { training_mode: 1 };
      const [, mean] = b.ops('BatchNormalization', [x, scale, scale, scale, scale], 3, {
        name: 'norm',
        attributes,
      });
      const shapes = { norm: [2, 3], [mean!]: [3] };
      expect(() => differentiate(b.model(), { loss: mean!, parameters: [x], shapes })).to.throw(
        /BatchNormalization "norm" is differentiated through its output "norm:1"/,
      );
    });

    it('a parameter of integers', () => {
      const b = new GraphBuilder({ opset: 17 });
      const ids = b.input('ids', 'int64', [2]);
      const words = b.constant('words', float32([3], values(3)));
      b.output(b.op('Gather', [words, ids], { name: 'loss' }), 'float32', [2]);
      expect(() => differentiate(b.model(), { loss: 'loss', parameters: ['ids'] })).to.throw(
        /"ids" holds int64/,
      );
    });

    it('nothing that lies behind the strangers', () => {
      const graph = stranger();
      const shapes = new Map(
        ['v', 'late', 'joined', 'loss'].map((name) => [
          name,
          name === 'loss' ? [] : name === 'v' ? [3] : [1, 3, 3],
        ]),
      );
      expect(differentiate(graph, { loss: 'loss', parameters: ['v'], shapes }).gradients.get('v')).to.equal(
        'grad/v',
      );
      expect(trainableFromHere(graph, 'joined')).to.equal(true);
      expect(trainableFromHere(graph, 'scaled')).to.equal(false);
      expect(trainableFromHere(graph, 'scaled', ['det'])).to.equal(false);
      expect(trainableFromHere(graph, 'x', ['scaled'])).to.equal(true);
    });

    it('a parameter that only decides an index, and says so', () => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.constant('x', float32([3], values(3)));
      const w = b.constant('w', float32([3], values(3)));
      const best = b.op('ArgMax', [w], { attributes: { keepdims: 0 } });
      b.output(b.op('Gather', [x, best], { name: 'loss' }), 'float32', []);
      const shapes = new Map([['loss', []]]);
      expect(() => differentiate(b.graph(), { loss: 'loss', parameters: ['w'], shapes })).to.throw(
        /No gradient of the loss "loss" reaches "w"/,
      );
    });

    it('a name that the graph does not hold, with those near it', () => {
      const { graph } = perceptron();
      expect(() => differentiate(graph, { loss: 'los', parameters: ['w'], shapes: new Map() })).to.throw(
        /no value "los".*loss/,
      );
      expect(() =>
        differentiate(graph, { loss: 'loss', parameters: ['product_'], shapes: new Map() }),
      ).to.throw(/"product_".*product/);
    });

    it('a parameter that reaches the loss only through a nested graph', () => {
      const inner: Graph = {
        ...new GraphBuilder().graph('then'),
        nodes: [node({ opType: 'Exp', inputs: ['w'], outputs: ['e'] })],
        outputs: [tensorValue('e', 'float32', [3])],
      };
      const b = new GraphBuilder({ opset: 17 });
      b.constant('w', float32([3], values(3)));
      b.nodes.push(
        node({
          opType: 'If',
          name: 'branch',
          inputs: [b.input('condition', 'bool', [])],
          outputs: ['loss'],
          attributes: new Map([
            ['then_branch', { kind: 'graph', value: inner }],
            ['else_branch', { kind: 'graph', value: inner }],
          ]),
        }),
      );
      b.outputs.push(tensorValue('loss', 'float32', [3]));
      expect(() => differentiate(b.graph(), { loss: 'loss', parameters: ['w'], shapes: new Map() })).to.throw(
        /If "branch"/,
      );
    });
  });

  it('takes shapes as a Map, a plain object, or as the graph declares them, and all parameters by one word', async () => {
    const model = perceptron();
    const found = await probeShapes(model, { inputDims: batchOf(2) });
    const declared = {
      ...model.graph,
      valueInfo: new Map([...found].map(([name, dims]) => [name, tensorValue(name, 'float32', dims)])),
    };
    const options = { loss: 'loss', parameters: 'all' } as const;
    const ways = [
      differentiate(model, { ...options, shapes: found }),
      differentiate(model, { ...options, shapes: Object.fromEntries(found) }),
      differentiate({ ...model, graph: declared }, options),
    ];
    for (const { model: withGradients, gradients } of ways) {
      expect([...gradients.keys()]).to.deep.equal(['w', 'b']);
      const outputs = await run(withGradients, { x: float32([2, 3], values(6)) });
      expect(outputs['grad/w']!.dims).to.deep.equal([3, 4]);
    }
    expect(() => differentiate(model, options)).to.throw(/shape of every value.*probeShapes/);
  });

  it('leaves running statistics out of all parameters, and gives their gradients where they are named', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const of = ['scale', 'bias', 'mean', 'variance'].map((name) => b.constant(name, float32([3], [1, 2, 3])));
    const y = b.op('BatchNormalization', [b.input('x', 'float32', ['batch', 3]), ...of]);
    b.output(b.op('ReduceSum', [y], { name: 'loss', attributes: { keepdims: 0 } }), 'float32', []);
    const shapes = await probeShapes(b.model(), { inputDims: batchOf(2) });
    const keysOf = (parameters: 'all' | string[]) => [
      ...differentiate(b.model(), { loss: 'loss', parameters, shapes }).gradients.keys(),
    ];
    expect(keysOf('all')).to.deep.equal(['scale', 'bias']);
    expect(keysOf(['mean', 'variance'])).to.deep.equal(['mean', 'variance']);
  });

  it('works with whatever rules it is given', async () => {
    const straightThrough: GradientRule = {
      opTypes: ['Round'],
      differentiable: [0],
      backward: ({ dY }) => new Map([[0, dY[0]!]]),
    };
    const b = new GraphBuilder({ opset: 17 });
    const x = b.constant('x', float32([2], [1.2, 2.7]));
    b.output(
      b.op('ReduceSum', [b.op('Round', [x])], { name: 'loss', attributes: { keepdims: 0 } }),
      'float32',
      [],
    );
    const model = b.model();
    const options = { loss: 'loss', parameters: ['x'], shapes: await probeShapes(model) };
    expect(() => differentiate(model, options)).to.throw(/reaches "x"/);
    const { graph } = differentiate(model, { ...options, rules: [...rules, straightThrough] });
    expect([...(await run({ ...model, graph }, {}))['grad/x']!.data]).to.deep.equal([1, 1]);
  });

  it('tells operator, node and both shapes where a rule gives a gradient of the wrong shape', async () => {
    const wrong: GradientRule = {
      opTypes: ['Relu'],
      differentiable: [0],
      backward: (at) => new Map([[0, at.op('Transpose', [at.dY[0]!])]]),
    };
    const model = perceptron();
    const shapes = await probeShapes(model, { inputDims: batchOf(2) });
    const { graph, gradientOf } = differentiate(model, {
      loss: 'loss',
      parameters: ['z'],
      shapes,
      rules: [...rules, wrong],
    });
    let message = '';
    const probed = { inputDims: batchOf(2), shapes };
    await checkGradientShapes({ ...model, graph }, gradientOf, probed).catch((error: Error) => {
      message = error.message;
    });
    expect(message).to.include('Relu "y"').and.include('[4,2]').and.include('[2,4]');
  });

  it('names the gradients of more nodes than a call takes arguments', () => {
    const builder = new GraphBuilder({ opset: 17 });
    let value = 'seed';
    for (let i = 0; i < 150_000; i++) value = builder.op('Relu', [value], { name: 'step' });
    const gradients = nameGradients(builder, new Map([['w', value]]), new Map([['w', 'grad/w']]));
    expect([builder.nodes.length, gradients.get('w')]).to.deep.equal([150_000, 'grad/w']);
  });

  it('counts operators that compute data among those with a rule', () => {
    const of = (opType: string, domain = ''): boolean =>
      tabulateRules(rules)(node({ opType, domain, inputs: [], outputs: [] })) !== undefined;
    expect([of('Conv'), of('Shape'), of('Gelu', 'com.microsoft')]).to.deep.equal([true, true, true]);
    expect([of('Loop'), of('Conv', 'my.domain')]).to.deep.equal([false, false]);
  });
});
