import { expect } from 'chai';
import { withHubInputs } from '../../src/export/hub-inputs.js';
import { findTokenInputs } from '../../src/graph/find-token-inputs.js';
import type { PixelSpec, TokenSpec } from '../../src/models/input-spec.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { createRng } from '../../src/rng.js';
import { openModel } from '../../src/runtime/open-model.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { randomBert, tinyTokenizer } from '../text/random-bert.js';

const [height, width] = [3, 4];
const spec: PixelSpec = {
  kind: 'pixels',
  name: 'x',
  preprocess: {
    resize: { width, height, fit: 'fill', kernel: 'bilinear' },
    crop: null,
    channelOrder: 'bgr',
    scale: 1,
    mean: [1, 2, 3],
    std: [4, 5, 6],
    layout: 'nhwc',
  },
};

async function run(model: Model, feeds: TensorMap): Promise<readonly number[]> {
  const session = await openModel(model);
  try {
    const [output] = Object.values(await session.run(feeds));
    return [...(output!.data as Float32Array)];
  } finally {
    await session.release();
  }
}

const int32 = (dims: readonly number[], values: readonly number[]): Tensor => ({
  dtype: 'int32',
  dims,
  data: Int32Array.from(values),
});

describe('the inputs that transformers.js and Optimum feed', () => {
  it('are turned into blue, green, red, and into channels last, inside the graph', async () => {
    const b = new GraphBuilder({ opset: 9 });
    const x = b.input('x', 'float32', ['n', height, width, 3]);
    // The name of the new input is taken already.
    b.output(b.op('Identity', [x], { name: 'pixel_values' }), 'float32', ['n', height, width, 3], 'features');
    const { features, input } = withHubInputs(b.model(), spec);
    expect(input).to.deep.include({ name: 'pixel_values' });
    expect((input as PixelSpec).preprocess).to.deep.include({
      ...{ channelOrder: 'rgb', layout: 'nchw', mean: [3, 2, 1], std: [6, 5, 4] },
    });
    const planes = float32(
      [1, 3, height, width],
      Float32Array.from({ length: 3 * height * width }, (_, i) => i),
    );
    const found = await run(features, { pixel_values: planes });
    // Pixel i of the output is blue, green, red of pixel i of the planes.
    const size = height * width;
    const expected = Array.from({ length: size }, (_, i) => [2 * size + i, size + i, i]).flat();
    expect(found).to.deep.equal(expected);
  });

  it('are int64 ids and a mask of a text, of which int32 and positions are made', async () => {
    const bert = randomBert({ dtype: 'int32', inputs: ['mask', 'types', 'positions'], width: 8, layers: 1 });
    const model = decodeModel(bert, { path: 'bert.onnx' });
    const tokens: TokenSpec = {
      kind: 'tokens',
      tokenizer: { json: tinyTokenizer() },
      maxLength: 16,
      inputs: findTokenInputs(model.graph)!,
    };
    const { features, input } = withHubInputs(model, tokens);
    expect(features.graph.inputs.map(({ name }) => name)).to.deep.equal([
      'input_ids',
      'attention_mask',
      'token_type_ids',
    ]);
    expect((input as TokenSpec).inputs).to.not.have.property('positions');
    expect(findTokenInputs(features.graph)).to.deep.include({ ids: { name: 'input_ids', dtype: 'int64' } });
    const rng = createRng(2);
    const dims = [2, 5];
    const ids = Array.from({ length: 10 }, () => rng.integer(50));
    const mask = ids.map((_, i) => (i === 9 ? 0 : 1));
    const types = ids.map((_, i) => (i % 5 > 2 ? 1 : 0));
    const positions = ids.map((_, i) => i % 5);
    const feed = (make: (dims: number[], values: number[]) => Tensor, names: Record<string, number[]>) =>
      Object.fromEntries(Object.entries(names).map(([name, values]) => [name, make(dims, values)]));
    const both = { input_ids: ids, attention_mask: mask, token_type_ids: types };
    const expected = await run(model, feed(int32, { ...both, position_ids: positions }));
    expect(await run(features, feed(int64, both))).to.deep.equal(expected);
  });

  it('are no grey images and no texts of a fixed length, which is said with a remedy', () => {
    const model = new GraphBuilder().model();
    const grey = { ...spec, preprocess: { ...spec.preprocess, channelOrder: 'gray' } } as const;
    expect(() => withHubInputs(model, grey)).to.throw(/grey images.*--pixels/);
    const fixed = decodeModel(randomBert({ fixedLength: 8 }), { path: 'bert.onnx' });
    const tokens: TokenSpec = {
      kind: 'tokens',
      tokenizer: { json: tinyTokenizer() },
      maxLength: 8,
      inputs: findTokenInputs(fixed.graph)!,
    };
    expect(() => withHubInputs(fixed, tokens)).to.throw(/texts of 8 tokens.*free length/);
  });
});
