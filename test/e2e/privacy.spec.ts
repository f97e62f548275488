import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import { drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { graftJson, temporaryFolder } from './graft.js';

describe('Privacy', () => {
  it('is kept: ONNX Runtime leaves no device id, no database and no log of its telemetry behind', async () => {
    const folder = temporaryFolder();
    const home = path.join(folder, 'home');
    const temporary = path.join(folder, 'tmp');
    const model = path.join(folder, 'tiny.onnx');
    const data = path.join(folder, 'data');
    for (const made of [home, temporary]) mkdirSync(made);
    writeFileSync(model, tinyBackbone());
    writeFileSync(`${model}.preprocess.json`, JSON.stringify(preprocess));
    await drawImages(path.join(data, 'a'), 2, 1);
    await drawImages(path.join(data, 'b'), 2, 2);
    const { computed } = await graftJson<CacheReport>(
      ['cache', '--backbone', model, '--layer', 'features', '--pool', 'none', '--data', data],
      // It is silent by itself where it sees a CI machine, or an earlier load that said so.
      {
        HOME: home,
        XDG_CACHE_HOME: '',
        TMPDIR: temporary,
        GRAFT_CACHE: path.join(folder, 'cache'),
        CI: '',
        ORT_DISABLE_TELEMETRY: undefined,
      },
    );
    expect(computed).to.equal(4);
    expect([...readdirSync(home), ...readdirSync(temporary)]).to.deep.equal([]);
    rmSync(folder, { recursive: true });
  });
});
