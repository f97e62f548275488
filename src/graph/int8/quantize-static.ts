/**
 * Convolutions and products with constant matrices in integers, with ranges of the data that are known beforehand (QDQ): what is
 * computed with integers reads its data through QuantizeLinear and DequantizeLinear, uint8 with a scale and a zero point for
 * each tensor, and its weights through DequantizeLinear, int8 with a scale for each channel. Runtimes fuse each operator with
 * those around it; one that does not computes in float32 what the rounded numbers stand for.
 */
import type { Model, Node } from '../../onnx/ir.js';
import { sizeOf } from '../../tensor/shape.js';
import { checked, type Tensor } from '../../tensor/tensor.js';
import { factsOf } from '../value-facts.js';
import { Int8Tape, type StoredWeights } from './int8-tape.js';
import { channelsOfMatrix, type MatrixProduct } from './matrix-product.js';
import { planStatic, type StaticPlan } from './plan-static.js';
import { roundTable } from './round-tables.js';
import { type Channels, leastScale, multipliedMost, roundEven } from './round-weights.js';
import { withoutDrift } from './without-drift.js';

/** What the numbers of a value lie between. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What `quantizeStatic` needs to know of values. */
export interface Wanted {
  readonly ranges: readonly string[];
  /** Values [batch, channels, …], by name the number of their axes. */
  readonly channelMeans: ReadonlyMap<string, number>;
}

export interface Observed {
  readonly ranges: ReadonlyMap<string, Range>;
  /** Mean of each channel. */
  readonly channelMeans: ReadonlyMap<string, Float32Array>;
}

export function valuesToObserve({ graph }: Model): Wanted {
  const facts = factsOf(graph);
  const { rangeOf, convolutions } = planStatic(graph, facts);
  const rankOf = (filters: string): number => facts.constantOf(filters)!.dims.length;
  return {
    ranges: [...new Set(rangeOf.values())],
    channelMeans: new Map([...convolutions].map(({ inputs }) => [inputs[0]!, rankOf(inputs[1]!)] as const)),
  };
}

/** Sums of a convolution are int32, of which its bias takes at most so much. */
const largestBias = 2 ** 30;

/**
 * @param model - on operator set 13 or later, its weights as initializers
 * @param observed - of `valuesToObserve`
 */
export function quantizeStatic(model: Model, observed: Observed): Model {
  const tape = new Int8Tape(model.graph, model.opsets.get('')!);
  const plan = planStatic(model.graph, tape.facts);
  new StaticWriter(tape, plan, observed).write(model);
  return tape.finish(model);
}

class StaticWriter {
  readonly #tape: Int8Tape;
  readonly #plan: StaticPlan;
  readonly #observed: Observed;
  /** By value, what it is after rounding. */
  readonly #rounded = new Map<string, string>();

  constructor(tape: Int8Tape, plan: StaticPlan, observed: Observed) {
    this.#tape = tape;
    this.#plan = plan;
    this.#observed = observed;
  }

  write({ graph }: Model): void {
    const { convolutions, products, between, integers, rangeOf } = this.#plan;
    const nodes = this.#tape.builder.nodes;
    for (const { name } of graph.inputs) if (rangeOf.has(name)) this.#round(name);
    for (const row of graph.nodes) {
      const isInteger = convolutions.has(row) || between.has(row);
      const inputs = row.inputs.map((name) =>
        isInteger || integers.has(name) ? (this.#rounded.get(name) ?? name) : name,
      );
      const product = products.get(row);
      if (convolutions.has(row)) this.#writeConvolution(row, inputs[0]!);
      else if (product) this.#writeProduct(product, row.outputs[0]!);
      else if (!roundTable({ ...row, inputs }, this.#tape)) nodes.push({ ...row, inputs });
      for (const name of row.outputs) if (rangeOf.has(name)) this.#round(name);
    }
  }

  /** Scale and zero point of a value; 0 is always one of the numbers. One that was never anything else has steps of 1. */
  #gridOf(value: string): { scale: number; zeroPoint: number; key: string } {
    const key = this.#plan.rangeOf.get(value)!;
    const { min, max } = this.#observed.ranges.get(key)!;
    const [low, high] = [Math.min(0, min), Math.max(0, max)];
    const step = Math.fround((high - low) / 255);
    const scale = step < leastScale ? 1 : step;
    return { scale, zeroPoint: Math.min(255, roundEven(-low / scale)), key };
  }

  #round(value: string): void {
    const { builder } = this.#tape;
    const { scale, zeroPoint, key } = this.#gridOf(value);
    const grid = [
      this.#tape.float32(`${key}/scale`, [], [scale]),
      builder.shared(`${key}/zero`, checked('uint8', [], Uint8Array.of(zeroPoint))),
    ];
    const quantized = builder.op('QuantizeLinear', [value, ...grid], { name: `${value}/uint8` });
    const name = `${value}/rounded`;
    this.#rounded.set(value, builder.op('DequantizeLinear', [quantized, ...grid], { name }));
  }

  #writeConvolution(row: Node, data: string): void {
    const [taken = '', name = '', biasName = ''] = row.inputs;
    const [output] = row.outputs as [string];
    const weights = this.#tape.facts.constantOf(name)!;
    const [count] = weights.dims as [number];
    const bias = this.#tape.facts.constantOf(biasName)?.data as Float32Array | undefined;
    const rounded = this.#roundWith(bias, taken, output, {
      ...{ name, weights },
      channels: { view: [count, sizeOf(weights.dims.slice(1)), 1], most: multipliedMost },
    });
    const means = this.#observed.channelMeans.get(taken)!;
    const corrected = withoutDrift(bias ?? new Float32Array(count), weights, rounded, means);
    const inputs = [data, this.#readWeights(rounded, 0), this.#readBias(corrected, rounded, taken, output)];
    this.#tape.builder.nodes.push({ ...row, inputs });
  }

  #writeProduct({ data, name, weights, bias: biasName }: MatrixProduct, output: string): void {
    const bias =
      biasName === undefined ? undefined : (this.#tape.facts.constantOf(biasName)!.data as Float32Array);
    const channels = channelsOfMatrix(weights);
    const rounded = this.#roundWith(bias, data, output, { name, weights, channels });
    const inputs = [this.#rounded.get(data)!, this.#readWeights(rounded, 1)];
    // A product and a sum would become a Gemm with a bias in float32, which no integer kernel takes.
    if (bias === undefined) this.#tape.give(output, 'MatMul', inputs);
    else this.#tape.give(output, 'Gemm', [...inputs, this.#readBias(bias, rounded, data, output)]);
  }

  /** Weights, with scales such that the bias in units of both scales fits into int32. */
  #roundWith(
    bias: Float32Array | undefined,
    data: string,
    output: string,
    { name, weights, channels }: { name: string; weights: Tensor; channels: Channels },
  ): StoredWeights {
    const { scale } = this.#gridOf(data);
    const rounded = this.#tape.weights(name, weights, channels);
    if (!bias?.some((b, c) => Math.abs(b) > largestBias * scale * rounded.scales[c]!)) return rounded;
    // Of channels whose weights are nearly nothing.
    const least = bias.map((b) => Math.abs(b) / scale / largestBias);
    return this.#tape.weights(`${name}/${output}`, weights, { ...channels, least });
  }

  #readBias(bias: Float32Array, { scales }: StoredWeights, data: string, output: string): string {
    const { scale } = this.#gridOf(data);
    const unit = scales.map((own) => scale * own);
    const values = Int32Array.from(bias, (b, c) => roundEven(b / unit[c]!));
    const dims = [bias.length];
    const stored = this.#tape.builder.constant(`${output}/bias/int32`, checked('int32', dims, values));
    return this.#dequantize([stored, this.#tape.float32(`${output}/bias/scale`, dims, unit)], { axis: 0 });
  }

  #readWeights({ stored, scales }: StoredWeights, axis: number): string {
    const scale = this.#tape.float32(`${stored}/scale`, [scales.length], scales);
    return this.#dequantize([stored, scale, this.#tape.zero('int8', scales.length)], { axis });
  }

  #dequantize(
    [stored, ...grid]: readonly [string, ...string[]],
    attributes: { readonly axis?: number },
  ): string {
    return this.#tape.builder.op('DequantizeLinear', [stored, ...grid], {
      name: `${stored}/float32`,
      attributes,
    });
  }
}
