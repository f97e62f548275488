import { expect } from 'chai';
import { emptyPasts, pastInputs } from '../../src/graph/empty-pasts.js';
import { removeUnused } from '../../src/graph/remove-unused.js';
import { valuesRead } from '../../src/onnx/graph-index.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { imageInputs } from '../../src/pipeline/find-pixel-input.js';
import { settleBranches } from '../../src/pipeline/settle-branches.js';
import { checked, float32, int64 } from '../../src/tensor/tensor.js';
import { largestDifference, randomTensor, runModel } from './run-model.js';

interface Decoder {
  /** Length of the past. */
  readonly past?: ir.Dimension;
  /** Axis of the past as Concat has it. */
  readonly axis?: number;
  /** With another branch for texts that begin, as in a file of both decoders. */
  readonly isMerged?: boolean;
}

/**
 * ids, mask → embedding [batch, tokens, 6] as keys in 2 heads; keys = past ++ keys; scores = keys' sum, beside the length of
 * the past, which is read off its shape.
 */
function decoder({ past = 'past_sequence_length', axis = 2, isMerged = false }: Decoder = {}): ir.Model {
  const b = new GraphBuilder();
  const ids = b.input('input_ids', 'int64', ['batch', 'tokens']);
  const before = b.input('past_key_values.0.key', 'float32', ['batch', 2, past, 3]);
  if (isMerged) b.input('use_cache_branch', 'bool', [1]);
  const embedded = b.op('Gather', [b.constant('table', randomTensor([20, 6])), ids], { name: 'embedded' });
  const heads = b.op('Reshape', [embedded, b.ints([0, -1, 2, 3])]);
  const keys = b.op('Transpose', [heads], { name: 'keys', attributes: { perm: [0, 2, 1, 3] } });
  const join = ir.node({
    opType: 'Concat',
    name: 'present',
    inputs: [before, keys],
    outputs: ['present'],
    attributes: new Map([['axis', { kind: 'int', value: BigInt(axis) }]]),
  });
  const branch = (node: ir.Node): ir.Attribute => ({
    kind: 'graph',
    value: ir.graph({
      nodes: [{ ...node, outputs: ['joined'] }],
      inputs: [],
      outputs: [ir.tensorValue('joined', 'float32')],
    }),
  });
  if (isMerged) {
    const alone = ir.node({ opType: 'Neg', inputs: [keys], outputs: ['joined'] });
    b.nodes.push(
      ir.node({
        opType: 'If',
        name: 'choose',
        inputs: ['use_cache_branch'],
        outputs: ['present'],
        attributes: new Map([
          ['then_branch', branch(join)],
          ['else_branch', branch(alone)],
        ]),
      }),
    );
  } else b.nodes.push(join);
  const length = b.op('Gather', [b.op('Shape', [before]), b.constant('two', int64([], [2]))]);
  const sum = b.op('ReduceSum', ['present', b.ints([2, 3])], { name: 'sum', attributes: { keepdims: 0 } });
  const y = b.op('Add', [sum, b.op('Cast', [length], { attributes: { to: 1 } })], { name: 'y' });
  b.output(y, 'float32', ['batch', 2]);
  b.output('present', 'float32', ['batch', 2, null, 3]);
  return b.model();
}

const ids = int64([2, 3], [1, 2, 3, 4, 5, 6]);
const nothing = float32([2, 2, 0, 3], []);

describe('emptyPasts', () => {
  for (const axis of [2, -2]) {
    it(`computes what the decoder does of a past of length 0, joined on axis ${axis}, with nothing left of that past`, async () => {
      const model = decoder({ axis });
      expect(pastInputs(model)).to.deep.equal(['past_key_values.0.key']);
      const begun = emptyPasts(model);
      const graph = removeUnused(begun.graph);
      expect(graph.inputs.map(({ name }) => name)).to.deep.equal(['input_ids']);
      // Else a tail would have a tensor of length 0 to be fed.
      expect(graph.nodes.flatMap((row) => [...valuesRead(row)])).to.not.include('past_key_values.0.key');
      const expected = await runModel(model, { input_ids: ids, 'past_key_values.0.key': nothing });
      const outputs = await runModel({ ...begun, graph }, { input_ids: ids });
      for (const name of ['y', 'present'])
        expect(largestDifference(outputs[name]!, expected[name]!)).to.equal(0);
    });
  }

  it('chooses the branch without a past in a file that holds both', async () => {
    const model = decoder({ isMerged: true });
    const begun = await settleBranches(emptyPasts(model));
    expect(begun.graph.nodes.map(({ opType }) => opType))
      .to.include('Neg')
      .and.not.to.include('If');
    const expected = await runModel(model, {
      input_ids: ids,
      'past_key_values.0.key': nothing,
      use_cache_branch: checked('bool', [1], Uint8Array.of(0)),
    });
    const { y } = await runModel(begun, { input_ids: ids });
    expect(largestDifference(y!, expected['y']!)).to.equal(0);
  });

  it('leaves a past of a fixed length, which takes a mask of its own, and takes none for an image', () => {
    const model = decoder({ past: 128 });
    expect(emptyPasts(model)).to.equal(model);
    expect(imageInputs(model.graph)).to.deep.equal([]);
  });
});
