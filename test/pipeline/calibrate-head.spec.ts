import { rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { trainRun } from '../../src/pipeline/train-run.js';
import { temporaryFolder } from '../e2e/graft.js';
import { int64, madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

describe('Calibrating a head', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** What is said of a head whose validation rows have other labels by this rule. */
  async function warningsWhere(
    name: string,
    relabel: (label: number, row: number) => number,
  ): Promise<string[]> {
    const set = madeUpFeatures({ rows: 120, classCount: 3, spread: 0.3 });
    const labels = set.labels.map((label, row) => (row < 80 ? label : relabel(label, row)));
    const features = path.join(folder, `${name}.safetensors`);
    const split = int64(Array.from(labels, (_, row) => (row < 80 ? 0 : 1)));
    writeFeatureFile(features, { ...set, labels }, { split });
    const said: string[] = [];
    const logger = { info() {}, warn: (line: string) => void said.push(line) };
    await trainRun({ features, out: path.join(folder, name), calibrate: true }, { logger });
    return said.filter((line) => line.includes('--calibrate'));
  }

  it('is said to be useless where the validation part has every label told wrong', async () => {
    const [line, ...others] = await warningsWhere('wrong', (label) => (label + 1) % 3);
    expect(others).to.deep.equal([]);
    expect(line).to.match(/makes all probabilities nearly equal \(temperature 1\.00e\+3\)/);
  });

  it('is said to have nothing to go by where every label is told right', async () => {
    const [line] = await warningsWhere('right', (label) => label);
    expect(line).to.match(/Every label of the validation part is told right/);
  });

  it('goes without a word where some are told wrong', async () => {
    expect(
      await warningsWhere('some', (label, row) => (row % 10 === 0 ? (label + 1) % 3 : label)),
    ).to.deep.equal([]);
  });
});
