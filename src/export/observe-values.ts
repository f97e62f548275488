/** What values there are in a model, on examples: the ranges that become 8-bit integers. */
import { GraftError } from '../errors.js';
import type { Observed, Range, Wanted } from '../graph/int8/quantize-static.js';
import { namesOf } from '../graph/names-of.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { layOutModel } from '../onnx/lay-out-model.js';
import { quoteName } from '../onnx/quote-name.js';
import { openSession } from '../runtime/open-session.js';

/**
 * Runs the examples one at a time; of each value only its extremes and means leave the run, so that memory does not grow with
 * what is observed. A range goes from the mean of the examples' smallest numbers to the mean of their largest: one odd example then
 * does not make the steps of all others coarse (ONNX Runtime's calibration by moving averages, over all at once).
 * @throws GraftError UNSUPPORTED_MODEL where a value is not finite
 */
export async function observeValues(
  model: Model,
  { ranges, channelMeans }: Wanted,
  examples: AsyncIterable<EncodedExamples>,
): Promise<Observed> {
  const { graph } = model;
  const names = namesOf(graph);
  const builder = new GraphBuilder({
    opset: model.opsets.get('')!,
    taken: [...names.values, ...names.nodes],
  });
  const extremes = ranges.map((value) => [value, extremesOf(value, builder)] as const);
  const averages = [...channelMeans].map(
    ([value, rank]) => [value, meanOfChannels(value, rank, builder)] as const,
  );
  const { source, release } = await layOutModel({
    ...model,
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...builder.nodes],
      outputs: builder.outputs,
      initializers: new Map([...graph.initializers, ...builder.initializers]),
    },
  });
  const session = await openSession(source).finally(release);
  const sums = new Map<string, Float64Array>();
  let count = 0;
  try {
    for await (const part of examples) {
      for (let place = 0; place < part.count; place++, count++) {
        const run = await session.run(part.feeds(place, place + 1));
        for (const { name } of builder.outputs) {
          const found = run[name]!.data as Float32Array;
          const sum = sums.get(name) ?? new Float64Array(found.length);
          for (const [i, value] of found.entries()) sum[i]! += value;
          sums.set(name, sum);
        }
      }
    }
  } finally {
    await session.release();
  }
  const meanOf = (output: string): Float32Array => Float32Array.from(sums.get(output)!, (sum) => sum / count);
  return {
    ranges: new Map(
      extremes.map(([value, outputs]) => [
        value,
        rangeOf(
          value,
          outputs.flatMap((name) => [...meanOf(name)]),
        ),
      ]),
    ),
    channelMeans: new Map(averages.map(([value, output]) => [value, meanOf(output)])),
  };
}

function rangeOf(value: string, [min = Number.NaN, max = Number.NaN]: readonly number[]): Range {
  if (Number.isFinite(min) && Number.isFinite(max)) return { min, max };
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `The value ${quoteName(value)} of the backbone is not finite on some examples, so it cannot become integers: leave --precision out.`,
  );
}

/** The smallest and the largest number. */
function extremesOf(value: string, builder: GraphBuilder): string[] {
  return ['ReduceMin', 'ReduceMax'].map((opType) => {
    const options = { name: `${value}/${opType}`, attributes: { keepdims: 0 } };
    return builder.output(builder.op(opType, [value], options), 'float32', []);
  });
}

/** Of [batch, channels, …]. */
function meanOfChannels(value: string, rank: number, builder: GraphBuilder): string {
  const axes = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1);
  const isAttribute = builder.opset < 18;
  const mean = builder.op('ReduceMean', isAttribute ? [value] : [value, builder.ints(axes)], {
    name: `${value}/ReduceMean`,
    attributes: { keepdims: 0, ...(isAttribute && { axes }) },
  });
  return builder.output(mean, 'float32', [null]);
}
