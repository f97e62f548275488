/**
 * Reading a model of 100 MB against reading its bytes, each in a process that does nothing else, turn by turn. The aim:
 * less than 1.5 times the bytes' time and 200 ms. Then the same with 20 000 nodes, and with typed data.
 *
 *   node build/bench/read-model.js
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { GraphBuilder } from '../src/onnx/graph-builder.js';
import { encodeModel } from '../src/onnx/write-model.js';
import { createRng } from '../src/rng.js';
import { float32 } from '../src/tensor/tensor.js';

const sizeBytes = 100e6;
const rounds = 7;

/** x → MatMul → Add → Relu → … with `layers` square weights that take `sizeBytes` together. */
function perceptron(layers: number): Uint8Array {
  const width = Math.floor(Math.sqrt(sizeBytes / 4 / layers));
  const rng = createRng(1);
  const noise = Float32Array.from({ length: width * width }, () => rng.uniform());
  const b = new GraphBuilder();
  let x = b.input('x', 'float32', ['batch', width]);
  for (let i = 0; i < layers; i++) {
    const w = b.constant(`layer${i}.weight`, float32([width, width], noise));
    const bias = b.constant(`layer${i}.bias`, float32([width], noise.subarray(0, width)));
    x = b.op('Relu', [b.op('Add', [b.op('MatMul', [x, w]), bias])]);
  }
  b.output(x, 'float32', ['batch', width], 'y');
  return encodeModel(b.model());
}

/** The same as typed data: raw_data (field 9) under the number of float_data (4). */
function withTypedData(encoded: Uint8Array): Uint8Array {
  const bytes = Buffer.from(encoded);
  // The first large payload of field 9 is a weight; its tag is the byte before the length.
  for (let at = 0; (at = bytes.indexOf(0x4a, at)) >= 0; at++) {
    const length =
      (bytes[at + 1]! & 127) |
      ((bytes[at + 2]! & 127) << 7) |
      ((bytes[at + 3]! & 127) << 14) |
      ((bytes[at + 4]! & 127) << 21);
    if (length > 1e6 && at + length < bytes.length && bytes[at + 4]! < 128) {
      bytes[at] = 0x22;
      at += length;
    }
  }
  return bytes;
}

const url = (name: string): string =>
  JSON.stringify(pathToFileURL(path.resolve(`build/src/onnx/${name}.js`)).href);
const programs = {
  bytes: `import { readFile } from 'node:fs/promises';
    const start = performance.now();
    await readFile(process.argv[1]);
    console.log(performance.now() - start);`,
  model: `import { readModel } from ${url('read-model')};
    const start = performance.now();
    await readModel(process.argv[1]);
    console.log(performance.now() - start);`,
};

function timeOf(program: string, file: string): number {
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '-e', program, file], { encoding: 'utf8' }),
  );
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
try {
  const one = perceptron(16);
  for (const [name, bytes] of [
    ['16 layers, raw data', one],
    ['16 layers, typed data', withTypedData(one)],
    ['6 700 layers, 20 000 nodes', perceptron(6700)],
  ] as const) {
    const file = path.join(folder, 'model.onnx');
    await writeFile(file, bytes);
    const times: Record<keyof typeof programs, number[]> = { bytes: [], model: [] };
    for (let i = 0; i < rounds; i++) {
      times.bytes.push(timeOf(programs.bytes, file));
      times.model.push(timeOf(programs.model, file));
    }
    const [plain, read] = [median(times.bytes), median(times.model)];
    const allowed = 1.5 * plain + 200;
    console.log(
      `${name}: ${(bytes.length / 1e6).toFixed(0)} MB, bytes ${plain.toFixed(0)} ms, model ${read.toFixed(0)} ms, ` +
        `ratio ${(read / plain).toFixed(2)}, ${(read / allowed).toFixed(2)} of what is allowed`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}
