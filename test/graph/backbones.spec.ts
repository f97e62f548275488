import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { tryBackbone } from '../../scripts/try-backbone.js';
import { relativeDifference } from '../../scripts/uncut-features.js';
import { readModel } from '../../src/onnx/read-model.js';

const folder = path.resolve('test/fixtures/backbones');

/** Where a head should stand on each fixture, by [layer, shape, pooling, features, reason]. */
const classifier = 'last vector before the old classifier of 5 classes';
const resnet = ['/Flatten_output_0', '1,12', 'none', 12, classifier] as const;
const text = ['1,8,16', 'mean', 16, 'last tokens of the transformer'] as const;
const expected: Readonly<Record<string, readonly [string, string, string, number, string]>> = {
  'resnet-opset17': resnet,
  'resnet-opset7-fixed': resnet,
  'resnet-bn-kept': resnet,
  'resnet-dynamo': ['view', '1,12', 'none', 12, classifier],
  'resnet-float16': resnet,
  'resnet-initializer-inputs': resnet,
  'resnet-pixels-inside': resnet,
  'resnet-int8-dynamic': resnet,
  'resnet-int8-qdq': resnet,
  'resnet-int8-qoperator': ['/Flatten_output_0_quantized', '1,12', 'none', 12, classifier],
  'detector-fixed': [
    '/last/last.1/Relu_output_0',
    '1,16,4,4',
    'avg',
    16,
    'richest maps at the end of the backbone',
  ],
  'vit-fixed': ['/Gather_output_0', '1,16', 'none', 16, classifier],
  'vit-dynamo-fixed': ['select_6', '1,16', 'none', 16, classifier],
  'swin-fixed': ['view_13', '1,8', 'none', 8, classifier],
  bert: ['onnx::Gather_287', ...text],
  'bert-fixed': ['onnx::Gather_239', ...text],
  'bert-optimised': ['onnx::Gather_287', ...text],
  'lstm-fixed': [
    '/Gather_output_0',
    '1,12',
    'none',
    12,
    'last vector before the old classifier of 4 classes',
  ],
};

describe('the comparison that the backbones below pass', () => {
  it('takes a value that is no number for an infinite difference, unless it is wanted', () => {
    const { NaN: nan } = Number;
    expect(relativeDifference([1, nan, 3], [1, 2, 3])).to.equal(Infinity);
    expect(relativeDifference([1, 2, 3], [1, nan, 3])).to.equal(Infinity);
    expect(relativeDifference([1, Infinity, 3], [1, -Infinity, 3])).to.equal(Infinity);
    expect(relativeDifference([1, 2], [1, 2, 3])).to.equal(Infinity);
    expect(relativeDifference([nan, Infinity, 2], [nan, Infinity, 4])).to.equal(0.5);
    expect(relativeDifference([0, 0], [0, 0], 0), 'of nothing but zeros').to.equal(0);
  });
});

describe('a backbone that an exporter, a quantiser or an optimiser wrote', () => {
  it('is expected here for every fixture', () => {
    const names = readdirSync(folder).map((name) => path.parse(name).name);
    expect(names.toSorted()).to.deep.equal(Object.keys(expected).toSorted());
  });

  for (const [name, [layer, shape, pool, dim, reason]] of Object.entries(expected)) {
    it(`has its layers found, and runs cut, at any batch and with a head as it ran before: ${name}`, async () => {
      const { layers, tried } = await tryBackbone(await readModel(path.join(folder, `${name}.onnx`)));
      const best = layers.find(({ recommended }) => recommended)!;
      expect({ ...best, shape: best.shape.join() }).to.include({ name: layer, shape, pool, dim, reason });
      expect(tried).to.have.length(3);
    });
  }
});

describe('a detector without classifier', () => {
  const detectors = [
    {
      name: 'nanodet_m',
      recommended: { name: '690', dim: 464, pool: 'avg' },
      cuts: ['492', '658', '690'],
    },
    {
      name: 'ultraface_rfb_320',
      recommended: { name: '400', dim: 256, pool: 'avg' },
      cuts: ['265', '360', '400'],
    },
  ];
  for (const { name, recommended, cuts } of detectors) {
    it(`is inspected, cut at three layers and run with a head at batches 1, 2 and 9 as the uncut model: ${name}`, async function () {
      const file = path.resolve('../shared/models', `${name}.onnx`);
      if (!existsSync(file)) {
        console.log(`      (${file} is absent)`);
        this.skip();
      }
      this.timeout(60_000);
      const { layers, tried, difference } = await tryBackbone(await readModel(file), {
        names: cuts,
        batches: [1, 2, 9],
      });
      expect(layers.find((layer) => layer.recommended)).to.include(recommended);
      expect(tried).to.deep.equal(cuts);
      expect(difference).to.be.at.most(1e-5);
    });
  }
});
