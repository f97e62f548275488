import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { planFeeds } from '../../src/graph/plan-feeds.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { listFeatureLayers } from '../../src/pipeline/analyse-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { int64 } from '../../src/tensor/tensor.js';
import { tinyTokenizer } from '../text/random-bert.js';
import { randomTensor } from './run-model.js';

describe('A text model with more than an encoder of any length', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-texts-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  function prepare(b: GraphBuilder) {
    const backbone = path.join(folder, 'model.onnx');
    writeFileSync(backbone, encodeModel(b.model()));
    writeFileSync(path.join(folder, 'tokenizer.json'), tinyTokenizer());
    return prepareBackbone({ backbone }, { folder });
  }

  it('is read where the encoder ends, before a decoder that takes what it has written so far', async () => {
    const b = new GraphBuilder();
    // The decoder's input comes first, and its tokens are looked up in the same table.
    const [written, read] = ['decoder_input_ids', 'input_ids'].map((name) =>
      b.input(name, 'int64', ['batch', 'tokens']),
    );
    const encoded = attend(b, lookUp(b, read!), 'encoder');
    const decoded = attend(b, lookUp(b, written!), 'decoder', encoded);
    b.output(decoded, 'float32', undefined, 'last_hidden_state');
    b.output(encoded, 'float32', undefined, 'encoder_last_hidden_state');
    const { layer, features, input } = await prepare(b);
    expect(layer).to.equal('encoder_last_hidden_state');
    expect(features.graph.inputs.map(({ name }) => name)).to.deep.equal(['input_ids']);
    expect(input.kind === 'tokens' && input.inputs.ids.name).to.equal('input_ids');
  });

  it('is tried on the token that it looks for, where it reads the end of a text', async () => {
    const b = new GraphBuilder();
    const ids = b.input('input_ids', 'int64', ['batch', 'tokens']);
    const tokens = attend(b, lookUp(b, ids), 'encoder');
    const isEnd = b.op('Equal', [ids, b.constant('end', int64([], [2]))]);
    const place = b.op('Slice', [b.op('NonZero', [isEnd]), b.ints([1]), b.ints([2]), b.ints([0])]);
    const last = b.op('Gather', [tokens, b.op('Squeeze', [place])], {
      name: 'last',
      attributes: { axis: 1 },
    });
    const scores = b.op('MatMul', [last, b.constant('classes', randomTensor([8, 3], 9))]);
    b.output(scores, 'float32', undefined, 'logits');
    const { data } = planFeeds(b.model().graph).get(ids)!;
    expect([...(data as BigInt64Array)]).to.deep.equal([1n, 1n, 1n, 1n, 1n, 1n, 1n, 2n]);
    const layers = await listFeatureLayers(b.model());
    expect(layers.find(({ recommended }) => recommended)?.name).to.equal(last);
  });

  it('is refused in a sentence where it runs on the length of its export alone, whatever it says', async () => {
    const b = new GraphBuilder();
    const ids = b.input('input_ids', 'int64', ['batch', 'tokens']);
    const places = b.constant('positions', randomTensor([1, 16, 8], 5));
    b.output(attend(b, b.op('Add', [lookUp(b, ids), places]), 'encoder'), 'float32', undefined, 'tokens');
    const error: unknown = await prepare(b).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'UNSUPPORTED_MODEL' });
    expect((error as Error).message).to.match(
      /model\.onnx does not run on a text of 7 tokens, though .* free; export it/,
    );
  });

  it('is no vector where its output has one number for each token', async () => {
    const b = new GraphBuilder();
    const tokens = attend(b, lookUp(b, b.input('input_ids', 'int64', ['batch', 'tokens'])), 'encoder');
    const score = b.op('MatMul', [tokens, b.constant('score', randomTensor([8, 1], 9))]);
    b.output(b.op('Elu', [score]), 'float32', undefined, 'weights');
    const layers = await listFeatureLayers(b.model());
    expect(layers.find(({ recommended }) => recommended)).to.include({ name: tokens, dim: 8 });
  });
});

const lookUp = (b: GraphBuilder, ids: string): string =>
  b.op('Gather', [b.shared('table', randomTensor([59, 8], 1)), ids]);

/** Attention of one head to the tokens of `read`, and a residual sum each for it and for a dense layer. */
function attend(b: GraphBuilder, tokens: string, name: string, read = tokens): string {
  const dense = (value: string, seed: number): string =>
    b.op('MatMul', [value, b.constant('weight', randomTensor([8, 8], seed))]);
  const keys = b.op('Transpose', [dense(read, 2)], { attributes: { perm: [0, 2, 1] } });
  const attention = b.op('Softmax', [b.op('MatMul', [dense(tokens, 3), keys])], { attributes: { axis: -1 } });
  const looked = b.op('Add', [tokens, dense(b.op('MatMul', [attention, dense(read, 4)]), 5)]);
  return b.op('Add', [looked, dense(looked, 6)], { name });
}
