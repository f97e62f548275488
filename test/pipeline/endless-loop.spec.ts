import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { graph, node, tensorValue } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { cacheFeatures, cacheLayers } from '../../src/pipeline/cache-features.js';
import { checked, float32 } from '../../src/tensor/tensor.js';
import { preprocess, scratchFolder, side } from '../features/tiny-backbone.js';

/** x ← x² / 100 until nothing is above 1: of what has a pixel above 100 it never ends. Then the average of each channel. */
function squaring(): Uint8Array {
  const b = new GraphBuilder();
  const image = b.input('image', 'float32', ['batch', 3, side, side]);
  for (const [name, value] of Object.entries({ one: 1, share: 0.01 })) b.constant(name, float32([], [value]));
  const op = (opType: string, inputs: string[], output: string) =>
    node({ opType, inputs, outputs: [output] });
  const body = graph({
    inputs: [
      tensorValue('round', 'int64', []),
      tensorValue('going', 'bool', []),
      tensorValue('x', 'float32'),
    ],
    nodes: [
      op('Mul', ['x', 'x'], 'square'),
      op('Mul', ['square', 'share'], 'next'),
      op('ReduceMax', ['next'], 'most'),
      op('Squeeze', ['most'], 'level'),
      op('Greater', ['level', 'one'], 'isLarge'),
    ],
    outputs: [tensorValue('isLarge', 'bool', []), tensorValue('next', 'float32')],
  });
  const going = b.constant('start', checked('bool', [], Uint8Array.of(1)));
  const small = b.op('Loop', ['', going, image], { name: 'square', attributes: { body } });
  const maps = b.op('Relu', [b.op('Add', [small, image])], { name: 'maps' });
  b.output(
    b.op('Flatten', [b.op('GlobalAveragePool', [maps])], { name: 'flat' }),
    'float32',
    ['batch', 3],
    'features',
  );
  return encodeModel(b.model());
}

describe('A loop that ends on what a backbone is tried on, and not on a photo', () => {
  it('is refused by its name, and the process goes on', async function () {
    this.timeout(60_000);
    const { folder, remove } = await scratchFolder();
    try {
      const backbone = path.join(folder, 'squaring.onnx');
      const data = path.join(folder, 'photos');
      writeFileSync(backbone, squaring());
      writeFileSync(
        path.join(folder, 'squaring.preprocess.json'),
        JSON.stringify({ ...preprocess, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] }),
      );
      for (const [label, background] of Object.entries({ dark: '#202020', light: '#f0f0f0' })) {
        mkdirSync(path.join(data, label), { recursive: true });
        const photo = { width: side, height: side, channels: 3, background } as const;
        await sharp({ create: photo })
          .png()
          .toFile(path.join(data, label, `${label}.png`));
      }
      const options = {
        backbone,
        data,
        layer: 'features',
        device: 'cpu',
        cache: folder,
        onError: 'fail',
      } as const;
      const layers = [{ layer: 'features' }, { layer: 'maps' }];
      for (const failure of [
        await cacheFeatures(options).then(() => 'none', String),
        await cacheLayers({ ...options, layers }).then(() => 'none', String),
      ])
        expect(failure).to.match(/Loop "square" went on for .* rounds/);
    } finally {
      await remove();
    }
  });
});
