import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { analyseModel } from '../../src/pipeline/analyse-model.js';
import { float32 } from '../../src/tensor/tensor.js';

/** rows of 4 numbers → maybe a Scaler → LinearClassifier of three classes, as skl2onnx writes it */
function pipeline({ isScaled }: { readonly isScaled: boolean }): Model {
  const b = new GraphBuilder();
  const domain = 'ai.onnx.ml';
  let value = b.input('rows', 'float32', ['batch', 4]);
  if (isScaled) {
    const centred = b.op('Sub', [value, b.constant('mean', float32([4], [1, 2, 3, 4]))]);
    const attributes = { offset: { floats: [0, 0, 0, 0] }, scale: { floats: [1, 2, 3, 4] } };
    value = b.op('Scaler', [centred], { name: 'scaled', domain, attributes });
  }
  const coefficients = { floats: Array.from({ length: 12 }, (_, i) => Math.sin(i)) };
  const attributes = { coefficients, intercepts: { floats: [0, 1, 2] }, classlabels_ints: [0, 1, 2] };
  const [label, scores] = b.ops('LinearClassifier', [value], 2, { name: 'label', domain, attributes });
  const shown = b.op('Normalizer', [scores!], { domain, attributes: { norm: 'L1' } });
  b.output(label!, 'int64', ['batch']);
  b.output(shown, 'float32', ['batch', 3], 'probabilities');
  return b.model({ opsets: new Map([['', 17], [domain, 1]]) }); // prettier-ignore
}

describe('A pipeline of classical machine learning', () => {
  it('has the features that its classifier takes', async () => {
    const { layers } = await analyseModel(pipeline({ isScaled: true }));
    const recommended = layers.find((layer) => layer.recommended);
    expect(recommended?.name).to.equal('scaled');
    expect(recommended?.reason).to.include('before the old classifier of 3 classes');
  });

  it('is said to have none where the classifier takes the input itself', async () => {
    const { layers, obstacle } = await analyseModel(pipeline({ isScaled: false }));
    expect(layers).to.deep.equal([]);
    expect(obstacle).to.include('LinearClassifier takes the input as it is');
  });
});
