/**
 * Checks gradients of operators that are linear in an input.
 *
 * Such an operator f(x) = A x + c has the gradient Aᵀ d of ⟨f(x), d⟩, wherever x is. So for any x and z
 *
 *   ⟨f(x + z) − f(x), d⟩ = ⟨z, Aᵀ d⟩
 *
 * holds exactly, without a step size; only the forward operator is trusted. One random z finds any wrong entry, as the
 * gradient does not depend on it. The error is in units of ‖Aᵀ d‖, the size of the right-hand side for normal z.
 */
import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import type { Session } from '../../src/runtime/session.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';

export interface AdjointCase {
  /** Float inputs by name; those with a batch have it as their first axis. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  /** Inputs whose first axis is the batch: the gradient is run at another batch too, as training does. */
  readonly batched?: readonly string[];
  /** Inputs to differentiate by; default: all. */
  readonly wrt?: readonly string[];
  /** Appends the forward nodes and returns the output. */
  readonly forward: (builder: GraphBuilder) => string;
  readonly opset?: number;
  readonly domains?: Readonly<Record<string, number>>;
  readonly within?: number;
  /**
   * For operators that pick elements (a maximum) and so are linear only while the order stays: inputs are distinct
   * multiples of 1/16, steps stay below half of that and are multiples of 1/1024, which float32 adds exactly.
   */
  readonly picks?: boolean;
}

export async function expectAdjoint(given: AdjointCase): Promise<void> {
  const { inputs, batched = [], wrt = Object.keys(inputs), within = 1e-5, opset = 17, picks = false } = given;
  const builder = new GraphBuilder({ opset });
  const fields = {
    irVersion: opset > 21 ? 11 : 8,
    opsets: new Map([['', opset], ...Object.entries(given.domains ?? {})]),
  };
  for (const [name, [first, ...rest]] of Object.entries(inputs)) {
    builder.input(
      name,
      'float32',
      first === undefined ? [] : [batched.includes(name) ? 'n' : first, ...rest],
    );
  }
  const y = given.forward(builder);
  builder.output(y, 'float32');
  const inputDims = new Map(Object.entries(inputs));
  const shapes = await probeShapes(builder.model(fields), { inputDims });
  const shape = shapes.get(y)!;
  const d = builder.input('d', 'float32', batched.length > 0 ? ['n', ...shape.slice(1)] : shape);
  const weighted = builder.op('Mul', [y, d], { name: 'weighted' });
  const loss = builder.op('ReduceSum', [weighted], { name: 'loss', attributes: { keepdims: 0 } });
  builder.output(loss, 'float32', []);
  for (const [name, dims] of [[d, shape], [weighted, shape], [loss, []]] as const) shapes.set(name, dims); // prettier-ignore
  const { graph, gradients } = differentiate(builder.graph(), { loss, parameters: wrt, shapes, opset });
  const session = await openSession(encodeModel(builder.model({ ...fields, graph })));
  try {
    await check(session, inputs, shape);
    if (batched.length > 0) {
      const other = (dims: readonly number[]): number[] => [dims[0]! + 2, ...dims.slice(1)];
      const larger = Object.entries(inputs).map(
        ([name, dims]) => [name, batched.includes(name) ? other(dims) : dims] as const,
      );
      await check(session, Object.fromEntries(larger), other(shape));
    }
  } finally {
    await session.release();
  }

  async function check(
    session: Session,
    dims: Readonly<Record<string, readonly number[]>>,
    outputDims: readonly number[],
  ): Promise<void> {
    const rng = createRng(7);
    const normal = (of: readonly number[]): Tensor =>
      float32(of, Float32Array.from({ length: sizeOf(of) }, () => rng.normal())); // prettier-ignore
    const values = (of: readonly number[]): Tensor =>
      picks ? float32(of, rng.shuffle(Array.from({ length: sizeOf(of) }, (_, i) => i / 16 - 4))) : normal(of);
    const step = (of: readonly number[]): Tensor =>
      picks
        ? float32(
            of,
            Array.from({ length: sizeOf(of) }, () => (rng.integer(63) - 31) / 1024),
          )
        : normal(of);
    const at = Object.fromEntries(Object.entries(dims).map(([name, of]) => [name, values(of)]));
    const direction = normal(outputDims);
    const run = (feeds: Record<string, Tensor>) => session.run({ ...feeds, [d]: direction });
    const here = await run(at);
    for (const name of wrt) {
      const gradient = here[gradients.get(name)!]!;
      expect(gradient.dims, `shape of the gradient of ${name}`).to.deep.equal(dims[name]);
      const z = step(dims[name]!);
      const moved = float32(
        dims[name]!,
        Float32Array.from(z.data as Float32Array, (move, i) => move + Number(at[name]!.data[i])),
      );
      const there = await run({ ...at, [name]: moved });
      const size = Math.sqrt(dot(gradient, gradient)) * (picks ? 1 / 64 : 1);
      expect(size, `size of the gradient of ${name}`).to.be.greaterThan(0);
      const error = dot(there[y]!, direction) - dot(here[y]!, direction) - dot(z, gradient);
      expect(Math.abs(error) / size, `error of the gradient of ${name}`).to.be.below(within);
    }
  }
}

function dot(a: Tensor, b: Tensor): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Number(a.data[i]) * Number(b.data[i]);
  return sum;
}
