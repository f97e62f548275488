/**
 * One epoch of AdamW against two peers, in turns on the same machine:
 *   - the bare matrix products of the epoch (X W and dYᵀ X) in ONNX Runtime: at least 60 % of their speed is required;
 *   - PyTorch on the CPU, in a process of its own: at most half its time is the goal.
 *
 * Beside the clock, the processor time of each is told: on a machine that others use too, it is the fairer measure
 * (with --threads 1, as threads that wait for each other spin).
 *
 *   node build/bench/train-adamw.js [--rounds 7] [--threads N] [--python /usr/bin/python3] [--json]
 */
import { parseArgs } from 'node:util';
import type { HeadSpec } from '../src/heads/head.js';
import { GraphBuilder } from '../src/onnx/graph-builder.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { createRng } from '../src/rng.js';
import { openSession } from '../src/runtime/open-session.js';
import type { Session } from '../src/runtime/session.js';
import { float32 } from '../src/tensor/tensor.js';
import type { FeatureSet } from '../src/train/feature-set.js';
import { trainHead } from '../src/train/train-head.js';
import { median, startPeer } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string' },
    python: { type: 'string', default: '/usr/bin/python3' },
    only: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});

const threads = flags.threads === undefined ? {} : { threads: Number(flags.threads) };

/** Seconds by the clock and of processor time. */
interface Times {
  readonly wall: number;
  readonly cpu: number;
}

function stopwatch(): () => Times {
  const [started, before] = [performance.now(), process.cpuUsage()];
  return () => {
    const { user, system } = process.cpuUsage(before);
    return { wall: (performance.now() - started) / 1000, cpu: (user + system) / 1e6 };
  };
}

interface Case {
  readonly rows: number;
  readonly dim: number;
  readonly classes: number;
  readonly batch: number;
  readonly head: HeadSpec;
  /** Widths from features to classes: the matrix products are between neighbours. */
  readonly widths: readonly number[];
}

const linear = (rows: number, dim: number, classes: number, batch: number): Case => ({
  rows,
  dim,
  classes,
  batch,
  head: { kind: 'linear' },
  widths: [dim, classes],
});
const cases: readonly Case[] = [
  linear(16384, 1280, 100, 256),
  linear(16384, 384, 2, 32),
  {
    ...linear(16384, 768, 20, 256),
    head: { kind: 'mlp', hidden: [512], activation: 'relu', dropout: 0 },
    widths: [768, 512, 20],
  },
];

function drawSet({ rows, dim, classes }: Case): FeatureSet {
  const rng = createRng(1);
  return {
    rows,
    dim,
    features: Float32Array.from({ length: rows * dim }, () => rng.uniform() - 0.5),
    labels: Int32Array.from({ length: rows }, () => rng.integer(classes)),
    classes: Array.from({ length: classes }, (_, i) => String(i)),
  };
}

/**
 * The products of one batch as two nodes a layer; the first layer needs no gradient of its input. Their fastest form: the gradient
 * of W as dYᵀ X with dYᵀ given, a sixth sooner than Xᵀ dY, whose left side is turned first (a step would have to turn dY and to
 * keep W turned).
 */
async function openProducts({ widths }: Case): Promise<Session> {
  const builder = new GraphBuilder();
  for (let i = 0; i + 1 < widths.length; i++) {
    const [from, to] = [widths[i]!, widths[i + 1]!];
    const x = builder.input(`x${i}`, 'float32', ['batch', from]);
    const w = builder.input(`w${i}`, 'float32', [from, to]);
    const dYTurned = builder.input(`dyt${i}`, 'float32', [to, 'batch']);
    builder.output(builder.op('MatMul', [x, w]), 'float32', ['batch', to], `y${i}`);
    builder.output(builder.op('MatMul', [dYTurned, x]), 'float32', [to, from], `dw${i}`);
    if (i > 0) {
      const dY = builder.input(`dy${i}`, 'float32', ['batch', to]);
      const dX = builder.op('Gemm', [dY, w], { attributes: { transB: 1 } });
      builder.output(dX, 'float32', ['batch', from], `dx${i}`);
    }
  }
  return openSession(encodeModel(builder.model()), threads);
}

async function timeProducts(
  session: Session,
  { rows, batch, widths }: Case,
  set: FeatureSet,
): Promise<Times> {
  const feeds: Record<string, ReturnType<typeof float32>> = {};
  const into: Record<string, ReturnType<typeof float32>> = {};
  const zeros = (...dims: number[]) => float32(dims, new Float32Array(dims.reduce((a, b) => a * b)));
  for (let i = 0; i + 1 < widths.length; i++) {
    const [from, to] = [widths[i]!, widths[i + 1]!];
    feeds[`x${i}`] = zeros(batch, from);
    feeds[`w${i}`] = zeros(from, to);
    feeds[`dyt${i}`] = zeros(to, batch);
    into[`y${i}`] = zeros(batch, to);
    into[`dw${i}`] = zeros(to, from);
    if (i > 0) {
      feeds[`dy${i}`] = zeros(batch, to);
      into[`dx${i}`] = zeros(batch, from);
    }
  }
  const read = stopwatch();
  for (let row = 0; row < rows; row += batch) {
    feeds.x0 = float32([batch, set.dim], set.features.subarray(row * set.dim, (row + batch) * set.dim));
    await session.run(feeds, into);
  }
  return read();
}

/** The second epoch: the first one also warms up. */
async function timeEpoch({ head, batch }: Case, set: FeatureSet): Promise<Times> {
  let read = stopwatch();
  let times: Times = { wall: 0, cpu: 0 };
  await trainHead(set, undefined, {
    ...threads,
    head,
    batch,
    solver: 'adamw',
    l2: 1e-4 * set.rows,
    epochs: 2,
    standardize: false,
    onEpoch: () => {
      times = read();
      read = stopwatch();
    },
  });
  return times;
}

const fastest = (rounds: readonly Round[], key: keyof Round) =>
  Math.min(...rounds.map((round) => round[key].wall));

/** Beside the medians the ratio of the fastest rounds: PyTorch's threads spin, and slow down much where others take a core. */
const ratios = (rounds: readonly Round[], a: keyof Round, b: keyof Round) => ({
  wall: median(rounds.map((round) => round[a].wall / round[b].wall)),
  cpu: median(rounds.map((round) => round[a].cpu / round[b].cpu)),
  best: fastest(rounds, a) / fastest(rounds, b),
});
type Round = Readonly<Record<'epoch' | 'products' | 'torch', Times>>;

const results: object[] = [];
for (const setting of cases) {
  const title = `${setting.rows} x ${setting.widths.join(' -> ')}, batch ${setting.batch}`;
  if (flags.only !== undefined && !title.includes(flags.only)) continue;
  const set = drawSet(setting);
  const session = await openProducts(setting);
  const { rows, dim, classes, batch, widths } = setting;
  const peer = await startPeer(flags.python, 'torch_adamw.py', [
    rows,
    dim,
    classes,
    batch,
    ...widths.slice(1, -1),
  ]);
  const rounds: Round[] = [];
  for (let i = 0; i < Number(flags.rounds); i++) {
    const products = await timeProducts(session, setting, set);
    const epoch = await timeEpoch(setting, set);
    const [wall = Number.NaN, cpu = Number.NaN] = peer ? (await peer.round()).split(' ').map(Number) : [];
    rounds.push({ epoch, products, torch: { wall, cpu } });
  }
  peer?.close();
  await session.release();
  const shareOfProducts = ratios(rounds, 'products', 'epoch');
  const timesTorch = ratios(rounds, 'epoch', 'torch');
  results.push({ title, shareOfProducts, timesTorch, torch: peer?.version ?? null, rounds });
  if (flags.json) continue;
  const ms = (key: keyof Round) =>
    `${(1000 * fastest(rounds, key)).toFixed(0)} ms (cpu ${(1000 * Math.min(...rounds.map((round) => round[key].cpu))).toFixed(0)})`;
  console.log(`${title}: epoch ${ms('epoch')}, bare products ${ms('products')}, PyTorch ${ms('torch')}`);
  console.log(
    `  ${(100 * shareOfProducts.wall).toFixed(0)} % of the speed of the products by the clock, ${(100 * shareOfProducts.cpu).toFixed(0)} % by processor time; >= 60 required`,
  );
  console.log(
    peer
      ? `  ${timesTorch.wall.toFixed(2)}x the time of PyTorch ${peer.version} by the clock (${timesTorch.best.toFixed(2)}x in the fastest rounds), ${timesTorch.cpu.toFixed(2)}x by processor time; <= 0.5 wanted`
      : '  no PyTorch here',
  );
}
if (flags.json) console.log(JSON.stringify(results, null, 2));
