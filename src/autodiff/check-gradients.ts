/**
 * Compares the gradients of a model with central differences of the same function in float64.
 *
 * The analytic gradients run as they are shipped, in float32; the differences run on `toFloat64(model)`, where their
 * error is about 1e-10 of the loss. The float64 loss is compared with the float32 one too, so that a fault in the
 * float64 form of an operator is seen as such. A loss of several elements is weighted at random, as the gradients of its
 * plain sum may all be nothing (of a softmax, for one).
 */
import { GraftError } from '../errors.js';
import { cutModel } from '../graph/cut-model.js';
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { valueDtype } from '../graph/value-dtype.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import type { Graph, Model } from '../onnx/ir.js';
import { createRng, type Rng } from '../rng.js';
import { openModel } from '../runtime/open-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import type { TensorMap } from '../runtime/session.js';
import { formatShape, sizeOf } from '../tensor/shape.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { centralDifference } from './central-difference.js';
import { checkDirection, type DirectionCheck } from './check-direction.js';
import { differentiate } from './differentiate.js';
import type { GradientRule } from './gradient-rule.js';
import { openParameters, uniqueName } from './open-parameters.js';
import { randomFeeds } from './random-feeds.js';
import { double, toDouble, toFloat64 } from './to-float64.js';
import { type Compared, type GradientCheck, largestOf, worstDifference } from './worst-difference.js';

export type { DirectionCheck } from './check-direction.js';
export type { GradientCheck } from './worst-difference.js';

export interface CheckGradientsOptions {
  /** A value of the model. */
  readonly loss: string;
  /** Inputs, initializers or values in between, float32 or float64. */
  readonly parameters: readonly string[];
  /** Inputs to use; the others are drawn at random with the sizes of `inputDims`: normal floats, integers 0 and 1. */
  readonly feeds?: TensorMap;
  readonly inputDims?: ReadonlyMap<string, readonly number[]>;
  /** Most elements of each parameter that are compared, at random where there are more. Default: up to 8, as time allows. */
  readonly samples?: number;
  /**
   * After this time no further element is begun, so that some parameters may have none compared; it counts from the call.
   * Default: a minute, or as long as it takes where `samples` are given.
   */
  readonly timeMs?: number;
  readonly seed?: number;
  /** Relative error above which parameters are suspected, and looked at first. */
  readonly tolerance?: number;
  readonly rules?: readonly GradientRule[];
  readonly signal?: AbortSignal | undefined;
}

export interface CheckedGradients {
  /** What is found of each parameter by its elements, in their order. */
  readonly parameters: readonly GradientCheck[];
  /** All of them along one random direction; undefined where that leads over kinks, or no gradient is other than 0. */
  readonly together?: DirectionCheck;
}

/** @throws GraftError INTERRUPTED, and VERIFICATION_FAILED where the float64 model computes another loss than the float32 one. */
export async function checkGradients(
  source: Model,
  {
    loss,
    parameters,
    feeds = {},
    inputDims,
    samples,
    seed = 1,
    rules,
    signal,
    tolerance = 1e-3,
    ...limits
  }: CheckGradientsOptions,
): Promise<CheckedGradients> {
  const { timeMs = samples === undefined ? 60_000 : Number.POSITIVE_INFINITY } = limits;
  const deadline = performance.now() + timeMs;
  const rng = createRng(seed);
  const model = cutModel(dropInitializerInputs(source), [loss]);
  const inputs = randomFeeds(model.graph.inputs, feeds, inputDims, rng);
  const dims = new Map(Object.entries(inputs).map(([name, tensor]) => [name, tensor.dims]));
  const shapes = await probeShapes(model, { inputDims: dims, feeds: inputs });
  const weighting = drawWeighting(shapes.get(loss)!, rng);
  const analytic = await analyticGradients(model, { loss, parameters, shapes, inputs, weighting, rules });

  const narrow = new Map(
    parameters.map((name) => {
      const initializer = model.graph.initializers.get(name);
      const fed = inputs[name] ?? (initializer && toTensor(initializer));
      return [name, fed ?? float32(shapes.get(name)!, new Float32Array(sizeOf(shapes.get(name)!)))];
    }),
  );
  // Copies, also of float64, since they are moved.
  const values = new Map(
    [...narrow].map(([name, tensor]) => [name, double(tensor.dims, toDouble(tensor).data as Float64Array)]),
  );
  const opened = openParameters(model, parameters, shapes);
  const wide = toFloat64(opened.model, { shapes: opened.shapes });
  const session = await openModel(wide, { optimization: 'basic' });
  try {
    const point: Record<string, Tensor> = {};
    for (const name of session.inputNames) {
      point[name] = values.get(opened.shiftOf.get(name) ?? name) ?? toDouble(inputs[name]!);
    }
    const run = async (): Promise<Weighted> => {
      // Runs follow one another without a turn of the event loop, in which alone Ctrl-C is heard.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal?.aborted) throw new GraftError('INTERRUPTED', 'The check was stopped; nothing was written.');
      return weigh((await session.run(point))[loss]!, weighting);
    };
    const here = await run();
    compareLosses(here, analytic.loss);
    const isOver = (): boolean => performance.now() > deadline;
    const together = await checkDirection(
      [...values].map(([name, { data }]) => {
        const before = narrow.get(name)!.data as Float32Array;
        return { name, gradient: analytic.gradients.get(name)!, data: data as Float64Array, before };
      }),
      {
        evaluate: async () => (await run()).total,
        ...{ here: here.total, magnitude: here.magnitude },
        ...{ rng, tolerance, hasTime: () => !isOver() },
      },
    );
    const compared = [...values].map(([name, { dims, data }]) => {
      const gradient = analytic.gradients.get(name)!;
      const wanted = chooseElements(sizeOf(dims), samples ?? usualSamples, rng);
      const found: Compared = { name, shape: dims, gradient, elements: [], differences: [], kinks: 0 };
      const isSuspect = together?.suspects.includes(name) === true;
      return {
        found,
        wanted,
        isSuspect,
        data: data as Float64Array,
        tolerance: 1e-4 * largestOf(gradient.data),
      };
    });
    for (const { row, i } of inTurns(compared, rng)) {
      const { found, data, tolerance } = row;
      const slope = await centralDifference(data, i, {
        evaluate: async () => (await run()).total,
        here: here.total,
        magnitude: here.magnitude,
        tolerance,
      });
      if (slope === undefined) found.kinks++;
      else {
        found.elements.push(i);
        found.differences.push(slope);
      }
      if (isOver()) break;
    }
    const largest = Math.max(...compared.map(({ found }) => largestOf(found.differences)));
    const checked = compared.map(({ found }) => worstDifference(found, largest));
    return { parameters: checked, ...(together && { together }) };
  } finally {
    await session.release();
  }
}

const usualSamples = 8;

/** One element of every parameter, then another one of each, …: the suspected parameters first, then the others at random, as the time may end before all had one. */
function* inTurns<Row extends { readonly wanted: readonly number[]; readonly isSuspect: boolean }>(
  rows: readonly Row[],
  rng: Rng,
): Generator<{ readonly row: Row; readonly i: number }> {
  const drawn = rng.shuffle([...rows]);
  const order = [
    ...drawn.filter(({ isSuspect }) => isSuspect),
    ...drawn.filter(({ isSuspect }) => !isSuspect),
  ];
  const most = Math.max(...rows.map(({ wanted }) => wanted.length));
  for (let turn = 0; turn < most; turn++) {
    for (const row of order) {
      const i = row.wanted[turn];
      if (i !== undefined) yield { row, i };
    }
  }
}

/** 1 for a scalar, else normal numbers in the shape of the loss. */
function drawWeighting(shape: readonly number[], rng: Rng): Tensor {
  const count = sizeOf(shape);
  return float32(
    shape,
    Array.from({ length: count }, () => (count === 1 ? 1 : rng.normal())),
  );
}

interface Weighted {
  readonly total: number;
  /** Sum of the magnitudes of what `total` is the sum of. */
  readonly magnitude: number;
}

function weigh({ data }: Tensor, weighting: Tensor): Weighted {
  let [total, magnitude] = [0, 0];
  for (let i = 0; i < data.length; i++) {
    const value = Number(data[i]) * Number(weighting.data[i]);
    total += value;
    magnitude += Math.abs(value);
  }
  return { total, magnitude };
}

async function analyticGradients(
  model: Model,
  {
    loss,
    parameters,
    shapes,
    inputs,
    weighting,
    rules,
  }: {
    readonly loss: string;
    readonly parameters: readonly string[];
    readonly shapes: ReadonlyMap<string, readonly number[]>;
    readonly inputs: TensorMap;
    readonly weighting: Tensor;
    readonly rules: readonly GradientRule[] | undefined;
  },
): Promise<{ readonly loss: Weighted; readonly gradients: ReadonlyMap<string, Tensor> }> {
  const opset = model.opsets.get('') ?? 17;
  const seed = uniqueName('check/weighting', shapes);
  const ofLoss = valueDtype(model.graph, loss) === 'float64' ? toDouble(weighting) : weighting;
  const source: Graph = {
    ...model.graph,
    initializers: new Map([...model.graph.initializers, [seed, toInitializer(seed, ofLoss)]]),
  };
  const { graph, gradients } = differentiate(source, {
    loss,
    parameters,
    shapes,
    seed,
    opset,
    ...(rules && { rules }),
  });
  const session = await openModel({ ...model, graph });
  try {
    const outputs = await session.run(
      Object.fromEntries(session.inputNames.map((name) => [name, inputs[name]!])),
    );
    const found = new Map<string, Tensor>();
    for (const [parameter, output] of gradients) {
      const gradient = outputs[output]!;
      const expected = shapes.get(parameter)!;
      if (gradient.dims.join() !== expected.join()) {
        throw new GraftError(
          'VERIFICATION_FAILED',
          `The gradient of "${parameter}" has shape ${formatShape(gradient.dims)}; expected ${formatShape(expected)}.`,
        );
      }
      found.set(parameter, gradient);
    }
    return { loss: weigh(outputs[loss]!, weighting), gradients: found };
  } finally {
    await session.release();
  }
}

function chooseElements(count: number, most: number, rng: Rng): number[] {
  if (count <= most) return Array.from({ length: count }, (_, i) => i);
  const chosen = new Set<number>();
  while (chosen.size < most) chosen.add(rng.integer(count));
  return [...chosen];
}

function compareLosses(wide: Weighted, narrow: Weighted): void {
  const error = Math.abs(wide.total - narrow.total) / Math.max(1, wide.magnitude);
  if (error < 1e-3) return;
  throw new GraftError(
    'VERIFICATION_FAILED',
    `The model's loss is ${narrow.total} in float32 but ${wide.total} in float64, so finite differences say nothing of its gradients.`,
  );
}
