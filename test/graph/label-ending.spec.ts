import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toInitializer } from '../../src/onnx/initializer.js';
import type { Initializer } from '../../src/onnx/ir.js';
import { analyseModel } from '../../src/pipeline/analyse-model.js';
import { int64 } from '../../src/tensor/tensor.js';
import { randomTensor } from './run-model.js';

const ids = toInitializer('labels', int64([5], [10, 11, 12, 13, 14]));
const names: Initializer = {
  ...ids,
  dtype: 'string',
  content: {
    kind: 'strings',
    values: ['a', 'b', 'c', 'd', 'e'].map((text) => new TextEncoder().encode(text)),
  },
};

describe('A classifier that gives its best label alone', () => {
  for (const [opType, domain, labels] of [
    ['Gather', '', ids],
    ['Gather', '', names],
    ['ArrayFeatureExtractor', 'ai.onnx.ml', names],
  ] as const) {
    it(`has the maps before its scores found, behind the ${opType} of a table of ${labels.dtype}`, async () => {
      const b = new GraphBuilder();
      const image = b.input('image', 'float32', ['batch', 3, 16, 16]);
      const layer = (x: string, to: number, from: number, name: string): string =>
        b.op('Relu', [b.op('Conv', [x, b.constant(`${name}/k`, randomTensor([to, from, 1, 1], to))])], {
          name,
        });
      const scores = layer(layer(image, 8, 3, 'maps'), 5, 8, 'scores');
      const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [scores])]);
      const best = b.op('ArgMax', [pooled], { attributes: { axis: 1, keepdims: 0 } });
      b.output(b.op(opType, [b.initializer(labels), best], { domain }), labels.dtype);
      const { layers } = await analyseModel(b.model({ opsets: new Map([['', 17], ['ai.onnx.ml', 3]]) })); // prettier-ignore
      const recommended = layers.find((found) => found.recommended);
      expect(recommended).to.include({
        name: 'maps',
        reason: 'last maps before the old classifier of 5 classes',
      });
    });
  }
});
