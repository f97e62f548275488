import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { graph, node, tensorValue } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { cacheFeatures, cacheLayers } from '../../src/pipeline/cache-features.js';
import { evaluateModel } from '../../src/pipeline/evaluate-model.js';
import { predictInputs } from '../../src/pipeline/predict-inputs.js';
import { runAll } from '../../src/pipeline/run-all.js';
import type { serveModel } from '../../src/pipeline/serve-model.js';
import { openPredictor } from '../../src/predict/predictor.js';
import { openSession } from '../../src/runtime/open-session.js';
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

describe('A loop that ends on what a backbone is tried on, and not on a photo', function () {
  this.timeout(60_000);
  const endless = /Loop "square" went on for .* rounds/;
  let folder: string;
  let remove: () => Promise<void>;
  const at = (...parts: string[]): string => path.join(folder, ...parts);

  const draw = async (file: string, background: string): Promise<string> => {
    mkdirSync(path.dirname(file), { recursive: true });
    const photo = { width: side, height: side, channels: 3, background } as const;
    await sharp({ create: photo }).png().toFile(file);
    return file;
  };

  before(async () => {
    ({ folder, remove } = await scratchFolder());
    writeFileSync(at('squaring.onnx'), squaring());
    writeFileSync(
      at('squaring.preprocess.json'),
      JSON.stringify({ ...preprocess, scale: 1, mean: [0, 0, 0], std: [1, 1, 1] }),
    );
  });
  after(() => remove());

  it('is refused by its name, and the process goes on', async () => {
    const data = at('photos');
    await draw(at('photos', 'dark', 'dark.png'), '#202020');
    await draw(at('photos', 'light', 'light.png'), '#f0f0f0');
    const options = {
      backbone: at('squaring.onnx'),
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
      expect(failure).to.match(endless);
  });

  it('is refused by its name in the exported file too, whoever runs it', async () => {
    for (let i = 0; i < 4; i++) {
      await draw(at('dark', 'blue', `${i}.png`), `#10100${i}`);
      await draw(at('dark', 'red', `${i}.png`), `#4${i}1010`);
    }
    const { model } = await runAll({
      ...{ backbone: at('squaring.onnx'), data: at('dark'), out: at('run'), layer: 'features' },
      ...{ device: 'cpu', cache: folder },
    });
    const light = await draw(at('light', 'red', 'light.png'), '#f0f0f0');
    const predictor = await openPredictor(model);
    const failures = [
      await predictInputs({ model, inputs: [light] }).then(() => 'none', String),
      await evaluateModel({ model, data: at('light') }).then(() => 'none', String),
      await predictor.predict([readFileSync(light)]).then(() => 'none', String),
    ];
    await predictor.release();
    for (const failure of failures) expect(failure).to.match(endless);
    const [prediction] = await predictInputs({ model, inputs: [at('dark', 'red', '0.png')] });
    expect(prediction!.label).to.equal('red');
    // The page's modules are those of the built package.
    const built = (await import(path.resolve('dist/index.js'))) as { serveModel: typeof serveModel };
    const server = await built.serveModel({ model });
    try {
      const served = await fetch(`${server.url}model.onnx`).then((answer) => answer.arrayBuffer());
      const inPage = await openSession(new Uint8Array(served));
      const feeds = { image: float32([1, 3, side, side], new Float32Array(3 * side * side).fill(240)) };
      expect(await inPage.run(feeds).then(() => 'none', String)).to.match(endless);
      await inPage.release();
    } finally {
      await server.close();
    }
  });
});
