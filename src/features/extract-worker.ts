/**
 * A thread that turns batches of examples into features. The model's `run` blocks this thread, so the next batches'
 * decoding is started before.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { GraftError, messageOf } from '../errors.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { openOnProvider } from '../runtime/open-on-provider.js';
import type { Session } from '../runtime/session.js';
import type { Tensor } from '../tensor/tensor.js';
import { type EncodedBatch, openBatchEncoder } from './encode-batch.js';
import type { BatchMessage, WorkerMessage, WorkerSetup } from './worker-messages.js';

const port = parentPort!;
const setup = workerData as WorkerSetup;
const { model, perRun, threads } = setup;

let tail: Promise<void> = Promise.resolve();
// A slice of shared memory is a copy in memory of our own, which is what onnxruntime takes.
const opening = openOnProvider(
  typeof model === 'string' ? model : new Uint8Array(model).slice(),
  setup.provider,
  threads === undefined ? {} : { threads },
);
opening.catch((error: unknown) => report(error));
const encodeBatch = await openBatchEncoder(setup);

/** Whether batches that are not begun are wanted no more. */
let isDropping = false;

port.on('message', (message: BatchMessage | 'close' | 'drop') => {
  if (message === 'close' || message === 'drop') {
    isDropping = message === 'drop';
    tail = tail.then(close, close);
    return;
  }
  const encoding = encodeBatch(message);
  // It is heard when its turn comes.
  encoding.catch(() => {});
  tail = tail
    .then(async () => runBatch(await opening, await encoding))
    .catch((error: unknown) => report(error, message.id));
});

async function runBatch(session: Session, { id, count, views, broken }: EncodedBatch): Promise<void> {
  if (isDropping) throw new GraftError('INTERRUPTED', 'The batch was dropped.');
  const features = setup.outputs.map(({ dim, view }) => new Float32Array(views.has(view) ? count * dim : 0));
  for (const [view, examples] of views) {
    for (let start = 0; start < examples.count;) {
      const end = start + examples.together(start, perRun);
      await runExamples(session, examples, start, end, view, features);
      start = end;
    }
  }
  send(
    { kind: 'done', id, features, broken },
    features.map((values) => values.buffer),
  );
}

/** Places `start` to `end` of one view of the batch. Where the memory does not suffice for so many at once, in halves. */
async function runExamples(
  session: Session,
  examples: EncodedExamples,
  start: number,
  end: number,
  view: number,
  features: readonly Float32Array[],
): Promise<void> {
  let outputs: Readonly<Record<string, Tensor>>;
  try {
    outputs = await session.run(examples.feeds(start, end));
  } catch (error) {
    if (end - start === 1 || !isOutOfMemory(error)) throw error;
    const middle = (start + end) >> 1;
    await runExamples(session, examples, start, middle, view, features);
    return runExamples(session, examples, middle, end, view, features);
  }
  for (const [i, { name, dim, view: own }] of setup.outputs.entries()) {
    if (own !== view) continue;
    const { dtype, dims, data } = outputs[name ?? session.outputNames[0]!]!;
    if (!(data instanceof Float32Array) || data.length !== (end - start) * dim) {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `Expected features of float32 [${end - start},${dim}] but the model gives ${dtype} [${dims}].`,
      );
    }
    for (let place = start; place < end; place++) {
      const row = data.subarray((place - start) * dim, (place - start + 1) * dim);
      features[i]!.set(row, examples.order[place]! * dim);
    }
  }
}

/** onnxruntime says it in words only, on the CPU and on CUDA. */
function isOutOfMemory(error: unknown): boolean {
  return /failed to allocate|out of memory|bad allocation|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED/i.test(
    messageOf(error),
  );
}

function report(error: unknown, id?: number): void {
  const code = error instanceof GraftError ? error.code : 'RUNTIME_FAILURE';
  send({ kind: 'failed', code, message: messageOf(error), ...(id !== undefined && { id }) });
}

async function close(): Promise<void> {
  await opening.then((session) => session.release()).catch(() => {});
  port.close();
}

function send(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}
