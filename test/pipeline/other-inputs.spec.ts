import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { type Backbone, prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { createRng } from '../../src/rng.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32 } from '../../src/tensor/tensor.js';

const rng = createRng(3);
const normal = (...dims: number[]) =>
  float32(
    dims,
    Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );

/** image → Conv → Relu → mean → `name` [batch, 8] */
function tower(b: GraphBuilder, image: string, name: string, channels = 3): string {
  const maps = b.op('Relu', [b.op('Conv', [image, b.constant(`${name}/kernel`, normal(8, channels, 3, 3))])]);
  return b.op('Flatten', [b.op('GlobalAveragePool', [maps])], { name });
}

const classify = (b: GraphBuilder, features: string, dim: number): void =>
  void b.output(b.op('MatMul', [features, b.constant('classes', normal(dim, 5))]), 'float32', ['batch', 5]);

const image = (b: GraphBuilder, name: string, channels = 3): string =>
  b.input(name, 'float32', ['batch', channels, 16, 16]);

describe('A backbone with more inputs than an image', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-inputs-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  async function written(build: (b: GraphBuilder) => void): Promise<string> {
    const b = new GraphBuilder();
    build(b);
    const file = path.join(folder, `${count++}.onnx`);
    await writeModel(b.model(), file);
    return file;
  }
  const prepare = (backbone: string, layer?: string): Promise<Backbone> =>
    prepareBackbone({ backbone, layer }, { folder });
  const refusal = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'nothing was refused',
      (error: Error) => error.message,
    );

  it('is cut before a box joins the image, and inspected so', async () => {
    const file = await written((b) => {
      const features = tower(b, image(b, 'image'), 'pooled');
      const box = b.input('box', 'float32', ['batch', 4]);
      classify(b, b.op('Concat', [features, box], { attributes: { axis: 1 } }), 12);
    });
    const { featureLayers } = await inspectModel(file);
    const recommended = featureLayers.find((layer) => layer.recommended)!;
    expect(recommended).to.include({ name: 'pooled', reason: 'last value made of the image alone' });
    const { layer, features } = await prepare(file);
    expect([layer, features.graph.inputs.map(({ name }) => name)]).to.deep.equal(['pooled', ['image']]);
  });

  it('is cut where a scale joins what several layers made of the image', async () => {
    const file = await written((b) => {
      const kernel = b.constant('kernel', normal(6, 3, 3, 3));
      const features = tower(b, b.op('Relu', [b.op('Conv', [image(b, 'image'), kernel])]), 'pooled', 6);
      classify(b, b.op('Mul', [features, b.input('scale', 'float32', [1])]), 8);
    });
    expect((await prepare(file)).layer).to.equal('pooled');
  });

  it('of two images names the layers that are made of one, and takes each of them', async () => {
    const file = await written((b) => {
      const [left, right] = ['left', 'right'].map((name) => tower(b, image(b, name), `${name}/pooled`));
      classify(b, b.op('Concat', [left!, right!], { name: 'both', attributes: { axis: 1 } }), 16);
    });
    for (const layer of [undefined, 'both']) {
      expect(await refusal(prepare(file, layer))).to.match(
        /several images \(left: .*; right: .*\).* --layer .*"left\/pooled" of "left" or "right\/pooled" of "right"/,
      );
    }
    const { features } = await prepare(file, 'right/pooled');
    expect(features.graph.inputs.map(({ name }) => name)).to.deep.equal(['right']);
    const heard: string[] = [];
    const { featureLayers } = await inspectModel(
      file,
      {},
      { logger: { info() {}, warn: (text) => heard.push(text) } },
    );
    expect(featureLayers.filter(({ recommended }) => recommended)).to.deep.equal([]);
    expect(heard.join()).to.match(/several images .* --layer/);
  });

  it('of two images that are joined at once is told that no layer is left', async () => {
    const file = await written((b) => {
      const all = b.op('Concat', [image(b, 'photo'), image(b, 'mask', 1)], { attributes: { axis: 1 } });
      classify(b, tower(b, all, 'pooled', 4), 8);
    });
    expect(await refusal(prepare(file))).to.match(/photo.*mask.*no layer is made of one of them alone/);
  });

  it('is told which input has no sense in what is made up for it', async () => {
    const file = await written((b) => {
      const rows = b.input('rows', 'int64', [4]);
      const shaped = b.op('Reshape', [image(b, 'image'), rows]);
      classify(b, tower(b, shaped, 'pooled'), 8);
    });
    expect(await refusal(prepare(file))).to.match(/made up for its inputs rows: int64 \[4\]; .*constants/);
  });

  it('is refused in a sentence where its image is larger than any memory', async () => {
    const file = await written((b) => {
      classify(b, tower(b, b.input('image', 'float32', ['batch', 3, 2 ** 40, 16]), 'pooled'), 8);
    });
    const error = await prepare(file).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'UNSUPPORTED_MODEL');
    expect((error as Error).message).to.match(/Input "image" is \[1,3,1099511627776,16\], more numbers than/);
  });

  it('needs none of an input that has a value in the file', async () => {
    const file = await written((b) => {
      const gain = b.constant('gain', float32([1], [2]));
      classify(b, tower(b, b.op('Mul', [image(b, 'image'), gain]), 'pooled'), 8);
      b.inputs.push({ ...b.inputs[0]!, name: gain, type: { kind: 'tensor', dtype: 'float32', shape: [1] } });
    });
    expect((await prepare(file)).features.graph.inputs.map(({ name }) => name)).to.deep.equal(['image']);
  });
});
