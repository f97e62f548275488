import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('What a command reads', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const at = (...parts: string[]): string => path.join(folder, ...parts);
  const env = { GRAFT_CACHE: at('cache') };
  const data = at('photos');
  const backbone = at('net', 'model.onnx');
  const run = at('run');
  const train = (out: string, ...more: string[]) =>
    graftHere(
      ['train', '--backbone', backbone, '--data', data, '--out', out, '--device', 'cpu', ...more],
      env,
    );

  before(async () => {
    for (const [label, colour] of Object.entries({ red: '#f00', green: '#0f0' })) {
      mkdirSync(at('photos', label), { recursive: true });
      for (let i = 1; i < 7; i++) {
        const image = sharp({ create: { width: 8 + i, height: 8, channels: 3, background: colour } });
        await image.png().toFile(at('photos', label, `${i}.png`));
      }
    }
    expect(
      await graftHere(['run', '--backbone', 'scattering', '--data', data, '--out', run], env),
    ).to.include({
      status: 0,
    });
    mkdirSync(at('net'));
    cpSync(at('run', 'model.onnx'), backbone);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function expectSpared(file: string, args: readonly string[], message: RegExp): Promise<void> {
    const before = readFileSync(file);
    const { status, stderr } = await graftHere(args, env);
    expect(stderr).to.match(message);
    expect(status).to.equal(2);
    expect(readFileSync(file).equals(before), `${file} as it was`).to.equal(true);
  }

  it('is not overwritten by graft gradient', async () => {
    await expectSpared(
      backbone,
      ['gradient', backbone, '--loss', 'logits', '--out', backbone],
      /would overwrite .*model\.onnx/,
    );
  });

  it('is not overwritten by the drawing of graft inspect, nor by graft cache export', async () => {
    await expectSpared(backbone, ['inspect', backbone, '--svg', backbone], /output would overwrite/);
    const given = ['--backbone', backbone, '--data', data, '--format', 'npy', '--out', backbone];
    await expectSpared(backbone, ['cache', 'export', ...given], /output would overwrite/);
  });

  it('is not overwritten by graft export, through a link neither, and the run itself is not', async () => {
    symlinkSync(at('net'), at('link'));
    const first = await graftHere(['train', '--backbone', backbone, '--data', data, '--out', at('own')], env);
    expect(first.status, first.stderr).to.equal(0);
    const out = at('link', 'model.onnx');
    await expectSpared(backbone, ['export', '--run', at('own'), '--out', out], /would overwrite/);
    const head = at('own', 'head.safetensors');
    await expectSpared(head, ['export', '--run', at('own'), '--out', head], /would overwrite/);
  });

  it('is not overwritten by graft run where the backbone lies in the run folder', async () => {
    const args = ['run', '--backbone', backbone, '--data', data, '--out', at('net')];
    await expectSpared(backbone, args, /would overwrite .*model\.onnx/);
  });

  it('is not, where it is a model of another name: nor is a model.onnx that no run has written', async () => {
    mkdirSync(at('models'));
    writeFileSync(at('models', 'model.onnx'), 'a model of the user');
    const args = ['--backbone', backbone, '--data', data, '--out', at('models')];
    for (const command of ['run', 'train'])
      await expectSpared(
        at('models', 'model.onnx'),
        [command, ...args],
        /no run folder but holds a model\.onnx/,
      );
  });

  it('is no run folder: a data set would get classes of our files', async () => {
    for (const out of [data, path.join(data, 'runs', 'a')]) {
      const { status, stderr } = await train(out);
      expect(stderr).to.match(/lies in the data set .*photos/);
      expect(status).to.equal(2);
    }
    expect(existsSync(path.join(data, 'runs'))).to.equal(false);
  });

  it("is not taken for a run folder by its config.json, which is somebody else's", async () => {
    mkdirSync(at('theirs'));
    writeFileSync(at('theirs', 'config.json'), '{"model_type": "vit"}');
    const args = ['train', '--backbone', backbone, '--data', data, '--out', at('theirs')];
    await expectSpared(at('theirs', 'config.json'), args, /no run folder but holds a config\.json/);
  });

  it('may hold one class alone where an exported model is judged', async () => {
    mkdirSync(at('one'));
    cpSync(at('photos', 'red'), at('one', 'red'), { recursive: true });
    const report = await graftJsonHere<{ examples: number; perClass: { label: string; support: number }[] }>(
      ['eval', '--model', backbone, '--data', at('one')],
      env,
    );
    expect(report.examples).to.equal(6);
    expect(report.perClass.map(({ label, support }) => [label, support])).to.deep.include.members([
      ['red', 6],
      ['green', 0],
    ]);
  });

  it('may be a run folder, which a new run replaces', async () => {
    const { run: folderOf } = await graftJsonHere<{ run: string }>(
      ['train', '--backbone', backbone, '--data', data, '--out', at('own'), '--l2', '3'],
      env,
    );
    expect(folderOf).to.equal(at('own'));
  });

  it('may be trained on again as the error of a run that diverged says', async () => {
    const out = at('diverging');
    const wild = await train(out, '--solver', 'adamw', '--lr', '1e30');
    expect(wild.stderr).to.match(/lower the learning rate/);
    const { status, stderr } = await train(out, '--solver', 'adamw', '--lr', '0.01', '--epochs', '2');
    expect(status, stderr).to.equal(0);
  });
});
