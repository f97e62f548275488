import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { loadFeatures } from '../../src/features/load-features.js';
import { cacheFeatures, cacheLayers } from '../../src/pipeline/cache-features.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { temporaryFolder } from '../e2e/graft.js';
import { drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';

describe('Several layers from one pass', () => {
  const folder = temporaryFolder();
  const backbone = path.join(folder, 'tiny.onnx');
  const maps = decodeModel(tinyBackbone(), { path: backbone }).graph.nodes.find(
    ({ opType }) => opType === 'Relu',
  )!.outputs[0]!;
  const common = {
    backbone,
    data: path.join(folder, 'data'),
    cache: path.join(folder, 'cache'),
    device: 'cpu',
    threads: 1,
  } as const;
  const layers = [
    { layer: 'features', pool: 'none' },
    { layer: maps, pool: 'avg' },
    { layer: maps, pool: 'max' },
  ] as const;

  before(async () => {
    writeFileSync(backbone, tinyBackbone());
    writeFileSync(`${backbone}.preprocess.json`, JSON.stringify(preprocess));
    await drawImages(path.join(common.data, 'a'), 6, 1);
    await drawImages(path.join(common.data, 'b'), 5, 2);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('have the right values and stores of their own', async () => {
    const cached = await cacheLayers({ ...common, layers });
    expect(cached.map(({ report }) => report.computed)).to.deep.equal([11, 11, 11]);
    expect(new Set(cached.map(({ store }) => store.folder))).to.have.property('size', 3);
    const [features, average, most] = await Promise.all(
      cached.map(({ store, keys }) => loadFeatures(store, keys)),
    );
    // The tiny backbone's own features are the averages of its maps.
    for (const [i, value] of average!.entries()) expect(value).to.be.closeTo(features![i]!, 1e-6);
    for (const [i, value] of most!.entries()) expect(value).to.be.at.least(average![i]!);
  });

  it('leave nothing to do for each layer alone', async () => {
    for (const { layer, pool } of layers) {
      const { report } = await cacheFeatures({ ...common, layer, pool });
      expect(report).to.include({ computed: 0, cached: 11 });
    }
  });
});
