/** Values of one example that come once for each example of a batch, as far as its size is known only at run time. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Shapes } from './value-layout.js';

export interface RepeatWorld {
  /** Where what is needed is appended. */
  readonly builder: GraphBuilder;
  /** Of all values, from a run on one example. */
  readonly shapes: Shapes;
  /** Whatever depends on an input: it has its batch already. */
  readonly fromInputs: ReadonlySet<string>;
}

export class RepeatForBatch {
  readonly #builder: GraphBuilder;
  readonly #shapes: Shapes;
  readonly #fromInputs: ReadonlySet<string>;
  readonly #counts = new Map<string, string>();

  constructor({ builder, shapes, fromInputs }: RepeatWorld) {
    this.#builder = builder;
    this.#shapes = shapes;
    this.#fromInputs = fromInputs;
  }

  /** The value, expanded along `axis` to the carrier's batch, where it is a constant of batch 1. */
  repeated(
    value: string,
    { carrier, axis, carrierAxis = axis }: { carrier: string; axis: number; carrierAxis?: number },
  ): string {
    const shape = this.#shapes.get(value);
    if (value === '' || this.#fromInputs.has(value) || shape?.[axis] !== 1) return value;
    if (this.#shapes.get(carrier)?.[carrierAxis] !== 1) return value;
    const target = this.withBatch(
      shape.map(() => 1),
      carrier,
      axis,
      `${value}/shape`,
      carrierAxis,
    );
    return this.#builder.op('Expand', [value, target], { name: `${value}/batch` });
  }

  /** `dims` with the carrier's batch in place of the dimension at `axis`. */
  withBatch(
    dims: readonly number[],
    carrier: string,
    axis: number,
    name: string,
    carrierAxis = axis,
  ): string {
    const parts = [dims.slice(0, axis), undefined, dims.slice(axis + 1)]
      .filter((part) => part?.length !== 0)
      .map((part) => (part ? this.#builder.ints(part) : this.#countAlong(carrier, carrierAxis)));
    return this.#builder.op('Concat', parts, { name, attributes: { axis: 0 } });
  }

  /** How long the value is along the axis, [1] int64. */
  #countAlong(value: string, axis: number): string {
    const key = `${axis} ${value}`;
    let count = this.#counts.get(key);
    if (count === undefined) {
      const shape = this.#builder.op('Shape', [value], { name: `${value}/shape` });
      count = this.#builder.op('Gather', [shape, this.#builder.ints([axis])], {
        name: `${value}/count`,
        attributes: { axis: 0 },
      });
      this.#counts.set(key, count);
    }
    return count;
  }
}
