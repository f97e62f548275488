/** Forward passes of a tail over whole sets, batch by batch: its features, or what the task makes of them. */
import { GraftError } from '../errors.js';
import { encodeModel } from '../onnx/write-model.js';
import type { Session, SessionOptions } from '../runtime/session.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { inOrder, readBatches } from './read-batches.js';
import type { RowSource } from './row-source.js';
import type { OpenSession, TailGraph } from './tail-step.js';
import { packTail, type Tail } from './tail.js';

/** Rows that are scored at once. */
const scoreBatch = 64;

/**
 * The features of all rows, with the weights that the model came with.
 * @returns one matrix [rows, tail.dim] for each source
 * @throws GraftError INTERRUPTED by the signal
 */
export async function computeFeatures(
  tail: Tail,
  sources: readonly RowSource[],
  open: OpenSession,
  { signal, ...options }: SessionOptions & { readonly signal?: AbortSignal | undefined },
): Promise<Float32Array[]> {
  const { model, activations } = packTail(tail);
  const session = await open(encodeModel(model), options);
  try {
    const matrices: Float32Array[] = [];
    for (const source of sources) {
      matrices.push(
        await runOver(session, source, { input: activations, output: tail.output, width: tail.dim, signal }),
      );
    }
    return matrices;
  } finally {
    await session.release();
  }
}

/** What the scorer of `graph` puts out for all rows with these parameters, [rows, outputs]. */
export function computeOutputs(
  scorer: Session,
  { activations: input, outputs: output }: TailGraph,
  source: RowSource,
  parameters: ReadonlyMap<string, Tensor>,
  width: number,
): Promise<Float32Array> {
  return runOver(scorer, source, { input, output, width, weights: Object.fromEntries(parameters) });
}

async function runOver(
  session: Session,
  source: RowSource,
  {
    input,
    output,
    width,
    weights = {},
    signal,
  }: {
    input: string;
    output: string;
    width: number;
    weights?: Record<string, Tensor>;
    signal?: AbortSignal | undefined;
  },
): Promise<Float32Array> {
  const matrix = new Float32Array(source.rows * width);
  for await (const { rows, values } of readBatches(source, inOrder(source.rows), scoreBatch)) {
    if (signal?.aborted) throw new GraftError('INTERRUPTED', 'Stopped before training began.');
    const { length } = rows;
    const start = rows[0]! * width;
    await session.run(
      { ...weights, [input]: float32([length, source.dim], values) },
      { [output]: float32([length, width], matrix.subarray(start, start + length * width)) },
    );
  }
  return matrix;
}
