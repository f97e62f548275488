import { expect } from 'chai';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { readModel } from '../../src/onnx/read-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { writeGradients } from '../../src/pipeline/write-gradients.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { checked, float32, int64 } from '../../src/tensor/tensor.js';
import { splitBackbone } from './split-backbone.js';

const folder = mkdtempSync(path.join(tmpdir(), 'graft-gradient-'));
const rng = createRng(5);
const normal = (dims: readonly number[]) =>
  float32(
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => rng.normal()),
  );

/** Word vectors, attention over free lengths, a classifier and its loss, as a file. */
async function textModel(opset: number): Promise<string> {
  const b = new GraphBuilder({ opset });
  const ids = b.input('ids', 'int64', ['batch', 'length']);
  const labels = b.input('labels', 'int64', ['batch']);
  const words = b.constant('words', normal([6, 4]));
  const bias = b.constant('bias', normal([3]));
  const classifier = b.constant('classifier', normal([4, 3]));
  const x = b.op('Gather', [words, ids], { name: 'embedded', attributes: { axis: 0 } });
  const keys = b.op('Transpose', [x], { attributes: { perm: [0, 2, 1] } });
  const attention = b.op('Softmax', [b.op('MatMul', [x, keys])], { attributes: { axis: 2 } });
  const mixed = b.op('MatMul', [attention, x], { name: 'mixed' });
  const last = b.op('Gather', [mixed, b.constant('first', int64([], [0]))], { attributes: { axis: 1 } });
  const logits = b.op('Gemm', [last, classifier, bias], { name: 'logits' });
  b.output(logits, 'float32', ['batch', 3]);
  b.output(b.op('SoftmaxCrossEntropyLoss', [logits, labels], { name: 'loss' }), 'float32', []);
  const file = path.join(folder, `text-${opset}.onnx`);
  await writeModel(b.model(), file);
  return file;
}

describe('writeGradients', () => {
  it('takes every float initializer that reaches the loss, and keeps the outputs', async () => {
    const model = await textModel(17);
    const out = path.join(folder, 'out.onnx');
    const report = await writeGradients({ model, loss: 'loss', out });
    expect(report.gradients.map(({ name, output, shape }) => [name, output, shape])).to.deep.equal([
      ['words', 'grad/words', [6, 4]],
      ['bias', 'grad/bias', [3]],
      ['classifier', 'grad/classifier', [4, 3]],
    ]);
    expect([report.loss, report.isSummed]).to.deep.equal(['loss', false]);
    const session = await openSession(out);
    expect(session.outputNames).to.deep.equal([
      'logits',
      'loss',
      'grad/words',
      'grad/bias',
      'grad/classifier',
    ]);
    // Other sizes than those of the trial run.
    const outputs = await session.run({
      ids: int64([3, 5], Array(15).fill(2)),
      labels: int64([3], [0, 1, 2]),
    });
    await session.release();
    expect(outputs['grad/words']!.dims).to.deep.equal([6, 4]);
    // Only word 2 was seen.
    const rows = [...outputs['grad/words']!.data].map((value) => Number(value) !== 0);
    expect(rows.map((isTouched, i) => isTouched === (i >> 2 === 2))).to.not.include(false);
  });

  it('takes weights that the file holds as constants like initializers', async () => {
    const shapesOf = async (hasConstants: boolean) => {
      const model = path.join(folder, `constants-${hasConstants}.onnx`);
      writeFileSync(model, splitBackbone({ hasConstants }));
      const { gradients } = await writeGradients({ model, out: path.join(folder, 'out.onnx') });
      return gradients.map(({ name, shape }) => [name, shape] as const);
    };
    const shapes = await shapesOf(false);
    expect(shapes.map(([name]) => name)).to.include.members(['last/kernel', 'last/norm/scale', 'fc/bias']);
    expect(await shapesOf(true)).to.have.deep.members(shapes);
  });

  it('agrees with finite differences', async () => {
    const { check } = await writeGradients({
      model: await textModel(13),
      loss: 'loss',
      check: true,
      samples: 20,
    });
    expect(check!.map(({ name }) => name)).to.deep.equal(['words', 'bias', 'classifier']);
    for (const { name, maxRelativeError } of check!) expect(maxRelativeError, name).to.be.below(1e-5);
  });

  it('takes no numbers that a mask is filled with for weights, and checks a fused embedding with its count of tokens', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const [ids, mask] = ['ids', 'mask'].map((name) => b.input(name, 'int32', ['batch', 'length']));
    const weights = { words: [6, 4], places: [9, 4], scale: [4], shift: [4] };
    const tables = Object.entries(weights).map(([name, dims]) => b.constant(name, normal(dims)));
    const [words, places, scale, shift] = tables as [string, string, string, string];
    const [x, count] = b.ops(
      'EmbedLayerNormalization',
      [ids!, '', words, places, '', scale, shift, mask!],
      2,
      {
        domain: 'com.microsoft',
      },
    );
    const qkv = [b.constant('qkv', normal([4, 12])), b.constant('qkvBias', normal([12]))];
    const y = b.op('Attention', [x!, ...qkv, count!], {
      domain: 'com.microsoft',
      attributes: { num_heads: 2 },
    });
    const kept = b.op('Greater', [y, b.scalar(-100)]);
    const hidden = b.constant('hidden', float32([1], [-Infinity]));
    b.output(b.op('Tanh', [b.op('Where', [kept, y, hidden])], { name: 'loss' }), 'float32');
    const model = path.join(folder, 'embedding.onnx');
    await writeModel(
      b.model({
        opsets: new Map([
          ['', 17],
          ['com.microsoft', 1],
        ]),
      }),
      model,
    );
    const { gradients, check } = await writeGradients({ model, check: true });
    expect(gradients.map(({ name }) => name)).to.deep.equal([...Object.keys(weights), 'qkv', 'qkvBias']);
    for (const { name, maxRelativeError } of check!) expect(maxRelativeError, name).to.be.below(1e-4);
  });

  it('refuses to check what draws at random', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.op('Mul', [b.input('x', 'float32', [2, 3]), b.constant('w', normal([3]))]);
    const training = b.constant('training', checked('bool', [], Uint8Array.of(1)));
    b.output(b.op('Dropout', [x, b.scalar(0.5), training], { name: 'loss' }), 'float32', [2, 3]);
    const model = path.join(folder, 'dropout.onnx');
    await writeModel(b.model(), model);
    const error = await writeGradients({ model, check: true }).catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'UNSUPPORTED_MODEL');
    expect((error as Error).message).to.match(/Dropout in training mode.*--check/);
  });

  it('agrees with finite differences for values in between too', async () => {
    const { check, checkTogether } = await writeGradients({
      model: await textModel(17),
      loss: 'loss',
      wrt: ['words', 'embedded', 'mixed'],
      check: true,
    });
    expect(check!.map(({ name, compared }) => [name, compared])).to.deep.equal([
      ['words', 8],
      ['embedded', 8],
      ['mixed', 8],
    ]);
    for (const { name, maxRelativeError } of check!) expect(maxRelativeError, name).to.be.below(1e-5);
    expect(checkTogether!.relativeError).to.be.below(1e-4);
  });

  it('begins no further element when the time is over, and tells what was compared', async () => {
    const model = await textModel(13);
    const { check } = await writeGradients({ model, loss: 'loss', check: true, timeMs: 0 });
    expect(check!.map(({ compared, kinks }) => compared + kinks).sort()).to.deep.equal([0, 0, 1]);
    const { check: whole } = await writeGradients({ model, loss: 'loss', check: true });
    expect(whole!.map(({ compared }) => compared)).to.deep.equal([8, 3, 8]);
  });

  it('hears Ctrl-C in the midst of a check, and then writes nothing', async () => {
    const out = path.join(folder, 'stopped.onnx');
    const stop = new AbortController();
    setTimeout(() => stop.abort());
    const error = await writeGradients(
      { model: await textModel(13), loss: 'loss', check: true, samples: 1000, out },
      { signal: stop.signal },
    ).then(
      () => new Error('it went on to the end'),
      (reason: Error) => reason,
    );
    expect(error).to.have.property('code', 'INTERRUPTED');
    expect(existsSync(out)).to.equal(false);
  });

  it('makes the loss an output, and says that its sum is differentiated where it is no scalar', async () => {
    const model = await textModel(17);
    const out = path.join(folder, 'mixed.onnx');
    const said: string[] = [];
    const logger = { info: (text: string) => said.push(text), warn: () => {} };
    const report = await writeGradients(
      { model, loss: 'mixed', wrt: ['words', 'embedded'], out },
      { logger },
    );
    expect(report.isSummed).to.equal(true);
    expect(said.join()).to.match(/"mixed" is \[2,8,4\]; its sum/);
    const { graph } = await readModel(out);
    expect(graph.outputs.map(({ name }) => name)).to.include.members([
      'mixed',
      'grad/words',
      'grad/embedded',
    ]);
  });

  it('raises a model of an older operator set where a gradient needs it', async () => {
    const b = new GraphBuilder({ opset: 11 });
    const x = b.constant('x', normal([2, 3]));
    const scaled = b.op('Mul', [x, b.input('s', 'float32', [1])]);
    const pads = b.constant('pads', int64([4], [0, 1, 0, 2]));
    b.output(b.op('Pad', [scaled, pads], { name: 'padded', attributes: { mode: 'reflect' } }), 'float32');
    const model = path.join(folder, 'old.onnx');
    await writeModel(b.model(), model);
    const out = path.join(folder, 'raised.onnx');
    const report = await writeGradients({ model, out, check: true });
    expect((await readModel(out)).opsets.get('')).to.equal(16);
    expect(report.check![0]!.maxRelativeError).to.be.below(1e-5);
  });

  it('refuses unknown names and asks which of several outputs is the loss', async () => {
    const model = await textModel(17);
    const refusal = async (options: object): Promise<string> =>
      writeGradients({ model, ...options }).then(
        () => 'none',
        (error: Error) => error.message,
      );
    expect(await refusal({ loss: 'lss' })).to.match(/holds no value "lss".*loss/);
    expect(await refusal({ loss: 'loss', wrt: ['word'] })).to.match(/holds no value "word".*words/);
    expect(await refusal({})).to.match(/2 outputs \(logits, loss\).*--loss/);
    expect(await refusal({ loss: 'loss', inputShapes: new Map([['id', [1, 2]]]) })).to.match(
      /no input "id".*ids, labels/,
    );
  });
});
