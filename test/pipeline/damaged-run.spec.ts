/** Run folders whose files are JSON, but not what was written: by hand, or half copied. */
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { reportRun } from '../../src/pipeline/report-run.js';
import { readRunFolder } from '../../src/pipeline/run-folder.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

describe('a run folder that is damaged', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-damaged-'));
  const run = path.join(folder, 'run');
  before(async () => {
    const features = path.join(folder, 'features.safetensors');
    writeFeatureFile(features, madeUpFeatures({ rows: 40, dim: 3, classCount: 2 }));
    await trainRun({ features, out: run });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function refusal(name: string, change: object | null, read: () => Promise<unknown>): Promise<string> {
    const file = path.join(run, name);
    const whole = readFileSync(file, 'utf8');
    try {
      writeFileSync(file, JSON.stringify(change && { ...(JSON.parse(whole) as object), ...change }));
      const error = await read().catch((reason: unknown) => reason);
      expect(error, JSON.stringify(change))
        .to.be.instanceOf(GraftError)
        .with.property('code', 'FILE_UNREADABLE');
      return (error as Error).message;
    } finally {
      writeFileSync(file, whole);
    }
  }

  for (const { change, says } of [
    { change: null, says: 'classes should be a list of texts but is missing' },
    { change: { classes: ['a', 5] }, says: 'classes should be a list of texts but is ["a",5]' },
    { change: { training: null }, says: 'training should be an object but is null' },
    { change: { features: 7 }, says: 'features should be a text but is 7' },
    { change: { features: undefined }, says: 'backbone should be a text but is missing' },
  ]) {
    it(`is refused for what its configuration lacks: ${says}`, async () => {
      const message = await refusal('config.json', change, () => readRunFolder(run));
      expect(message).to.equal(`${path.join(run, 'config.json')} is damaged: ${says}.`);
    });
  }

  for (const name of ['config.json', 'head.safetensors']) {
    it(`is not called unfinished where its ${name} cannot be read`, async () => {
      const file = path.join(run, name);
      renameSync(file, `${file}.kept`);
      // As a permission or the disk would keep it from being read, of root too.
      symlinkSync(file, file);
      const error = await readRunFolder(run).catch((reason: unknown) => reason);
      renameSync(`${file}.kept`, file);
      expect(error).to.include({
        code: 'FILE_UNREADABLE',
        message: `Cannot read ${file}: its links lead in a circle; name the file itself.`,
      });
    });
  }

  it('makes no report, which is said in a sentence', async () => {
    await reportRun({ run });
    for (const [name, change] of [
      ['result.json', null],
      ['result.json', { seconds: 'soon' }],
      ['evaluation.json', { evaluation: { task: 'single' } }],
      ['evaluation.json', { evaluation: null }],
    ] as const)
      expect(await refusal(name, change, () => reportRun({ run }))).to.match(
        /are not as graft train writes them .*: no report can be made of them\. Train again/,
      );
  });
});
