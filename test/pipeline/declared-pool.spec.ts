import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { temporaryFolder } from '../e2e/graft.js';
import { writeTextBackbone } from '../text/text-world.js';

describe('the layer and the pooling of a text model', () => {
  const folder = temporaryFolder();
  /** A model as sentence-transformers lay it out. */
  const layOut = (name: string, pooling: object | string): string => {
    const home = path.join(folder, name);
    const file = writeTextBackbone(home);
    const place = path.join(home, 'onnx', 'model.onnx');
    mkdirSync(path.dirname(place));
    renameSync(file, place);
    mkdirSync(path.join(home, '1_Pooling'));
    const text = typeof pooling === 'string' ? pooling : JSON.stringify(pooling);
    writeFileSync(path.join(home, '1_Pooling', 'config.json'), text);
    return place;
  };
  const poolOf = async (backbone: string, options: object = {}): Promise<string> =>
    (await prepareBackbone({ backbone, ...options }, { folder })).pool;

  for (const [pool, config] of [
    ['cls', { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }],
    ['last', { pooling_mode_cls_token: false, pooling_mode_lasttoken: true }],
    ['max', { pooling_mode: 'max' }],
    ['mean', { pooling_mode_cls_token: false, pooling_mode_mean_tokens: true }],
    // Two together, which are twice as many numbers, and one that is not known here.
    ['mean', { pooling_mode_cls_token: true, pooling_mode_max_tokens: true }],
    ['mean', { pooling_mode_weightedmean_tokens: true }],
  ] as const) {
    it(`follow 1_Pooling/config.json: ${JSON.stringify(config)} is ${pool}`, async () => {
      expect(await poolOf(layOut(JSON.stringify(config).replace(/\W+/g, '-'), config))).to.equal(pool);
    });
  }

  it('are those of inspect, of layers before any attention the mean, and of a --pool that is named', async () => {
    const file = layOut('named', { pooling_mode_cls_token: true });
    const { featureLayers } = await inspectModel(file, { cache: folder });
    expect(featureLayers.map(({ pool }) => pool)).to.deep.equal(['mean', 'cls', 'cls', 'cls']);
    for (const { name, pool } of featureLayers) expect(await poolOf(file, { layer: name })).to.equal(pool);
    expect(await poolOf(file, { pool: 'max' })).to.equal('max');
  });

  it('are refused by the name of a 1_Pooling/config.json that is no JSON', async () => {
    const file = layOut('broken', '{"pooling_mode_cls_token"');
    await prepareBackbone({ backbone: file }, { folder }).then(
      () => expect.fail('was taken'),
      (error: Error) =>
        expect(error.message).to.match(/1_Pooling\/config\.json, which says how model\.onnx .* --pool\.$/s),
    );
  });

  it('are the last tokens where a model scores each token as the begin or end of an answer', async () => {
    const backbone = writeTextBackbone(path.join(folder, 'answers'), { findsAnswers: true });
    const { layer, pool, dim } = await prepareBackbone({ backbone }, { folder });
    expect({ pool, dim }).to.deep.equal({ pool: 'mean', dim: 16 });
    expect(layer).not.to.match(/logits/);
  });
});
