/**
 * One epoch of fine-tuning a convolutional tail, forward, backward and AdamW, against the same in PyTorch on the CPU.
 *
 * The two take turns, round after round, with as many threads each and the same weights and data; the sums of their
 * losses must agree. At most 1.3 times PyTorch's time is required.
 *
 *   node build/bench/tail-epoch.js [--python /usr/bin/python3] [--tail NAME] [--threads 2] [--rounds 5] [--batches 8] [--json]
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { differentiate } from '../src/autodiff/differentiate.js';
import { convolutionsAsProducts } from '../src/autodiff/convolution-forms/convolutions-as-products.js';
import { GraphBuilder } from '../src/onnx/graph-builder.js';
import { toTensor } from '../src/onnx/initializer.js';
import { tensorValue } from '../src/onnx/ir.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { adamwState, adamwStep } from '../src/optim/adamw.js';
import { createRng } from '../src/rng.js';
import { openSession } from '../src/runtime/open-session.js';
import { probeShapes } from '../src/runtime/probe-shapes.js';
import { sizeOf } from '../src/tensor/shape.js';
import { float32, type Tensor } from '../src/tensor/tensor.js';

const { values: flags } = parseArgs({
  options: {
    python: { type: 'string', default: '/usr/bin/python3' },
    tail: { type: 'string' },
    threads: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    batches: { type: 'string', default: '8' },
    json: { type: 'boolean', default: false },
    /** Write the training step to FILE and stop. */
    dump: { type: 'string' },
  },
});
const [threads, rounds, batches] = [flags.threads, flags.rounds, flags.batches].map(Number) as [
  number,
  number,
  number,
];
const batch = 32;
const classCount = 10;
const opset = 17;

type Layer =
  | { readonly kind: 'conv'; readonly in: number; readonly out: number; readonly kernel: number; readonly stride: number; readonly groups: number; readonly bias?: boolean }
  | { readonly kind: 'batchNorm'; readonly channels: number }
  | { readonly kind: 'relu' | 'relu6' | 'leakyRelu' | 'pool' }
  | { readonly kind: 'linear'; readonly in: number; readonly out: number }
  | { readonly kind: 'shuffle'; readonly channels: number; readonly body: readonly Layer[] }
  | { readonly kind: 'residual'; readonly body: readonly Layer[]; readonly shortcut: readonly Layer[] }; // prettier-ignore

const convolution = (from: number, to: number, kernel: number, stride = 1, groups = 1): Layer[] => [
  { kind: 'conv', in: from, out: to, kernel, stride, groups },
  { kind: 'batchNorm', channels: to },
];

function invertedResidual(from: number, to: number, stride: number): Layer[] {
  const wide = from * 6;
  const body: Layer[] = [
    ...convolution(from, wide, 1),
    { kind: 'relu6' },
    ...convolution(wide, wide, 3, stride, wide),
    { kind: 'relu6' },
    ...convolution(wide, to, 1),
  ];
  return stride === 1 && from === to ? [{ kind: 'residual', body, shortcut: [] }] : body;
}

function basicBlock(from: number, to: number, stride: number): Layer[] {
  const body: Layer[] = [...convolution(from, to, 3, stride), { kind: 'relu' }, ...convolution(to, to, 3)];
  const shortcut = from === to ? [] : convolution(from, to, 1, stride);
  return [{ kind: 'residual', body, shortcut }, { kind: 'relu' }];
}

function bottleneck(from: number, wide: number, to: number): Layer[] {
  const body: Layer[] = [
    ...convolution(from, wide, 1),
    { kind: 'relu' },
    ...convolution(wide, wide, 3),
    { kind: 'relu' },
    ...convolution(wide, to, 1),
  ];
  return [{ kind: 'residual', body, shortcut: [] }, { kind: 'relu' }];
}

/** Half of the channels pass, the others go through the body; then all are shuffled. Batch norm is folded. */
function shuffleUnit(channels: number): Layer[] {
  const half = channels / 2;
  const conv = (kernel: number, groups: number): Layer => ({
    ...{ kind: 'conv', in: half, out: half, kernel, stride: 1, groups, bias: true },
  });
  const body: Layer[] = [conv(1, 1), { kind: 'leakyRelu' }, conv(3, half), conv(1, 1), { kind: 'leakyRelu' }];
  return [{ kind: 'shuffle', channels, body }];
}

interface Tail {
  readonly name: string;
  readonly input: readonly number[];
  readonly layers: readonly Layer[];
}

const head = (channels: number): Layer[] => [
  { kind: 'pool' },
  { kind: 'linear', in: channels, out: classCount },
];

const allTails: readonly Tail[] = [
  {
    name: 'inverted residuals (the last stage of MobileNetV2)',
    input: [96, 14, 14],
    layers: [
      ...invertedResidual(96, 160, 2),
      ...invertedResidual(160, 160, 1),
      ...invertedResidual(160, 320, 1),
      ...convolution(320, 1280, 1),
      { kind: 'relu6' },
      ...head(1280),
    ],
  },
  {
    name: 'residual blocks (the last stage of ResNet-18)',
    input: [256, 14, 14],
    layers: [...basicBlock(256, 512, 2), ...basicBlock(512, 512, 1), ...head(512)],
  },
  {
    name: 'bottlenecks (the last blocks of ResNet-50)',
    input: [2048, 7, 7],
    layers: [...bottleneck(2048, 512, 2048), ...head(2048)],
  },
  {
    name: 'shuffle units (NanoDet from tensor 658)',
    input: [464, 13, 13],
    layers: [...shuffleUnit(464), ...shuffleUnit(464), ...head(464)],
  },
];
const tails = allTails.filter(({ name }) => name.includes(flags.tail ?? ''));

/** Writes the tail with random weights; parameters in PyTorch's order. */
function buildTail(tail: Tail) {
  const { input, layers } = tail;
  const builder = new GraphBuilder({ opset });
  const rng = createRng(1);
  const parameters: string[] = [];
  const parameter = (name: string, dims: readonly number[], spread: number, centre = 0): string => {
    const data = Float32Array.from({ length: sizeOf(dims) }, () => centre + spread * rng.normal());
    const value = builder.constant(name, float32(dims, data));
    parameters.push(value);
    return value;
  };
  const append = (list: readonly Layer[], x: string): string =>
    list.reduce((value, layer) => one(layer, value), x);
  const one = (layer: Layer, x: string): string => {
    switch (layer.kind) {
      case 'conv': {
        const fan = (layer.in / layer.groups) * layer.kernel ** 2;
        const w = parameter('conv/weight', [layer.out, layer.in / layer.groups, layer.kernel, layer.kernel], Math.sqrt(2 / fan)); // prettier-ignore
        const attributes = {
          strides: [layer.stride, layer.stride],
          pads: [0, 0, 0, 0].fill(layer.kernel >> 1),
          group: layer.groups,
        };
        const operands = layer.bias ? [x, w, parameter('conv/bias', [layer.out], 0.05)] : [x, w];
        return builder.op('Conv', operands, { name: 'conv', attributes });
      }
      case 'batchNorm': {
        const [scale, bias] = [parameter('norm/scale', [layer.channels], 0.1, 1), parameter('norm/bias', [layer.channels], 0.1)];
        const fixed = (value: number) => builder.constant('norm/fixed', float32([layer.channels], new Float32Array(layer.channels).fill(value)));
        return builder.op('BatchNormalization', [x, scale, bias, fixed(0), fixed(1)], { name: 'norm' });
      } // prettier-ignore
      case 'relu':
        return builder.op('Relu', [x], { name: 'relu' });
      case 'relu6':
        return builder.op('Clip', [x, builder.scalar(0), builder.scalar(6)], { name: 'relu6' });
      case 'leakyRelu':
        return builder.op('LeakyRelu', [x], { name: 'leaky_relu', attributes: { alpha: { float: 0.1 } } });
      case 'shuffle': {
        const half = layer.channels / 2;
        const side = tail.input[1]!;
        const [left, right] = builder.ops('Split', [x, builder.ints([half, half])], 2, { name: 'half', attributes: { axis: 1 } }) as [string, string];
        const joined = builder.op('Concat', [left, append(layer.body, right)], { name: 'joined', attributes: { axis: 1 } });
        const groups = builder.op('Reshape', [joined, builder.ints([-1, 2, half, side, side])], { name: 'groups' });
        const swapped = builder.op('Transpose', [groups], { name: 'swapped', attributes: { perm: [0, 2, 1, 3, 4] } });
        return builder.op('Reshape', [swapped, builder.ints([-1, layer.channels, side, side])], { name: 'shuffled' });
      } // prettier-ignore
      case 'pool':
        return builder.op('Flatten', [builder.op('GlobalAveragePool', [x], { name: 'pool' })], {
          name: 'flat',
        });
      case 'linear': {
        const w = parameter('linear/weight', [layer.out, layer.in], 0.05);
        return builder.op('Gemm', [x, w, parameter('linear/bias', [layer.out], 0.05)], { name: 'linear', attributes: { transB: 1 } });
      } // prettier-ignore
      case 'residual': {
        const body = append(layer.body, x);
        return builder.op('Add', [body, append(layer.shortcut, x)], { name: 'sum' });
      }
    }
  };
  const logits = append(layers, builder.input('x', 'float32', ['n', ...input]));
  const targets = builder.input('targets', 'float32', ['n', classCount]);
  const logProbabilities = builder.op('LogSoftmax', [logits], { attributes: { axis: 1 } });
  const rows = builder.op('ReduceSum', [builder.op('Mul', [targets, logProbabilities]), builder.ints([1])], { attributes: { keepdims: 0 } }); // prettier-ignore
  const loss = builder.op('Neg', [builder.op('ReduceMean', [rows], { attributes: { keepdims: 0 } })], {
    name: 'loss',
  });
  builder.output(loss, 'float32', []);
  return { builder, parameters, loss };
}

interface Trainer {
  readonly version: string;
  epoch(): Promise<{ readonly seconds: number; readonly cpu: number; readonly loss: number }>;
  close(): Promise<void>;
}

interface Data {
  readonly images: readonly Float32Array[];
  readonly labels: readonly Float32Array[];
}

async function openOurs(tail: Tail, built: ReturnType<typeof buildTail>, data: Data): Promise<Trainer> {
  const { builder, parameters, loss } = built;
  const inputDims = new Map([['x', [batch, ...tail.input]], ['targets', [batch, classCount]]]); // prettier-ignore
  const probed = await probeShapes(builder.model(), { inputDims });
  const forward = convolutionsAsProducts(builder.graph(), probed, opset);
  const { graph, gradients } = differentiate(forward.graph, {
    loss,
    parameters,
    shapes: forward.shapes,
    opset,
  });
  const weights: Record<string, Tensor> = {};
  for (const name of parameters) {
    const tensor = toTensor(graph.initializers.get(name)!);
    weights[name] = float32(tensor.dims, Float32Array.from(tensor.data as Float32Array));
  }
  const step = {
    ...graph,
    inputs: [...graph.inputs, ...parameters.map((name) => tensorValue(name, 'float32', weights[name]!.dims))],
    initializers: new Map([...graph.initializers].filter(([name]) => !parameters.includes(name))),
  };
  const model = encodeModel(builder.model({ graph: step }));
  if (flags.dump) {
    await writeFile(flags.dump, model);
    process.exit(0);
  }
  const session = await openSession(model, { threads });
  const states = new Map(parameters.map((name) => [name, adamwState(sizeOf(weights[name]!.dims))]));
  const targets = data.labels.map((labels) => {
    const rows = new Float32Array(batch * classCount);
    for (const [i, label] of labels.entries()) rows[i * classCount + label] = 1;
    return rows;
  });
  return {
    version: 'onnxruntime-node',
    async epoch() {
      const [started, before] = [performance.now(), process.cpuUsage()];
      let total = 0;
      for (const [i, image] of data.images.entries()) {
        const outputs = await session.run({
          ...weights,
          x: float32([batch, ...tail.input], image),
          targets: float32([batch, classCount], targets[i]!),
        });
        for (const name of parameters) {
          const gradient = outputs[gradients.get(name)!]!.data as Float32Array;
          adamwStep(weights[name]!.data as Float32Array, gradient, states.get(name)!, { lr: 1e-3 });
        }
        total += Number(outputs[loss]!.data[0]);
      }
      const { user, system } = process.cpuUsage(before);
      return { seconds: (performance.now() - started) / 1000, cpu: (user + system) / 1e6, loss: total };
    },
    close: () => session.release(),
  };
}

async function openTheirs(tail: Tail, built: ReturnType<typeof buildTail>, data: Data, folder: string): Promise<Trainer> {
  const arrays = built.parameters.map((name) => toTensor(built.builder.initializers.get(name)!).data as Float32Array);
  const weights = path.join(folder, 'weights.bin');
  const parts = [...arrays, ...data.images, ...data.labels];
  await writeFile(weights, Buffer.concat(parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength))));
  const script = path.resolve('bench/tail-epoch.py');
  const child: ChildProcessWithoutNullStreams = spawn(flags.python, [script], { stdio: ['pipe', 'pipe', 'inherit'] as never });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (line: string): Promise<Record<string, never>> => {
    child.stdin.write(`${line}\n`);
    const answer = await lines.next();
    if (answer.done) throw new Error(`${flags.python} ended without an answer; does it have torch?`);
    return JSON.parse(answer.value) as Record<string, never>;
  };
  const setup = { layers: tail.layers, weights, threads, batches, batch, input: tail.input };
  const { version } = await ask(JSON.stringify(setup));
  return {
    version: `PyTorch ${String(version)}`,
    epoch: async () => ask('epoch') as unknown as ReturnType<Trainer['epoch']>,
    async close() {
      child.stdin.end();
    },
  };
} // prettier-ignore

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const results: object[] = [];
for (const tail of tails) {
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
  try {
    const rng = createRng(2);
    const data: Data = {
      images: Array.from({ length: batches }, () =>
        Float32Array.from({ length: batch * sizeOf(tail.input) }, () => Math.max(0, rng.normal())),
      ),
      labels: Array.from({ length: batches }, () => Float32Array.from({ length: batch }, () => rng.integer(classCount))),
    }; // prettier-ignore
    const built = buildTail(tail);
    const [ours, theirs] = [await openOurs(tail, built, data), await openTheirs(tail, built, data, folder)];
    const measured: { readonly ours: number; readonly theirs: number; readonly cpuRatio: number }[] = [];
    for (let round = 0; round <= rounds; round++) {
      const [a, b] = [await ours.epoch(), await theirs.epoch()];
      if (round === 0 && Math.abs(a.loss - b.loss) > 2e-3 * Math.abs(b.loss))
        throw new Error(`the losses of the first epoch differ: ${a.loss} and ${b.loss}`);
      // The first round warms both up.
      if (round > 0) measured.push({ ours: a.seconds, theirs: b.seconds, cpuRatio: a.cpu / b.cpu });
    }
    await ours.close();
    await theirs.close();
    const [mine, peer] = [median(measured.map((m) => m.ours)), median(measured.map((m) => m.theirs))];
    const ratio = median(measured.map((m) => m.ours / m.theirs));
    const cpuRatio = median(measured.map((m) => m.cpuRatio));
    results.push({ tail: tail.name, batches, batch, threads, seconds: mine, peer: theirs.version, peerSeconds: peer, ratio, cpuRatio });
    if (!flags.json)
      console.log(
        `${tail.name}: ${mine.toFixed(2)} s, ${theirs.version} ${peer.toFixed(2)} s an epoch of ${batches} x ${batch}: ratio ${ratio.toFixed(2)} (processor time ${cpuRatio.toFixed(2)})`,
      );
    if (ratio > 1.3) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
} // prettier-ignore
if (flags.json) console.log(JSON.stringify(results, null, 2));
