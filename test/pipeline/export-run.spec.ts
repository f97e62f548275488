import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { buildScattering } from '../../src/models/scattering.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { exportRun } from '../../src/pipeline/export-run.js';
import { verifyRun } from '../../src/pipeline/verify-run.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

describe('exporting and verifying a run', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-export-'));
  const at = (name: string): string => path.join(folder, name);
  const refusal = (work: Promise<unknown>): Promise<Error> =>
    work.then(
      () => new Error('nothing was refused'),
      (error: Error) => error,
    );
  before(async () => {
    for (const [name, dim] of [
      ['six', 6],
      ['seven', 7],
    ] as const) {
      writeFeatureFile(at(`${name}.safetensors`), madeUpFeatures({ rows: 60, dim, classCount: 3 }));
      await trainRun({ features: at(`${name}.safetensors`), out: at(name) });
    }
    await exportRun({ run: at('six'), out: at('six.onnx') });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('finds a file that was exported equal to its run', async () => {
    const { maxAbsDiff, examples } = await verifyRun({ model: at('six.onnx'), run: at('six') });
    expect(maxAbsDiff).to.be.below(1e-5);
    expect(examples).to.equal(16);
  });

  it('tells of a file of another run what each of them takes', async () => {
    await writeModel(buildScattering(), at('backbone.onnx'));
    const wide = await refusal(verifyRun({ model: at('six.onnx'), run: at('seven') }));
    expect(wide.message).to.match(/six\.onnx .* another run: .*\[batch,6\], but .*seven takes .*\[batch,7\]/);
    const other = await refusal(verifyRun({ model: at('backbone.onnx'), run: at('six') }));
    expect(other.message).to.match(
      /backbone\.onnx .* another run: .*64,64\], but .*features float32 \[batch,6\]/,
    );
  });

  it('stops at Ctrl-C before anything is written', async () => {
    const signal = AbortSignal.abort();
    const exporting = await refusal(exportRun({ run: at('six'), out: at('stopped.onnx') }, { signal }));
    const verifying = await refusal(verifyRun({ model: at('six.onnx'), run: at('six') }, { signal }));
    for (const error of [exporting, verifying]) expect(error).to.have.property('code', 'INTERRUPTED');
    expect(readdirSync(folder).filter((name) => name.includes('stopped'))).to.deep.equal([]);
  });

  it('refuses a folder in place of the file before the work, and leaves nothing in it', async () => {
    const before = readdirSync(folder);
    let isAtWork = false;
    const logger = { info: () => (isAtWork = true), warn: () => (isAtWork = true) };
    const error = await refusal(
      exportRun({ run: at('six'), out: folder, backbone: at('backbone.onnx') }, { logger }),
    );
    expect(error.message).to.equal(`Cannot write ${folder}: the path is a folder; name a file.`);
    expect(isAtWork, 'a word from the backbone').to.equal(false);
    expect(readdirSync(folder)).to.deep.equal(before);
  });
});
