/** The same training on onnxruntime-web as on onnxruntime-node: in Node, and in a real browser where there is one. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect } from 'chai';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openWebSession } from '../../src/runtime/open-web-session.js';
import { fineTune } from '../../src/train/fine-tune.js';
import type { ActivationSet } from '../../src/train/row-source.js';
import { buildTailGraph } from '../../src/train/tail-step.js';
import { openBrowser } from '../open-browser.js';
import { convolutionalTail, openOnOneThread, randomWeights, taughtSet } from './tail-world.js';

const rows = 60;
/** One batch an epoch: every record is the loss before a step. */
const settings = { epochs: 20, batch: rows, lr: 5e-3, tailLr: 5e-3, warmStart: false, standardize: false };
const tail = convolutionalTail(randomWeights(10));

describe('training a tail on onnxruntime-web', function () {
  this.timeout(60_000);
  let train: ActivationSet;
  let expected: number[];

  before(async () => {
    train = await taughtSet(rows, 1);
    const { history } = await fineTune(tail, train, undefined, settings, openOnOneThread);
    expected = history.map((record) => record.train.loss);
    expect(expected).to.have.length(20);
    expect(expected.at(-1)).to.be.below(0.98 * expected[0]!);
  });

  const expectSame = (losses: readonly number[]): void => {
    expect(losses).to.have.length(20);
    for (const [i, loss] of losses.entries()) expect(loss, `step ${i + 1}`).to.be.closeTo(expected[i]!, 1e-4);
  };

  it('gives the same losses over 20 steps, in Node', async () => {
    const { history } = await fineTune(tail, train, undefined, settings, openWebSession);
    expectSame(history.map((record) => record.train.loss));
  });

  it('gives the same losses over 20 steps, in a browser', async function () {
    const browser = await openBrowser(this);
    const { activations, targets, outputs, gradients, headInputs, weights, depthOf, model } =
      await buildTailGraph(tail, { head: { kind: 'linear' }, task: 'single', outputCount: 3 });
    const values = new Float32Array(rows * train.activations.dim);
    await train.activations.read([...Array(rows).keys()], values);
    const counts = [0, 1, 2].map((label) => train.labels.filter((own) => own === label).length);
    const logShares = counts.map((count) => Math.log(count / rows));
    const prior = logShares.map((share) => share - logShares.reduce((a, b) => a + b) / 3);
    const setup = {
      graph: { activations, targets, outputs, gradients: [...gradients], depthOf: [...depthOf] },
      parameters: [
        ...[...weights].map(([name, { dims, data }]) => [name, dims, [...(data as Float32Array)]]),
        [headInputs.get('head/weight'), [5, 3], new Array(15).fill(0)],
        [headInputs.get('head/bias'), [3], prior],
      ],
      penalized: [headInputs.get('head/weight')],
      labels: [...train.labels],
      values: [...values],
      rates: { ...settings, layerDecay: 1, weightDecay: 0, headDecay: 1 / rows, clipNorm: 1, ema: 0 },
    };
    const server = await serve(new Map([
      ['/', ['text/html', '<!doctype html><title>training</title>']],
      ['/train.js', ['text/javascript', page]],
      ['/setup.json', ['application/json', JSON.stringify(setup)]],
      ['/step.onnx', ['application/octet-stream', encodeModel(model)]],
    ])); // prettier-ignore
    try {
      const tab = await browser.newPage();
      await tab.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      const losses = await tab.evaluate<number[]>("import('/train.js').then(({ run }) => run())");
      expectSame(losses);
    } finally {
      await browser.close();
      server.close();
    }
  });
});

/** What runs in the browser: the project's own loop and optimizer over a session of onnxruntime-web. */
const page = `
import * as ort from '/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs';
import { runFineTuning } from '/src/train/fine-tune-loop.js';
import { tailOptimizer } from '/src/train/tail-optimizer.js';
import { rowsInMemory } from '/src/train/row-source.js';
import { wrapSession } from '/src/runtime/wrap-session.js';

export async function run() {
  const setup = await (await fetch('/setup.json')).json();
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/node_modules/onnxruntime-web/dist/';
  const bytes = new Uint8Array(await (await fetch('/step.onnx')).arrayBuffer());
  const session = await ort.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  const parameters = new Map(
    setup.parameters.map(([name, dims, data]) => [name, { dtype: 'float32', dims, data: Float32Array.from(data) }]),
  );
  const graph = { ...setup.graph, gradients: new Map(setup.graph.gradients) };
  const labels = Int32Array.from(setup.labels);
  const rows = labels.length;
  const { history } = await runFineTuning({
    graph,
    step: wrapSession(session, 'wasm', ort.Tensor),
    parameters,
    optimizer: tailOptimizer(parameters, new Map(setup.graph.depthOf), new Set(setup.penalized), setup.rates),
    train: {
      activations: rowsInMemory(Float32Array.from(setup.values), setup.values.length / rows),
      rows, labels, classes: ['a', 'b', 'c'],
    },
    task: { targetForm: 'label' },
    settings: { loss: {}, warmUp: 0.1, seed: 1, patience: 5, onEpoch() {}, ...setup.rates },
    measure: (outputs, order) => {
      let loss = 0;
      for (let i = 0; i < rows; i++) loss -= Math.log(outputs[3 * i + labels[order[i]]]);
      return { loss: loss / rows };
    },
  });
  return history.map(({ train }) => train.loss);
}
`;

/** @param pages - content type and content by path; /src and /node_modules come from the build and the packages */
async function serve(pages: ReadonlyMap<string, readonly [string, string | Uint8Array]>): Promise<Server> {
  const server = createServer((request, response) => {
    const url = request.url!.split('?')[0]!;
    const known = pages.get(url);
    const isModule = /^\/(src|node_modules\/onnxruntime-web)\/[\w./-]+$/.test(url) && !url.includes('..');
    const file = url.startsWith('/src/') ? path.join('build', url) : `.${url}`;
    if (known) response.writeHead(200, { 'content-type': known[0] }).end(known[1]);
    else if (isModule && existsSync(file)) {
      const type = file.endsWith('.wasm') ? 'application/wasm' : 'text/javascript';
      response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}
