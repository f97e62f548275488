import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { expect } from 'chai';
import type { Inspection } from '../../src/pipeline/inspect-model.js';
import type { GradientReport } from '../../src/pipeline/write-gradients.js';
import { field, model, node, number, value } from '../onnx/encode-raw.js';
import { graft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

const fixtures = path.resolve('test/fixtures/backbones');
const vit = path.join(fixtures, 'vit-fixed.onnx');

describe('graft inspect', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(() => rm(folder, { recursive: true }));

  it('gives what the contract names in one document', async () => {
    const report = await graftJsonHere<Inspection>(['inspect', vit]);
    expect(report).to.include({ model: vit, nodes: 198, parameters: 7533 });
    expect(report.inputs).to.deep.equal([{ name: 'pixels', dtype: 'float32', shape: [1, 3, 16, 16] }]);
    expect(report.opsets).to.deep.equal({ 'ai.onnx': 17 });
    const recommended = report.featureLayers.filter((layer) => layer.recommended);
    expect(recommended).to.deep.equal([
      {
        name: '/Gather_output_0',
        shape: [1, 16],
        kind: 'vector',
        pool: 'none',
        dim: 16,
        recommended: true,
        reason: 'last vector before the old classifier of 5 classes',
        parametersAfter: 85,
        trainableFromHere: true,
      },
    ]);
  });

  it('gives a person a table with the recommended layer marked and why', async () => {
    const { status, stdout } = await graftHere(['inspect', vit]);
    expect(status).to.equal(0);
    expect(stdout).to.match(/^\* +\/Gather_output_0 +\[1,16\] +16 +85 +yes +last vector before/m);
    expect(stdout).to.contain('is used where no --layer is given');
  });

  it('takes a name of the catalogue, as --backbone does, and so does graft gradient', async () => {
    const cache = path.join(folder, 'cache');
    const report = await graftJsonHere<Inspection>(['inspect', 'scattering', '--cache', cache]);
    expect(report.model).to.equal(path.join(cache, 'backbones', 'scattering.onnx'));
    expect(report.featureLayers.find((layer) => layer.recommended)?.name).to.equal('scattering/features');
    const out = path.join(folder, 'with-gradients.onnx');
    const flags = ['--wrt', 'u1/0/real/filter', '--out', out, '--cache', cache];
    const { gradients } = await graftJsonHere<GradientReport>(['gradient', 'scattering', ...flags]);
    expect(gradients.map(({ name }) => name)).to.deep.equal(['u1/0/real/filter']);
  });

  it('draws the blocks, with names from the file made harmless', async () => {
    const file = path.join(folder, 'named.onnx');
    const bytes = readFileSync(path.join(fixtures, 'resnet-opset17.onnx')).toString('latin1');
    writeFileSync(file, bytes.replaceAll('pixels', '<&"\'>x'), 'latin1');
    const svg = path.join(folder, 'drawn', 'blocks.svg');
    await graftJsonHere(['inspect', file, '--svg', svg]);
    const drawing = readFileSync(svg, 'utf8');
    expect(drawing)
      .to.match(/^<svg [^>]*>/)
      .and.contain('The new head goes here: /Flatten_output_0');
    expect(drawing).to.contain('&lt;&amp;').and.not.contain('<&');
    // Every mark that opens is closed: what is left of a well-formed document is text.
    const open: string[] = [];
    for (const [, slash, name, isEmpty] of drawing.matchAll(/<(\/?)([a-z]+)[^<>]*?(\/?)>/g)) {
      if (slash) expect(open.pop()).to.equal(name);
      else if (!isEmpty) open.push(name!);
    }
    expect(open).to.deep.equal([]);
  });

  it('reports a model that ONNX Runtime does not run, with its reason and without layers', async () => {
    const file = path.join(folder, 'unknown-operator.onnx');
    writeFileSync(
      file,
      model(field(1, node('Nonsense', ['x'], ['y'])), field(11, value('x')), field(12, value('y'))),
    );
    const report = await graftJsonHere<Inspection>(['inspect', file]);
    expect(report.featureLayers).to.deep.equal([]);
    expect(report.problem).to.contain('Nonsense');
  });
});

describe('a model file that means harm', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  after(() => rm(folder, { recursive: true }));
  const whole = readFileSync(vit);
  const tensor = (...fields: readonly Buffer[]): Buffer => field(5, field(8, 'w'), ...fields);
  const entry = (key: string, text: string): Buffer => field(13, field(1, key), field(2, text));
  const files: Readonly<Record<string, readonly [Buffer, RegExp]>> = {
    'cut short': [whole.subarray(0, whole.length >> 1), /damaged|not an ONNX model/],
    'of a shape that overflows': [
      model(tensor(number(1, 2 ** 40), number(1, 2 ** 40), number(2, 1))),
      /Tensor "w" of .* has a shape that overflows/,
    ],
    'that reads outside its folder': [
      model(tensor(number(1, 1), number(2, 1), entry('location', '../../etc/passwd'), number(14, 1))),
      /Tensor "w" of /,
    ],
    'with a cycle': [
      model(field(1, node('Neg', ['a'], ['b'])), field(1, node('Neg', ['b'], ['a']))),
      /has a cycle: Neg/,
    ],
  };
  const data = path.join(folder, 'data');
  const image = path.resolve('test/image/fixtures/pillow/line.png');

  before(() => {
    for (const label of ['a', 'b']) {
      mkdirSync(path.join(data, label), { recursive: true });
      copyFileSync(image, path.join(data, label, 'line.png'));
    }
  });

  for (const [what, [bytes, reason]] of Object.entries(files)) {
    it(`${what} gets one error that names it, from inspect, cache and predict`, async () => {
      const file = path.join(folder, `${what.replaceAll(' ', '-')}.onnx`);
      writeFileSync(file, bytes);
      for (const args of [
        ['inspect', file],
        ['cache', '--backbone', file, '--data', data, '--cache', folder],
        ['predict', '--model', file, image],
      ]) {
        // One of them in a process of its own: what native code prints is seen, and a crash is.
        const { status, stdout, stderr } = await (args[0] === 'cache' ? graft : graftHere)(args);
        expect(status, args[0]).to.equal(1);
        expect(stdout, args[0]).to.equal('');
        expect(stderr, args[0]).to.match(reason).and.contain(file);
        expect(stderr, args[0]).to.not.match(/\n\s+at /);
      }
    });
  }
});
