/**
 * The harness of gradient specs: a row of a table builds a small graph, and every element of every parameter's
 * gradient is compared with central differences in float64.
 *
 * @example
 * const cases: GradientCase[] = [
 *   { name: 'Conv, stride 2', opset: 17, build: (b, { weight }) =>
 *       b.op('Conv', [weight('x', [2, 3, 5, 5]), weight('w', [4, 3, 3, 3])], { attributes: { strides: [2, 2] } }) },
 * ];
 * describe('Conv', () => claimGradients(cases, { within: 1e-5 }));
 */
import { expect } from 'chai';
import { checkGradients } from '../../src/autodiff/check-gradients.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { createRng } from '../../src/rng.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, int64 } from '../../src/tensor/tensor.js';

export interface Parts {
  /** A float32 parameter whose gradient is checked: values from a normal distribution, or the ones given. */
  weight(name: string, dims: readonly number[], values?: Values): string;
  /** A float32 constant whose gradient is not asked for. */
  fixed(name: string, dims: readonly number[], values?: Values): string;
  /** A 1-D (or, with `dims`, any) int64 constant. */
  ints(values: readonly number[], dims?: readonly number[]): string;
}

/** Numbers, or a map from a standard normal draw: (z) => Math.abs(z) + 0.1 keeps it positive. */
export type Values = readonly number[] | ((z: number) => number);

export interface GradientCase {
  readonly name: string;
  /** Default 17. */
  readonly opset?: number;
  /** Other operator sets, such as { 'com.microsoft': 1 }. */
  readonly domains?: Readonly<Record<string, number>>;
  /** Appends the nodes under test; returns the output, or the outputs that all count. */
  readonly build: (b: GraphBuilder, parts: Parts) => string | readonly string[];
}

export interface ExpectOptions {
  readonly within?: number;
  readonly seed?: number;
}

/** One `it` for each case. */
export function claimGradients(cases: readonly GradientCase[], options: ExpectOptions = {}): void {
  for (const row of cases) {
    const opset = row.opset ?? 17;
    it(`agrees with finite differences: ${row.name} (opset ${opset})`, () => expectGradients(row, options));
  }
}

export async function expectGradients(
  { build, opset = 17, domains = {} }: GradientCase,
  { within = 1e-5, seed = 7 }: ExpectOptions = {},
): Promise<void> {
  const rng = createRng(seed);
  const b = new GraphBuilder({ opset });
  const parameters: string[] = [];
  const draw = (dims: readonly number[], values: Values = (z) => z) =>
    float32(
      dims,
      typeof values === 'function'
        ? Array.from({ length: sizeOf(dims) }, () => values(rng.normal()))
        : values,
    );
  const parts: Parts = {
    weight(name, dims, values) {
      const constant = b.constant(name, draw(dims, values));
      parameters.push(constant);
      return constant;
    },
    fixed: (name, dims, values) => b.constant(name, draw(dims, values)),
    ints: (values, dims = [values.length]) => b.constant('ints', int64(dims, values)),
  };
  const built = build(b, parts);
  const outputs = typeof built === 'string' ? [built] : built;
  const opsets = new Map([['', opset], ...Object.entries(domains)]);
  const forward = (): Model => b.model({ opsets, irVersion: opset > 21 ? 11 : 9 });
  for (const output of outputs) b.outputs.push({ name: output, docString: '', metadata: new Map() });
  const shapes = await probeShapes(forward(), { names: outputs });
  // A random weighting of the outputs, so that no two gradients are alike.
  const losses = outputs.map((output, i) => {
    const weighting = b.constant(`weighting ${i}`, draw(shapes.get(output)!));
    const weighted = b.op('Mul', [output, weighting], { name: `weighted ${i}` });
    return b.op('ReduceSum', [weighted], { name: `loss ${i}`, attributes: { keepdims: 0 } });
  });
  const loss = losses.reduce((left, right) => b.op('Add', [left, right], { name: 'loss' }));
  b.outputs.length = 0;
  b.outputs.push({ name: loss, docString: '', metadata: new Map() });
  const { parameters: checks } = await checkGradients(forward(), { loss, parameters, samples: 200, seed });
  for (const { name, shape, analytic, numeric, maxRelativeError } of checks) {
    expect(
      maxRelativeError,
      `gradient of ${name} [${shape}]: analytic ${analytic}, numeric ${numeric}`,
    ).to.be.at.most(within);
  }
}
