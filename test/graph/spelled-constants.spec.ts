import path from 'node:path';
import { expect } from 'chai';
import { tryBackbone } from '../../scripts/try-backbone.js';
import { inputScale } from '../../src/graph/input-scale.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toTensor } from '../../src/onnx/initializer.js';
import { type Attribute, type Initializer, type Model, node, type Node } from '../../src/onnx/ir.js';
import { readModel } from '../../src/onnx/read-model.js';
import { float32 } from '../../src/tensor/tensor.js';

const constant = (name: string, attribute: string, value: Attribute): Node =>
  node({ opType: 'Constant', inputs: [], outputs: [name], attributes: new Map([[attribute, value]]) });

/** Each gives the nodes that stand for an initializer, and the initializer that is left of it. */
const spellings: Readonly<Record<string, (weight: Initializer) => readonly [Node[], Initializer[]]>> = {
  'tensors in Constant nodes': (weight) => [
    [constant(weight.name, 'value', { kind: 'tensor', value: weight })],
    [],
  ],
  'lists and numbers in Constant nodes': (weight) => {
    const { name, dtype, dims } = weight;
    if (dims.length > 1 || (dtype !== 'int64' && dtype !== 'float32')) return [[], [weight]];
    const kind = dtype === 'int64' ? 'int' : 'float';
    const values = [...(toTensor(weight).data as Iterable<never>)];
    const attribute =
      dims.length === 0 ? { kind, value: values[0]! } : { kind: `${kind}s` as const, value: values };
    return [[constant(name, `value_${attribute.kind}`, attribute as Attribute)], []];
  },
  'initializers behind Identities': (weight) => [
    [node({ opType: 'Identity', inputs: [`${weight.name}/held`], outputs: [weight.name] })],
    [{ ...weight, name: `${weight.name}/held` }],
  ],
};

function respell(model: Model, spell: (weight: Initializer) => readonly [Node[], Initializer[]]): Model {
  const spelled = [...model.graph.initializers.values()].map(spell);
  const initializers = new Map(spelled.flatMap(([, left]) => left.map((weight) => [weight.name, weight])));
  const nodes = [...spelled.flatMap(([before]) => before), ...model.graph.nodes];
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

describe('A model whose constants are spelled otherwise', () => {
  for (const fixture of ['vit-dynamo-fixed', 'swin-fixed', 'bert', 'bert-fixed']) {
    for (const [what, spell] of Object.entries(spellings)) {
      it(`has the layers that it has with initializers, and a free batch: ${fixture}, ${what}`, async () => {
        const model = await readModel(path.resolve('test/fixtures/backbones', `${fixture}.onnx`));
        const [plain, spelled] = [await tryBackbone(model), await tryBackbone(respell(model, spell))];
        const told = ({ layers }: typeof plain) =>
          layers.map(({ name, pool, reason }) => [name, pool, reason]);
        expect(told(spelled)).to.deep.equal(told(plain));
        expect(spelled.tried).to.have.length(3);
      });
    }
  }

  it('tells how it scales its input', () => {
    const b = new GraphBuilder();
    const by = b.op('Constant', [], { attributes: { value_float: { float: 255 } } });
    const maps = b.op('Conv', [
      b.op('Div', [b.input('x', 'float32', [1, 3, 8, 8]), b.op('Identity', [by])]),
      b.constant('kernel', float32([1, 3, 1, 1], [1, 2, 3])),
    ]);
    b.output(maps, 'float32', undefined, 'maps');
    expect(inputScale(b.model().graph, 'x')).to.deep.equal({ slope: 1 / 255, offset: 0 });
  });
});
