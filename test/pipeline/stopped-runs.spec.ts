import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { openLog } from '../../src/pipeline/search-log.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { tuneRun } from '../../src/pipeline/tune-run.js';
import { temporaryFolder } from '../e2e/graft.js';
import type { Judged, LayerCandidate } from '../../src/train/candidate.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

describe('Ctrl-C', () => {
  const folder = temporaryFolder();
  const features = path.join(folder, 'features.safetensors');
  before(() => writeFeatureFile(features, madeUpFeatures({ rows: 60, dim: 4, classCount: 2 })));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('during a search says how many candidates are kept, and what goes on', async () => {
    const error = await refusal(
      tuneRun({ features, out: path.join(folder, 'tuned'), l2: '1,10' }, { signal: AbortSignal.abort() }),
    );
    expect(error).to.have.property('code', 'INTERRUPTED');
    expect(error.message).to.match(/0 of 2 candidates .*the same command begins it again/);
  });

  it('in a search is what --resume wants to have been, and --no-resume begins again', async () => {
    const out = path.join(folder, 'resumed');
    const options = { features, out, l2: '1,10' };
    const nothing = await refusal(tuneRun({ ...options, resume: true }));
    expect(nothing).to.have.property('code', 'USAGE');
    expect(nothing.message).to.match(/no unfinished search .* leave --resume out/);
    const candidate = {
      layer: 'a',
      pool: 'none',
      dim: 1,
      head: { kind: 'linear' },
      solver: 'lbfgs',
      l2: 1,
    } as const;
    const judged = { candidate } as unknown as Judged<LayerCandidate>;
    for (const [resume, isFound] of [
      [undefined, true],
      [true, true],
      [false, false],
    ] as const) {
      const file = path.join(folder, 'log.json');
      await (await openLog(file, 'key')).add([judged]);
      const found = (await openLog(file, 'key', { resume })).find(candidate);
      expect(found !== undefined, String(resume)).to.equal(isFound);
      rmSync(file);
    }
  });

  it('during the verification of a run says that the head is kept, and which command writes the file', async () => {
    const out = path.join(folder, 'run');
    const stop = new AbortController();
    const logger = { info: (text: string) => void (text.startsWith('Merging') && stop.abort()), warn() {} };
    const error = await refusal(runAll({ features, out }, { signal: stop.signal, logger }));
    expect(error).to.have.property('code', 'INTERRUPTED');
    expect(error.message).to.include(`graft export --run ${out} --out ${path.join(out, 'model.onnx')}`);
    expect(existsSync(path.join(out, 'head.safetensors'))).to.equal(true);
    expect(existsSync(path.join(out, 'model.onnx'))).to.equal(false);
  });
});

async function refusal(work: Promise<unknown>): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown as Error,
  );
  if (!error) throw new Error('It was not refused.');
  return error;
}
