/** The files of onnxruntime-web that a browser loads, for a server to hand out. */
import { fileURLToPath } from 'node:url';

/** What `open-browser-session.ts` asks for: the build without WebGPU (14 MB) and the one with it (27 MB). */
const names = [
  'ort.wasm.min.mjs',
  'ort-wasm-simd-threaded.mjs',
  'ort-wasm-simd-threaded.wasm',
  'ort.webgpu.min.mjs',
  'ort-wasm-simd-threaded.asyncify.mjs',
  'ort-wasm-simd-threaded.asyncify.wasm',
];

/** Paths by file name. */
export function webRuntimeFiles(): Map<string, string> {
  const entry = import.meta.resolve('onnxruntime-web');
  return new Map(names.map((name) => [name, fileURLToPath(new URL(name, entry))]));
}
