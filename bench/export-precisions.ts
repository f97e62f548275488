/**
 * What `graft export --precision` gains and costs on a run: bytes, milliseconds of one example on one thread, and accuracy, each
 * beside float32 in the same process. The files are timed in turns, so that a machine that slows down slows all of them.
 *
 *   node build/bench/export-precisions.js --run RUN [--data D] [--only int8,float16] [--rounds 30] [--json]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { listTokenInputs, type TokenInput } from '../src/graph/token-inputs.js';
import { exampleDims } from '../src/models/input-spec.js';
import { modelPrecisions, type ModelPrecision } from '../src/models/model-precision.js';
import { readExported } from '../src/models/read-exported.js';
import { evaluateModel } from '../src/pipeline/evaluate-model.js';
import { exportRun } from '../src/pipeline/export-run.js';
import { openSession } from '../src/runtime/open-session.js';
import type { Session, TensorMap } from '../src/runtime/session.js';
import { sizeOf } from '../src/tensor/shape.js';
import { messageOf } from '../src/errors.js';
import { median } from './peer-process.js';

const { values: flags } = parseArgs({
  options: {
    run: { type: 'string' },
    data: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string', default: '30' },
    json: { type: 'boolean', default: false },
  },
});
if (flags.run === undefined) throw new Error('Expected --run RUN, a folder that graft train wrote.');

interface Exported {
  readonly precision: ModelPrecision;
  readonly file: string;
  readonly bytes: number;
  readonly session: Session;
  readonly feeds: TensorMap;
  readonly milliseconds: number[];
}

/** Numbers that are no example: what is computed takes as long. Texts are of 16 tokens. */
async function madeUpFeeds(file: string): Promise<TensorMap> {
  const { input } = (await readExported(file)).metadata;
  if (input.kind === 'pixels') {
    const [[name, dims]] = [...exampleDims(input)] as [[string, readonly number[]]];
    const data = Float32Array.from({ length: sizeOf(dims) }, (_, i) => Math.sin(i));
    return { [name]: { dtype: 'float32', dims, data } };
  }
  const length = input.inputs.fixedLength ?? 16;
  const feedOf = ({ name, dtype }: TokenInput) => {
    const data = dtype === 'int64' ? new BigInt64Array(length).fill(1n) : new Int32Array(length).fill(1);
    return [name, { dtype, dims: [1, length], data }] as const;
  };
  return Object.fromEntries(listTokenInputs(input.inputs).map(feedOf));
}

const only = flags.only?.split(',');
const folder = await mkdtemp(path.join(tmpdir(), 'graft-bench-'));
try {
  const files: Exported[] = [];
  for (const precision of modelPrecisions) {
    if (only && precision !== 'float32' && !only.includes(precision)) continue;
    const out = path.join(folder, `${precision}.onnx`);
    try {
      const { model: file, bytes } = await exportRun({ run: flags.run, out, precision });
      const session = await openSession(file, { device: 'cpu', threads: 1 });
      files.push({ precision, file, bytes, session, feeds: await madeUpFeeds(file), milliseconds: [] });
    } catch (error) {
      console.error(`${precision}: ${messageOf(error)}`);
    }
  }
  for (let round = -2; round < Number(flags.rounds); round++) {
    for (const { session, feeds, milliseconds } of files) {
      const started = performance.now();
      await session.run(feeds);
      if (round >= 0) milliseconds.push(performance.now() - started);
    }
  }
  const [base] = files;
  const rows = [];
  for (const { precision, file, bytes, milliseconds } of files) {
    const evaluated =
      flags.data === undefined ? undefined : await evaluateModel({ model: file, data: flags.data });
    const ms = median(milliseconds);
    rows.push({
      precision,
      bytes,
      share: bytes / base!.bytes,
      milliseconds: ms,
      ratio: ms / median(base!.milliseconds),
      ...(evaluated && 'accuracy' in evaluated && { accuracy: evaluated.accuracy }),
    });
  }
  if (flags.json) console.log(JSON.stringify(rows, null, 2));
  else
    for (const { precision, bytes, share, milliseconds, ratio, accuracy } of rows) {
      const measured = accuracy === undefined ? '' : `, accuracy ${(100 * accuracy).toFixed(1)} %`;
      console.log(
        `${precision}: ${(bytes / 1e6).toFixed(2)} MB (${share.toFixed(2)}x), ${milliseconds.toFixed(2)} ms (${ratio.toFixed(2)}x)${measured}`,
      );
    }
  for (const { session } of files) await session.release();
} finally {
  await rm(folder, { recursive: true, force: true });
}
