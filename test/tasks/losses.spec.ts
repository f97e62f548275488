import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { massTable } from '../../src/tasks/targets.js';
import type { LossSpec, TaskKind } from '../../src/tasks/task.js';
import { taskOf } from '../../src/tasks/task-of.js';
import { checked, float32 } from '../../src/tensor/tensor.js';

interface Case {
  readonly title: string;
  readonly task: TaskKind;
  readonly outputs: number;
  readonly loss?: LossSpec;
  readonly weighted?: boolean;
}

const cases: readonly Case[] = [
  { title: 'single', task: 'single', outputs: 4 },
  { title: 'single of two classes', task: 'single', outputs: 2 },
  { title: 'single, weighted', task: 'single', outputs: 4, weighted: true },
  { title: 'single, smoothed', task: 'single', outputs: 4, loss: { labelSmoothing: 0.2 } },
  {
    title: 'single, smoothed and weighted',
    task: 'single',
    outputs: 4,
    loss: { labelSmoothing: 0.2 },
    weighted: true,
  },
  { title: 'single, focal', task: 'single', outputs: 4, loss: { focal: 2 } },
  {
    title: 'single, focal below 1 and weighted',
    task: 'single',
    outputs: 3,
    loss: { focal: 0.5 },
    weighted: true,
  },
  { title: 'multi', task: 'multi', outputs: 3 },
  { title: 'multi, weighted', task: 'multi', outputs: 3, weighted: true },
  { title: 'multi, smoothed', task: 'multi', outputs: 3, loss: { labelSmoothing: 0.2 } },
  { title: 'multi, focal and weighted', task: 'multi', outputs: 3, loss: { focal: 1.5 }, weighted: true },
  { title: 'regression', task: 'regression', outputs: 2 },
  { title: 'regression, Huber', task: 'regression', outputs: 2, loss: { huber: 0.7 } },
  { title: 'ordered', task: 'ordered', outputs: 5 },
  { title: 'ordered of two classes', task: 'ordered', outputs: 2 },
  {
    title: 'ordered, smoothed and weighted',
    task: 'ordered',
    outputs: 4,
    loss: { labelSmoothing: 0.1 },
    weighted: true,
  },
];

const rows = 7;

/** Logits, targets and weights that exercise every branch. */
function draw({ task, outputs, weighted }: Case) {
  const rng = createRng(3);
  const { logits: width } = taskOf(task).readout(outputs);
  const logits = Float64Array.from({ length: rows * width }, () => 1.5 * rng.normal());
  // Some examples the model is nearly sure of, rightly and wrongly.
  for (let c = 0; c < width; c++) logits[c] = 9 * rng.normal();
  if (task === 'ordered')
    for (let row = 0; row < rows; row++)
      logits
        .subarray(row * width, (row + 1) * width)
        .sort()
        .reverse();
  const labels = Int32Array.from({ length: rows }, (_, row) => row % outputs);
  const values = Float32Array.from({ length: rows * outputs }, () =>
    task === 'multi' ? rng.integer(2) : rng.normal(),
  );
  const weightCount = task === 'multi' ? 2 * outputs : outputs;
  const classWeights = weighted
    ? Float32Array.from({ length: weightCount }, () => 0.5 + rng.uniform())
    : undefined;
  return { width, logits, labels, values, classWeights };
}

async function exactLoss(setting: Case) {
  const task = taskOf(setting.task);
  const { width, labels, values, classWeights } = draw(setting);
  const builder = new GraphBuilder();
  const { outputs } = setting;
  const logits = builder.input('logits', 'float64', [rows, width]);
  const target = builder.input('target', 'float64', [rows, outputs]);
  const { losses, dLogits } = task.appendExactLoss(builder, {
    logits,
    target,
    outputCount: outputs,
    loss: setting.loss ?? {},
    classWeights,
    precision: 'float64',
  });
  builder.output(losses, 'float64', [rows]);
  builder.output(dLogits, 'float64', [rows, width]);
  const session = await openSession(encodeModel(builder.model()));
  const given =
    task.targetForm === 'label'
      ? values.map((_, i) => (labels[Math.floor(i / outputs)] === i % outputs ? 1 : 0))
      : values;
  const targetValue = checked('float64', [rows, outputs], Float64Array.from(given));
  return {
    async at(z: Float64Array) {
      const run = await session.run({
        [logits]: checked('float64', [rows, width], z),
        [target]: targetValue,
      });
      return { losses: run[losses]!.data as Float64Array, gradient: run[dLogits]!.data as Float64Array };
    },
    release: () => session.release(),
  };
}

async function batchGradient(setting: Case): Promise<Float32Array> {
  const task = taskOf(setting.task);
  const { width, logits, labels, values, classWeights } = draw(setting);
  const { outputs, loss = {} } = setting;
  const builder = new GraphBuilder();
  const z = builder.input('logits', 'float32', [rows, width]);
  const target = builder.input('target', 'float32', [rows, outputs]);
  const masses = massTable(outputs, loss.labelSmoothing, classWeights);
  const given =
    task.targetForm === 'label'
      ? Float32Array.from(
          { length: rows * outputs },
          (_, i) => masses[labels[Math.floor(i / outputs)]! * outputs + (i % outputs)]!,
        )
      : values;
  const activated = task.appendOutputs(builder, z, 2, outputs);
  const gradient = task.appendBatchGradient(
    builder,
    { logits: z, target, outputCount: outputs, loss, classWeights },
    activated,
  );
  builder.output(gradient, 'float32', [rows, width]);
  const session = await openSession(encodeModel(builder.model()));
  try {
    const run = await session.run({
      [z]: float32([rows, width], logits),
      [target]: float32([rows, outputs], given),
    });
    return run[gradient]!.data as Float32Array;
  } finally {
    await session.release();
  }
}

describe('the losses of the tasks', () => {
  for (const setting of cases) {
    it(`have the gradient of finite differences: ${setting.title}`, async () => {
      const { logits, width } = draw(setting);
      const loss = await exactLoss(setting);
      try {
        const { gradient } = await loss.at(logits);
        const step = 1e-5;
        for (let c = 0; c < width; c++) {
          // One column of all rows at once: the loss of a row depends on its own logits alone.
          const moved = (by: number) => loss.at(logits.map((z, i) => (i % width === c ? z + by : z)));
          const [up, down] = [await moved(step), await moved(-step)];
          for (let row = 0; row < rows; row++) {
            const wanted = (up.losses[row]! - down.losses[row]!) / (2 * step);
            expect(gradient[row * width + c], `row ${row}, logit ${c}`).to.be.closeTo(
              wanted,
              1e-7 * (1 + Math.abs(wanted)),
            );
          }
        }
      } finally {
        await loss.release();
      }
    });

    it(`have the same gradient in a mini-batch: ${setting.title}`, async () => {
      const loss = await exactLoss(setting);
      try {
        const { gradient } = await loss.at(draw(setting).logits);
        const found = await batchGradient(setting);
        expect(found).to.have.length(gradient.length);
        found.forEach((value, i) => {
          const wanted = gradient[i]!;
          expect(value, `element ${i}`).to.be.closeTo(wanted, 3e-5 * (1 + Math.abs(wanted)));
        });
      } finally {
        await loss.release();
      }
    });
  }
});
