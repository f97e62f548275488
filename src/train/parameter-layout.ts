/** Between the named weights of a head and one flat float64 vector, as optimisers take it. */
import { checked, float32, type Tensor } from '../tensor/tensor.js';

interface Part {
  readonly name: string;
  readonly dims: readonly number[];
  readonly from: number;
  readonly to: number;
  /** Size of the last axis, along which replicas stand side by side. */
  readonly columns: number;
}

export interface ParameterLayout {
  readonly size: number;
  readonly parts: readonly Part[];
  flatten(parameters: ReadonlyMap<string, Tensor>): Float64Array;
  /** The weights of one vector. */
  unflatten(x: Float64Array): Map<string, Tensor>;
  /**
   * The weights of several vectors, side by side in the last axis; the memory is used again by the next call.
   * @param factors - a vector for each, which it is multiplied with
   */
  stack(
    replicas: readonly Float64Array[],
    precision?: 'float32' | 'float64',
    factors?: readonly Float64Array[],
  ): ReadonlyMap<string, Tensor>;
  /** into = one replica's share of stacked gradients · factors */
  unstack(
    gradients: ReadonlyMap<string, Float32Array | Float64Array>,
    replica: number,
    replicaCount: number,
    factors: Float64Array,
    into: Float64Array,
  ): void;
  /** A copy of `x` in which one part is taken from stacked values. */
  withPart(
    x: Float64Array,
    part: string,
    stacked: Float32Array | Float64Array,
    replica: number,
    replicaCount: number,
  ): Float64Array;
}

/**
 * The shape of a parameter as an input of a graph that takes any number of replicas side by side. Last axes of one length
 * share a name, so that ONNX Runtime sees which go together, and adds a bias within the product instead of after it.
 */
export function replicatedDims(dims: readonly number[]): (number | string)[] {
  return [...dims.slice(0, -1), `columns/${dims.at(-1)}`];
}

export function layoutParameters(shapes: ReadonlyMap<string, readonly number[]>): ParameterLayout {
  let size = 0;
  const parts = [...shapes].map(([name, dims]): Part => {
    const from = size;
    size += dims.reduce((product, dim) => product * dim, 1);
    return { name, dims, from, to: size, columns: dims.at(-1) ?? 1 };
  });
  const memory = new Map<string, Float32Array | Float64Array>();
  return {
    size,
    parts,
    flatten(parameters) {
      const x = new Float64Array(size);
      for (const { name, from } of parts) x.set(parameters.get(name)!.data as Float32Array, from);
      return x;
    },
    unflatten: (x) =>
      new Map(
        parts.map(({ name, dims, from, to }) => [
          name,
          float32(dims, new Float32Array(x.subarray(from, to))),
        ]),
      ),
    stack(replicas, precision = 'float32', factors) {
      const array = precision === 'float32' ? Float32Array : Float64Array;
      const count = replicas.length;
      return new Map(
        parts.map(({ name, dims, from, to, columns }) => {
          const length = count * (to - from);
          const key = `${precision} ${name}`;
          const kept = memory.get(key);
          const data = kept && kept.length >= length ? kept.subarray(0, length) : new array(length);
          if (!kept || kept.length < length) memory.set(key, data);
          replicas.forEach((x, r) => {
            const own = factors?.[r];
            for (let at = from, into = r * columns; at < to; at += columns, into += count * columns) {
              if (own) for (let c = 0; c < columns; c++) data[into + c] = x[at + c]! * own[at + c]!;
              else for (let c = 0; c < columns; c++) data[into + c] = x[at + c]!;
            }
          });
          return [name, checked(precision, [...dims.slice(0, -1), count * columns], data)];
        }),
      );
    },
    unstack(gradients, replica, count, factors, into) {
      for (const { name, from, to, columns } of parts) {
        const stacked = gradients.get(name)!;
        for (let at = from, source = replica * columns; at < to; at += columns, source += count * columns) {
          for (let c = 0; c < columns; c++) into[at + c] = stacked[source + c]! * factors[at + c]!;
        }
      }
    },
    withPart(vector, name, stacked, replica, count) {
      const x = vector.slice();
      const { from, to, columns } = parts.find((part) => part.name === name)!;
      for (let at = from, source = replica * columns; at < to; at += columns, source += count * columns) {
        for (let c = 0; c < columns; c++) x[at + c] = stacked[source + c]!;
      }
      return x;
    },
  };
}
