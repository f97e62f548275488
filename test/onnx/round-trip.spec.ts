import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Graph, Model, ValueInfo } from '../../src/onnx/ir.js';
import { decodeModel, readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { int64, float32 } from '../../src/tensor/tensor.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { field, model as rawModel, node, number, varint } from './encode-raw.js';

const fixtures = path.resolve('test/onnx/fixtures');
const decode = (bytes: Uint8Array): Model => decodeModel(bytes, { path: 'model.onnx' });

/** Outputs of a model in encoded form, on inputs drawn from its declared shapes. */
async function outputsOf(bytes: Uint8Array, inputs: readonly ValueInfo[]): Promise<Record<string, Tensor>> {
  const rng = createRng(3);
  const session = await openSession(bytes, { threads: 1 });
  try {
    const feeds: Record<string, Tensor> = {};
    for (const { name, type } of inputs.filter((input) => session.inputNames.includes(input.name))) {
      if (type?.kind !== 'tensor') throw new Error(`Expected a tensor for ${name}.`);
      const dims = (type.shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2));
      const count = dims.reduce((product, dim) => product * dim, 1);
      feeds[name] = float32(
        dims,
        Float32Array.from({ length: count }, () => rng.normal()),
      );
    }
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

describe('an ONNX file that is read and written', () => {
  for (const file of readdirSync(path.join(fixtures, 'canonical'))) {
    it(`has the same bytes: ${file}`, () => {
      const bytes = readFileSync(path.join(fixtures, 'canonical', file));
      expect(Buffer.from(encodeModel(decode(bytes))).equals(bytes)).to.equal(true);
    });
  }

  for (const file of ['every-field.onnx', 'element-types.onnx']) {
    it(`reads back as the same model: ${file}`, () => {
      const model = decode(readFileSync(path.join(fixtures, file)));
      const written = encodeModel(model);
      const again = decode(written);
      expect(again).to.deep.equal(model);
      expect(Buffer.from(encodeModel(again)).equals(written)).to.equal(true);
    });
  }

  for (const name of ['nanodet_m', 'ultraface_rfb_320']) {
    it(`gives the same outputs: ${name}`, async function () {
      const file = path.resolve('../shared/models', `${name}.onnx`);
      if (!existsSync(file)) {
        console.log(`      (${file} is absent)`);
        this.skip();
      }
      const bytes = readFileSync(file);
      const model = await readModel(file);
      const written = encodeModel(model);
      expect(decode(written)).to.deep.equal(model);
      expect(await outputsOf(written, model.graph.inputs)).to.deep.equal(
        await outputsOf(bytes, model.graph.inputs),
      );
    });
  }

  it('gives the same outputs: generated, with int64, shared scalars and two outputs', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 4]);
    const weights = b.constant(
      'w',
      float32(
        [4, 3],
        Array.from({ length: 12 }, (_, i) => Math.sin(i)),
      ),
    );
    const y = b.op('MatMul', [x, weights]);
    const shape = b.constant('shape', int64([2], [-1, 1]));
    b.output(b.op('Reshape', [b.op('Mul', [y, b.scalar(2)]), shape]), 'float32', [null, 1], 'column');
    b.output(b.op('Softmax', [y], { attributes: { axis: -1 } }), 'float32', ['batch', 3], 'softmax');
    const bytes = encodeModel(b.model());
    const again = encodeModel(decode(bytes));
    expect(Buffer.from(again).equals(bytes)).to.equal(true);
    expect(await outputsOf(again, b.inputs)).to.deep.equal(await outputsOf(bytes, b.inputs));
  });

  it('keeps names that are no UTF-8 apart and as they were', () => {
    const bytes = readFileSync(path.join(fixtures, 'every-field.onnx'));
    const latin = Buffer.from('größ', 'latin1');
    expect(bytes.includes(latin), 'the fixture').to.equal(true);
    expect(
      encodeModel(decode(bytes)).includes(0xf6) && Buffer.from(encodeModel(decode(bytes))).includes(latin),
    ).to.equal(true);
  });

  it('may have its numbers packed', () => {
    const dims = Buffer.concat([varint(1), varint(300)]);
    const raw = Buffer.alloc(1200, 7);
    const ints = Buffer.concat([varint(-1), varint(2n ** 40n)]);
    const packed = rawModel(
      field(5, field(1, dims), number(2, 1), field(8, 'w'), field(9, raw)),
      field(1, node('Op', [], ['y'], field(5, field(1, 'ints'), field(8, ints), number(20, 7)))),
    );
    const { graph } = decode(packed);
    expect(graph.initializers.get('w')!.dims).to.deep.equal([1, 300]);
    expect(graph.nodes[0]!.attributes.get('ints')!.value).to.deep.equal([-1n, 2n ** 40n]);
  });

  it('may have a message in pieces, and fields in any order', () => {
    const bytes = readFileSync(path.join(fixtures, 'canonical', 'loop11.onnx'));
    const model = decode(bytes);
    // Protobuf's rule: encodings one after the other are one message, and repeated fields are joined.
    const { graph } = model;
    const first = encodeModel({ ...model, graph: { ...graph, nodes: graph.nodes.slice(0, 1) } });
    const rest = encodeModel({
      ...model,
      graph: emptied({ ...graph, nodes: graph.nodes.slice(1) }),
      opsets: new Map(),
      metadata: new Map(),
    });
    expect(decode(Buffer.concat([first, rest]))).to.deep.equal(model);
  });
});

/** Only nodes, so that nothing is said twice. */
function emptied({ name, docString, nodes }: Graph): Graph {
  return {
    name,
    docString,
    nodes,
    inputs: [],
    outputs: [],
    initializers: new Map(),
    sparseInitializers: [],
    valueInfo: new Map(),
    quantization: [],
    metadata: new Map(),
  };
}

describe('what is kept of an ONNX file', () => {
  const model = decode(readFileSync(path.join(fixtures, 'every-field.onnx')));
  const { graph } = model;
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('latin1');

  it('is metadata on every level', () => {
    expect(Object.fromEntries(model.metadata)).to.deep.equal({ author: 'nobody', empty: '' });
    expect(graph.metadata.get('level')).to.equal('graph');
    expect(graph.nodes[0]!.metadata.get('level')).to.equal('node');
    expect(graph.inputs[0]!.metadata.get('level')).to.equal('value');
    expect(graph.initializers.get('w')!.metadata.get('origin')).to.equal('tensor');
    expect(model.functions[0]!.metadata.get('level')).to.equal('function');
  });

  it('is every kind of value type', () => {
    const types = Object.fromEntries(graph.inputs.map(({ name, type }) => [name, type]));
    const float = { kind: 'tensor', dtype: 'float32' };
    expect(types.x).to.deep.include({
      ...float,
      shape: ['batch', 2, null, 0],
      dimensionDenotations: ['DATA_BATCH', '', '', ''],
      denotation: 'TENSOR',
    });
    expect(types.scalar).to.deep.equal({ kind: 'tensor', dtype: 'int64', shape: [] });
    expect(types.unranked).to.deep.equal({ kind: 'tensor', dtype: 'bfloat16' });
    expect(types.sparse).to.deep.equal({ kind: 'sparseTensor', dtype: 'float64', shape: [3] });
    expect(types.sequence).to.deep.equal({ kind: 'sequence', element: { kind: 'tensor', dtype: 'string' } });
    expect(types.nested).to.deep.equal({
      kind: 'sequence',
      element: {
        kind: 'optional',
        element: { kind: 'sequence', element: { kind: 'tensor', dtype: 'bool' } },
      },
    });
    expect(types.map).to.deep.include({
      kind: 'map',
      key: 'string',
      value: { kind: 'sequence', element: float },
    });
    expect(types.opaque).to.deep.equal({ kind: 'opaque', domain: 'org.example', name: 'Thing' });
    expect(graph.valueInfo.get('future')!.type).to.have.property('kind', 'unknown');
    expect(graph.valueInfo.get('nothing')!.type).to.equal(undefined);
  });

  it('is every kind of attribute', () => {
    const kinds = new Set([...graph.nodes[0]!.attributes.values()].map(({ kind }) => kind));
    expect([...kinds]).to.have.members([
      'float',
      'int',
      'string',
      'tensor',
      'graph',
      'sparseTensor',
      'type',
      'floats',
      'ints',
      'strings',
      'tensors',
      'graphs',
      'sparseTensors',
      'types',
    ]);
    expect(graph.nodes[0]!.attributes.get('ints')!.value).to.deep.equal([
      0n,
      127n,
      128n,
      2n ** 31n,
      2n ** 32n,
      2n ** 53n + 1n,
      2n ** 63n - 1n,
      -1n,
    ]);
    expect(model.functions[0]!.nodes[0]!.attributes.get('alpha')).to.deep.equal({
      kind: 'reference',
      value: 'slope',
      type: 1,
    });
  });

  it('is what a function says of itself, and the overload that a node calls', () => {
    expect(model.functions[0]).to.deep.include({
      name: 'Call',
      domain: 'org.example',
      overload: 'v2',
      inputs: ['p'],
      outputs: ['q'],
      attributes: ['slope'],
      opsets: new Map([['', 25]]),
    });
    expect([...model.functions[0]!.valueInfo.keys()]).to.deep.equal(['q']);
    expect(graph.nodes[1]).to.include({ opType: 'Call', overload: 'v2' });
  });

  it('is quantisation, sparse tensors, training information and device configurations', () => {
    expect(Object.fromEntries(graph.quantization[0]!.parameters)).to.deep.equal({
      SCALE_TENSOR: 'w',
      ZERO_POINT_TENSOR: 'w',
    });
    expect(graph.sparseInitializers[0]).to.deep.include({ dims: [2] });
    expect(text(model.unknownFields)).to.contain('other/out').and.contain('cpu:1');
    expect(text(graph.nodes[0]!.unknownFields)).to.contain('two');
  });

  it('is a field that no version knows, in every message', () => {
    const holders = {
      ModelProto: model,
      GraphProto: graph,
      NodeProto: graph.nodes[0],
      AttributeProto: graph.nodes[0]!.attributes.get('float'),
      TensorProto: graph.initializers.get('w'),
      SparseTensorProto: graph.sparseInitializers[0],
      TensorAnnotation: graph.quantization[0],
      ValueInfoProto: graph.inputs[0],
      TypeProto: graph.inputs[0]!.type,
      Tensor: graph.inputs[0]!.type,
      TensorShapeProto: graph.inputs[0]!.type,
      Map: graph.inputs[6]!.type,
      FunctionProto: model.functions[0],
    };
    for (const [name, holder] of Object.entries(holders)) {
      const { unknownFields } = holder as { unknownFields?: Uint8Array };
      expect(text(unknownFields), name).to.contain(`unknown in ${name}`);
    }
  });

  it('is an attribute of a type that this version does not know', () => {
    const bytes = readFileSync(path.join(fixtures, 'canonical', 'if.onnx'));
    const future = field(5, field(1, 'future'), Buffer.from([20 * 8 - 128 + 128, 1, 77]), field(99, 'value'));
    const withFuture = Buffer.concat([bytes, field(7, field(1, field(4, 'Relu'), future))]);
    const attribute = decode(withFuture).graph.nodes.at(-1)!.attributes.get('future')!;
    expect(attribute.kind).to.equal('unknown');
    expect(Buffer.from(encodeModel(decode(withFuture))).includes(future)).to.equal(true);
  });
});
