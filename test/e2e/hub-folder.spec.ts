/** Folders for transformers.js and Optimum: what is in them, and what is spared. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { generateDemoData } from '../../scripts/demo/generate-demo-data.js';
import { findPreprocess } from '../../src/models/read-preprocess.js';
import type { ExportReport } from '../../src/pipeline/export-run.js';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { runAll, type RunReport } from '../../src/pipeline/run-all.js';
import { trainRun } from '../../src/pipeline/train-run.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

/** image [batch, 16, 16, 3] → maps [batch, 8, 4, 4] → their averages */
function channelsLast(): Model {
  const rng = createRng(5);
  const b = new GraphBuilder();
  const image = b.input('image', 'float32', ['batch', 16, 16, 3]);
  const planes = b.op('Transpose', [image], { attributes: { perm: [0, 3, 1, 2] } });
  const weights = Float32Array.from({ length: 8 * 3 * 16 }, () => 0.2 * rng.normal());
  const filters = b.constant('filters', float32([8, 3, 4, 4], weights));
  const sums = b.op('Conv', [planes, filters], { attributes: { strides: [4, 4] } });
  const maps = b.op('Relu', [sums], { name: 'maps' });
  b.output(b.op('GlobalAveragePool', [maps]), 'float32', ['batch', 8, 1, 1], 'averages');
  return b.model();
}

type Json = Readonly<Record<string, unknown>>;

describe('a folder for transformers.js and Optimum', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const cache = path.join(folder, 'cache');
  const env = { GRAFT_CACHE: cache };
  const at = (...names: string[]): string => path.join(folder, ...names);
  const read = (...names: string[]): Json => JSON.parse(readFileSync(at(...names), 'utf8')) as Json;
  const exportArgs = (run: string, out: string, ...more: string[]): string[] => [
    ...['export', '--run', at(run), '--out', at(out), '--format', 'huggingface'],
    ...more,
  ];
  const outputsOf = async (model: string, feeds: TensorMap) => {
    const session = await openSession(model);
    const outputs = await session.run(feeds);
    await session.release();
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data }]) => [name, [...(data as Float32Array)]]),
    );
  };
  const softmax = (logits: readonly number[]): number[] => {
    const powers = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    return powers.map((power) => power / powers.reduce((sum, each) => sum + each));
  };
  let photos: RunReport;
  let texts: RunReport;
  let report: ExportReport;

  before(async () => {
    await generateDemoData({ folder: at('photos'), seed: 3, perClass: 4 });
    const size = { width: 64, height: 64, fit: 'shortest-edge', kernel: 'bicubic' };
    const preprocess = { resize: size, crop: { width: 64, height: 64 }, channelOrder: 'bgr', scale: 1 / 255 };
    writeFileSync(at('spec.json'), JSON.stringify({ ...preprocess, mean: [0.1, 0.2, 0.3] }));
    photos = await runAll({
      ...{ backbone: 'scattering', preprocess: at('spec.json'), data: at('photos'), out: at('run') },
      ...{ cache, device: 'cpu' },
    });
    writeFileSync(at('small.onnx'), encodeModel(channelsLast()));
    const pixels = {
      resize: { width: 16, height: 16 },
      mean: [127, 127, 127],
      std: [64, 64, 64],
      layout: 'nhwc',
    };
    writeFileSync(at('small.preprocess.json'), JSON.stringify(pixels));
    await trainRun({
      ...{
        backbone: at('small.onnx'),
        layer: 'maps',
        data: at('photos'),
        out: at('small'),
        cache,
        device: 'cpu',
      },
    });
    const backbone = writeTextBackbone(at('backbone'), { width: 16, layers: 1, dtype: 'int32' });
    writeFileSync(
      at('backbone', 'tokenizer_config.json'),
      JSON.stringify({ tokenizer_class: 'BertTokenizer', name_or_path: '/home/somebody/model' }),
    );
    const reviews = makeReviews(60);
    writeFileSync(at('reviews.csv'), toCsv(reviews));
    const lengths = reviews.map(({ text }, i) => `"${text}",${text.length / 10 + (i % 7) / 100}`);
    writeFileSync(at('lengths.csv'), ['text,label', ...lengths].join('\n'));
    const onTexts = { backbone, maxLength: 24, cache, device: 'cpu' } as const;
    texts = await runAll({ ...onTexts, data: at('reviews.csv'), out: at('text-run') });
    await trainRun({
      ...onTexts,
      data: at('reviews.csv'),
      out: at('ordered'),
      task: 'ordered',
      order: ['bad', 'good'],
    });
    await trainRun({ ...onTexts, data: at('lengths.csv'), out: at('numbers'), task: 'regression' });
    report = await graftJsonHere<ExportReport>(exportArgs('run', 'hub'), env);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('holds what they look for, and the report says so beside its usual fields', () => {
    expect(report).to.include({ model: at('hub/onnx/model.onnx'), folder: at('hub') });
    expect(report.labels).to.deep.equal(photos.classes);
    expect(report.verified.maxAbsDiff).to.be.below(1e-4);
    expect(report.bytes).to.equal(readFileSync(report.model).length);
    expect(report.files).to.deep.equal([
      'config.json',
      'preprocessor_config.json',
      'README.md',
      'onnx/model.onnx',
    ]);
    for (const name of report.files!) expect(existsSync(at('hub', name)), name).to.equal(true);
    expect(report.inputs).to.deep.equal([
      { name: 'pixel_values', dtype: 'float32', shape: ['batch', 3, 64, 64] },
    ]);
    const config = read('hub', 'config.json');
    expect(config).to.deep.include({
      model_type: 'resnet',
      architectures: ['ResNetForImageClassification'],
      num_labels: photos.classes.length,
      problem_type: 'single_label_classification',
      'transformers.js_config': { dtype: 'fp32' },
    });
    expect(Object.values(config.id2label as object)).to.deep.equal(photos.classes);
    expect((config.label2id as Json)[photos.classes[1]!]).to.equal(1);
  });

  it('describes the preprocessing of the run, of which red comes first', async () => {
    const found = await findPreprocess({ modelPath: report.model, metadata: new Map() });
    const { preprocess } = read('run', 'config.json') as { preprocess: Json };
    expect(preprocess).to.deep.include({ channelOrder: 'bgr', mean: [0.1, 0.2, 0.3] });
    expect(found).to.deep.equal({ ...preprocess, channelOrder: 'rgb', mean: [0.3, 0.2, 0.1] });
  });

  it('holds a model whose logits are those of the probabilities, and the folder is what graft predict and verify take', async () => {
    const pixels = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => ((i * 7) % 255) / 255);
    const { logits, probabilities } = await outputsOf(report.model, {
      pixel_values: float32([1, 3, 64, 64], pixels),
    });
    for (const [c, p] of softmax(logits!).entries()) expect(p).to.be.closeTo(probabilities![c]!, 1e-6);
    const [label] = photos.classes as [string];
    const photo = at('photos', label, readdirSync(at('photos', label))[0]!);
    const call = ['predict', photo, '--device', 'cpu', '--model'];
    const [single] = await graftJsonHere<Prediction[]>([...call, photos.model], env);
    const [hub] = await graftJsonHere<Prediction[]>([...call, at('hub')], env);
    for (const [name, score] of Object.entries(single!.scores!))
      expect(hub!.scores![name]).to.be.closeTo(score, 1e-6);
    const verify = ['verify', '--run', at('run'), '--model', at('hub')];
    expect(await graftJsonHere(verify, env))
      .to.have.property('maxAbsDiff')
      .below(1e-4);
  });

  it('has a card with what was measured, and no word of where files lie', () => {
    const card = readFileSync(at('hub', 'README.md'), 'utf8');
    expect(card).to.match(/^---\npipeline_tag: image-classification\nlibrary_name: transformers\.js\n/);
    expect(card).to.include(`On ${photos.examples.validation} validation examples`);
    expect(card).to.include(`| accuracy | ${(100 * photos.validation!.accuracy!).toFixed(1)} %`);
    expect(card).to.match(/backbone \| scattering\.onnx, sha256 [0-9a-f]{64} \|/);
    for (const name of ['README.md', 'config.json', 'preprocessor_config.json'])
      expect(readFileSync(at('hub', name), 'utf8'), name).to.not.include(folder);
  });

  it('takes another precision beside the first, and leaves that and the card as they are', async () => {
    await graftHere(exportArgs('small', 'two'), env);
    const model = readFileSync(at('two/onnx/model.onnx'));
    writeFileSync(at('two/README.md'), 'written on');
    const second = await graftJsonHere<ExportReport>(
      exportArgs('small', 'two', '--precision', 'float16'),
      env,
    );
    expect(second.model).to.equal(at('two/onnx/model_fp16.onnx'));
    expect(second.files!.filter((name) => name.startsWith('onnx/'))).to.deep.equal([
      'onnx/model.onnx',
      'onnx/model_fp16.onnx',
    ]);
    const third = await graftJsonHere<ExportReport>(exportArgs('small', 'two', '--precision', 'int8'), env);
    expect(third.files!.slice(-3)).to.deep.equal([...second.files!.slice(-2), 'onnx/model_quantized.onnx']);
    const again = await graftJsonHere<ExportReport>(exportArgs('small', 'two'), env);
    expect(again.files).to.deep.equal(third.files);
    expect(readFileSync(at('two/onnx/model.onnx')).equals(model)).to.equal(true);
    expect(readFileSync(at('two/README.md'), 'utf8')).to.equal('written on');
    expect(read('two', 'config.json')['transformers.js_config']).to.deep.equal({ dtype: 'fp32' });
    const other = await graftHere(exportArgs('small', 'two', '--pixels'), env);
    expect(other.stderr).to.match(
      /holds onnx\/model_fp16\.onnx, of another run or exported with other flags/,
    );
    expect(other.status).to.equal(2);
  });

  it('lets the file prepare pixels where --pixels asks for it', async () => {
    const own = await graftJsonHere<ExportReport>(exportArgs('small', 'pixels', '--pixels'), env);
    expect(own.inputs).to.deep.equal([
      { name: 'pixel_values', dtype: 'float32', shape: ['batch', 3, 'height', 'width'] },
    ]);
    expect(read('pixels', 'preprocessor_config.json')).to.deep.include({
      ...{
        do_resize: false,
        do_center_crop: false,
        do_normalize: false,
        do_rescale: true,
        rescale_factor: 1,
      },
    });
    const card = readFileSync(at('pixels', 'README.md'), 'utf8');
    expect(card).to.match(/file_name="model\.onnx"[^]*one at a time/);
    const resizes = 'transformers.js resizes images in another way';
    expect(readFileSync(at('hub', 'README.md'), 'utf8')).to.include(resizes);
    expect(card).to.not.include(resizes);
    const { agreement, examples } = { ...own.verified.providers[0]!, examples: own.verified.examples };
    expect(agreement).to.equal(1);
    const verify = ['verify', '--run', at('small'), '--model', own.model];
    expect(await graftJsonHere(verify, env)).to.include({ examples });
    const onIt = ['train', '--backbone', own.model, '--data', at('photos'), '--out', at('on-it')];
    expect((await graftHere(onIt, env)).stderr).to.match(/prepares pixels itself, so that it is no backbone/);
  });

  it('of a text model holds its tokenizer, cut and filled as in training, and names of the libraries', async () => {
    const own = await graftJsonHere<ExportReport>(exportArgs('text-run', 'texts'), env);
    expect(own.inputs.map(({ name, dtype }) => [name, dtype])).to.deep.equal([
      ['input_ids', 'int64'],
      ['attention_mask', 'int64'],
      ['token_type_ids', 'int64'],
    ]);
    const { model } = read('backbone', 'tokenizer.json');
    expect(read('texts', 'tokenizer.json')).to.deep.include({ model });
    expect(read('texts', 'tokenizer_config.json')).to.deep.equal({
      tokenizer_class: 'BertTokenizer',
      pad_token: '[PAD]',
      model_input_names: ['input_ids', 'token_type_ids', 'attention_mask'],
      model_max_length: 24,
      padding_side: 'right',
      truncation_side: 'right',
    });
    expect(read('texts', 'config.json')).to.deep.include({ model_type: 'bert' });
    expect(readFileSync(at('texts', 'README.md'), 'utf8')).to.include('pipeline_tag: text-classification');
    const call = ['predict', 'a great film', '--device', 'cpu', '--model'];
    const [single] = await graftJsonHere<Prediction[]>([...call, texts.model], env);
    const [hub] = await graftJsonHere<Prediction[]>([...call, own.model], env);
    expect(hub!.scores!.good).to.be.closeTo(single!.scores!.good!, 1e-6);
  });

  const ids = (...values: number[]) => int64([1, 4], values);
  const text = {
    input_ids: ids(2, 7, 9, 3),
    attention_mask: ids(1, 1, 1, 1),
    token_type_ids: ids(0, 0, 0, 0),
  };

  it('gives logits of ordered classes whose softmax the probabilities are', async () => {
    const { model } = await graftJsonHere<ExportReport>(exportArgs('ordered', 'hub-ordered'), env);
    const { logits, probabilities } = await outputsOf(model, text);
    for (const [c, p] of softmax(logits!).entries()) expect(p).to.be.closeTo(probabilities![c]!, 1e-6);
    const config = read('hub-ordered', 'config.json');
    expect(config).to.have.property('problem_type', 'single_label_classification');
  });

  it('gives the numbers of a regression as logits, and says that the pipeline of transformers.js spoils them', async () => {
    const { stdout, stderr } = await graftHere([...exportArgs('numbers', 'hub-numbers'), '--json'], env);
    const { logits, values } = await outputsOf((JSON.parse(stdout) as ExportReport).model, text);
    expect(logits).to.deep.equal(values);
    expect(stderr).to.match(/transformers\.js takes a softmax/);
    expect(read('hub-numbers', 'config.json')).to.have.property('problem_type', 'regression');
  });

  it('leaves nothing behind, and all that was there, where the verification fails', async () => {
    mkdirSync(at('kept'));
    writeFileSync(at('kept', 'mine.txt'), 'mine');
    renameSync(at('photos'), at('moved'));
    try {
      for (const out of ['kept', 'new/below']) {
        const { status, stderr } = await graftHere(exportArgs('small', out), env);
        expect(stderr).to.match(/None of the \d+ examples .* is there any more/);
        expect(status).to.equal(1);
      }
    } finally {
      renameSync(at('moved'), at('photos'));
    }
    expect(readdirSync(at('kept'))).to.deep.equal(['mine.txt']);
    expect(existsSync(at('new'))).to.equal(false);
    const { status } = await graftHere(exportArgs('small', 'kept'), env);
    expect(status).to.equal(0);
    expect(readFileSync(at('kept', 'mine.txt'), 'utf8')).to.equal('mine');
  });

  it('tells no figures of an evaluation that is damaged, and says so', async () => {
    for (const [i, content] of [
      '{',
      '{}',
      '{"part":"train","trainCounts":[1],"evaluation":null}',
    ].entries()) {
      writeFileSync(at('small', 'evaluation.json'), content);
      const { status, stderr } = await graftHere(exportArgs('small', `damaged-${i}`), env);
      expect(status, stderr).to.equal(0);
      expect(stderr).to.match(/evaluation\.json is damaged, so the model card tells no figures/);
      expect(readFileSync(at(`damaged-${i}`, 'README.md'), 'utf8')).to.not.include('## Measured');
    }
  });

  it('spares files that no export wrote, a run folder, and names that are no folder', async () => {
    mkdirSync(at('project'));
    writeFileSync(at('project', 'README.md'), 'mine');
    const features = madeUpFeatures({ rows: 30, dim: 4, classCount: 2 });
    writeFeatureFile(at('features.safetensors'), features);
    await trainRun({ features: at('features.safetensors'), out: at('head') });
    for (const [run, out, message] of [
      ['run', 'project', /holds a README\.md that no export wrote/],
      ['run', 'run', /holds a config\.json that no export wrote/],
      ['run', 'spec.json', /spec\.json: a part of the path is a file/],
      ['run', 'model.onnx', /names a model file; name a folder/],
      ['head', 'alone', /a head alone takes no images or texts.*--backbone/],
    ] as const) {
      const { status, stderr } = await graftHere(exportArgs(run, out), env);
      expect(stderr).to.match(message);
      expect(status, out).to.be.oneOf([1, 2]);
    }
    expect(readdirSync(at('project'))).to.deep.equal(['README.md']);
    expect(existsSync(at('alone'))).to.equal(false);
  });
});
