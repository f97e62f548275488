/** A photo folder as it is found: broken photos and things that are no files among good ones. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import { preprocessImage } from '../../src/image/preprocess-image.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import { dim, preprocess, side, tinyBackbone } from '../features/tiny-backbone.js';
import { graft, graftJson, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('a folder of odd files', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const data = path.join(folder, 'data');
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const model = path.join(folder, 'tiny.onnx');
  const backbone = ['--backbone', model, '--layer', 'features', '--pool', 'none', '--device', 'cpu'];
  const common = [...backbone, '--data', data, '--threads', '2'];
  after(() => rmSync(folder, { recursive: true, force: true }));

  const paint = async (file: string, r: number): Promise<void> => {
    await sharp({ create: { width: 20, height: 20, channels: 3, background: { r, g: 90, b: 30 } } }).toFile(
      file,
    );
  };

  before(async () => {
    writeFileSync(model, tinyBackbone());
    writeFileSync(path.join(folder, 'tiny.preprocess.json'), JSON.stringify(preprocess));
    for (const [k, label] of ['left', 'right'].entries()) {
      mkdirSync(path.join(data, label), { recursive: true });
      for (let i = 0; i < 4; i++) await paint(path.join(data, label, `${i}.png`), 100 * k + i);
    }
    const at = (name: string): string => path.join(data, 'left', name);
    writeFileSync(at('empty.jpg'), '');
    writeFileSync(at('letter.jpg'), 'Dear aunt,');
    execFileSync('mkfifo', [at('pipe.jpg')]);
    symlinkSync('/dev/zero', at('device.png'));
    symlinkSync('loop.jpg', at('loop.jpg'));
    symlinkSync('nowhere.jpg', at('dangling.jpg'));
    symlinkSync('..', at('up'));
    mkdirSync(at('album.jpg'));
    copyFileSync(at('0.png'), at('album.jpg/same-as-0.png'));
    writeFileSync(at('.hidden.jpg'), 'left by another program');
    writeFileSync(at('notes.txt'), 'no image');
  });

  it('is cached without what cannot be read, each with its reason', async () => {
    // In processes of their own, here and below: one that waits for a pipe or a device does not end.
    const report = await graftJson<CacheReport>(['cache', ...common], env);
    const skipped = new Map(report.skipped.map(({ path: file, reason }) => [path.basename(file), reason]));
    expect([...skipped.keys()].sort()).to.deep.equal([
      'dangling.jpg',
      'device.png',
      'empty.jpg',
      'letter.jpg',
      'loop.jpg',
      'pipe.jpg',
    ]);
    expect(skipped.get('pipe.jpg')).to.match(/not a regular file/);
    expect(skipped.get('letter.jpg')).to.match(/not an image/);
    // The copy in the album counts, and is not computed twice.
    expect(report).to.include({ examples: 15, computed: 8, cached: 1 });
  });

  it('stops at the first one with --on-error fail', async () => {
    const { status, stderr } = await graftHere(['cache', ...common, '--on-error', 'fail'], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/left\/\S+\.(jpg|png)/);
    expect(stderr).not.to.match(/\n\s+at /);
  });

  it('is trained on, evaluated and predicted without hanging', async () => {
    const run = path.join(folder, 'run');
    await graftJsonHere(['run', ...common, '--out', run], env);
    const exported = path.join(run, 'model.onnx');
    expect(existsSync(exported)).to.equal(true);
    const evaluation = await graftJsonHere<{ examples: number; skipped: unknown[] }>(
      ['eval', '--model', exported, '--data', data, '--device', 'cpu'],
      env,
    );
    expect(evaluation.skipped).to.have.length(6);
    const inputs = path.join(data, 'left');
    const predictions = await graftJsonHere<Prediction[]>(
      ['predict', '--model', exported, inputs, '--device', 'cpu'],
      env,
    );
    const labelled = predictions.filter(({ label }) => label !== null);
    expect(labelled).to.have.length(readdirSync(inputs).filter((name) => /^\d/.test(name)).length + 1);
    expect(predictions.filter(({ reason }) => reason !== undefined)).to.have.length(6);
    const { status, stderr } = await graft(
      ['predict', '--model', exported, path.join(inputs, 'pipe.jpg'), '--device', 'cpu'],
      env,
    );
    expect(status).to.equal(1);
    expect(stderr).to.match(/pipe\.jpg/);
  });

  it('is no measurement where nothing of it can be used', async () => {
    const broken = path.join(folder, 'broken');
    for (const label of ['left', 'right']) {
      mkdirSync(path.join(broken, label), { recursive: true });
      writeFileSync(path.join(broken, label, 'no.jpg'), 'no image');
    }
    const exported = path.join(folder, 'run', 'model.onnx');
    const args = ['eval', '--model', exported, '--data', broken, '--device', 'cpu'];
    const { status, stdout, stderr } = await graftHere(args, env);
    expect(status, stdout).to.equal(1);
    expect(stderr).to.match(/None of the 2 examples .* first one is .*left\/no\.jpg: .* not an image/);
  });

  it('gives each odd photo its own right row, or leaves it out with a reason', async function () {
    const odd = path.resolve('../shared/datasets/odd-images');
    if (!existsSync(odd)) {
      console.log('      ../shared/datasets/odd-images is not here: nothing to try.');
      this.skip();
    }
    const source = [...backbone, '--data', odd];
    const report = await graftJsonHere<CacheReport>(['cache', ...source], env);
    expect(report.skipped.map(({ path: file }) => path.basename(path.dirname(file)))).to.deep.equal(
      Array.from(readdirSync(path.join(odd, 'broken')), () => 'broken'),
    );
    for (const { path: file, reason } of report.skipped) expect(reason, file).to.match(/^The .+\.$/);
    const out = path.join(folder, 'odd');
    await graftJsonHere(['cache', 'export', ...source, '--format', 'npy', '--out', out], env);
    const [, ...lines] = readFileSync(path.join(out, 'examples.csv'), 'utf8').trim().split('\n');
    expect(lines.length + report.skipped.length).to.equal(report.examples);
    const npy = readFileSync(path.join(out, 'features.npy'));
    const rows = new Float32Array(
      npy.buffer.slice(npy.byteOffset + npy.length - 4 * dim * lines.length, npy.byteOffset + npy.length),
    );
    const session = await openSession(tinyBackbone(), { device: 'cpu', threads: 1 });
    try {
      for (const [row, line] of lines.entries()) {
        const file = line.split(',')[1]!;
        const pixels = new Float32Array(3 * side * side);
        await preprocessImage(readFileSync(file), preprocess, pixels);
        const { features } = await session.run({ image: float32([1, 3, side, side], pixels) });
        for (const [j, value] of (features!.data as Float32Array).entries()) {
          expect(rows[row * dim + j], file).to.be.closeTo(value, 1e-5);
        }
      }
    } finally {
      await session.release();
    }
    const { status, stderr } = await graftHere(['cache', ...source, '--on-error', 'fail'], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/Cannot use \S+broken\S+: The .+ --on-error skip\.$/m);
  });

  it('is told of each file that is skipped once', async () => {
    const { status, stdout, stderr } = await graftHere(['cache', ...common], env);
    expect(status).to.equal(0);
    expect(`${stdout}${stderr}`.match(/letter\.jpg: /g)).to.have.length(1);
  });

  it('names the flag of a cache folder that cannot be made', async () => {
    const { status, stderr } = await graftHere(['cache', ...common, '--cache', '/dev/null/cache'], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/Cannot write \/dev\/null\/cache: .* named by --cache DIR or \$GRAFT_CACHE/);
  });
});
