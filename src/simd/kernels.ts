/** The compiled loops of assembly/kernels.ts and memory of their own to work on. */
import { kernelsWasm } from './kernels-wasm.js';

/** Arguments as in assembly/kernels.ts; addresses are bytes. */
export interface KernelFunctions {
  adamw(n: number, weights: number, gradient: number, m: number, v: number, ...scalars: number[]): void;
  dot(n: number, a: number, b: number): number;
  largestMagnitude(n: number, a: number): number;
  addScaled(n: number, a: number, factor: number, b: number, out: number): void;
  curvaturePair(n: number, ...vectorsAndOut: number[]): void;
  pairProducts(n: number, count: number, pairs: number, g: number, s: number, y: number, out: number): void;
  addPairs(
    n: number,
    count: number,
    pairs: number,
    factors: number,
    scale: number,
    g: number,
    out: number,
  ): void;
  resizeRows(...args: number[]): void;
  resizeColumns(...args: number[]): void;
  addRows(rows: number, columns: number, values: number, sums: number): void;
  addSquares(rows: number, columns: number, values: number, mean: number, sums: number): void;
  scaleRows(rows: number, columns: number, values: number, mean: number, factor: number): void;
  transpose(rows: number, columns: number, matrix: number, out: number): void;
}

export interface Kernels extends KernelFunctions {
  /** The whole memory; call it again after `reserve`, which may move it. */
  buffer(): ArrayBuffer;
  /** Makes the memory at least so large. */
  reserve(bytes: number): void;
}

// Node and browsers have it; the ES library of TypeScript does not name it.
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
declare const WebAssembly: {
  readonly Memory: new (options: { initial: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
};

const pageBytes = 65_536;
let compiled: object | undefined;

/** A fresh instance: what two owners do never meets. */
export function openKernels(): Kernels {
  compiled ??= new WebAssembly.Module(Uint8Array.from(atob(kernelsWasm), (char) => char.charCodeAt(0)));
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  return {
    ...(exports as KernelFunctions),
    buffer: () => memory.buffer,
    reserve(bytes) {
      const missing = bytes - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / pageBytes));
    },
  };
}
