/**
 * A thread that turns batches of encoded images into features: decode and normalise into one of a few buffers while
 * another one is in the model. The model's `run` blocks this thread, so the next batches' decoding is started before.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { GraftError, messageOf } from '../errors.js';
import { preprocessViews } from '../image/preprocess-image.js';
import { openOnProvider } from '../runtime/open-session.js';
import type { Session } from '../runtime/session.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  type BatchMessage,
  batchesPerWorker,
  type WorkerMessage,
  type WorkerSetup,
} from './worker-messages.js';

const port = parentPort!;
const setup = workerData as WorkerSetup;
const { model, preprocess, pixels, batch, perRun, threads } = setup;
const { height, width, channels } = pixels;
const imageSize = height * width * channels;
const imageDims = preprocess.layout === 'nchw' ? [channels, height, width] : [height, width, channels];
const buffers = Array.from(
  { length: batchesPerWorker },
  () => new Float32Array(batch * setup.views.length * imageSize),
);

interface DecodedBatch {
  readonly id: number;
  readonly count: number;
  readonly views: readonly number[];
  /** The images of the first view wanted, then those of the next one. */
  readonly buffer: Float32Array;
  readonly broken: readonly { readonly slot: number; readonly reason: string }[];
}

let turn = 0;
let tail: Promise<void> = Promise.resolve();
// A slice of shared memory is a copy in memory of our own, which is what onnxruntime takes.
const opening = openOnProvider(
  typeof model === 'string' ? model : new Uint8Array(model).slice(),
  setup.provider,
  threads === undefined ? {} : { threads },
);
opening.catch(report);

port.on('message', (message: BatchMessage | 'close') => {
  if (message === 'close') {
    tail = tail.then(close, close);
    return;
  }
  const buffer = buffers[turn++ % buffers.length]!;
  const decoding = decodeBatch(message, buffer);
  tail = tail.then(async () => runBatch(await opening, await decoding)).catch(report);
});

/** Every image has its own slot, so a broken neighbour does not move it; the slot of a broken one is zero. */
async function decodeBatch(
  { id, images, keys, views }: BatchMessage,
  buffer: Float32Array,
): Promise<DecodedBatch> {
  const broken: { slot: number; reason: string }[] = [];
  await Promise.all(
    images.map(async (bytes, slot) => {
      const wanted = views.map((view, place) => {
        const at = (place * images.length + slot) * imageSize;
        return { view: setup.views[view], into: buffer.subarray(at, at + imageSize) };
      });
      try {
        await preprocessViews(bytes, keys[slot]!, preprocess, wanted);
      } catch (error) {
        // Anything else (no memory, a bug) says nothing about the image and must not be recorded as its fault.
        if (!(error instanceof GraftError) || error.code !== 'INVALID_IMAGE') throw error;
        for (const { into } of wanted) into.fill(0);
        broken.push({ slot, reason: error.message });
      }
    }),
  );
  return { id, count: images.length, views, buffer, broken: broken.sort((a, b) => a.slot - b.slot) };
}

async function runBatch(session: Session, { id, count, views, buffer, broken }: DecodedBatch): Promise<void> {
  const features = setup.outputs.map(
    ({ dim, view }) => new Float32Array(views.includes(view) ? count * dim : 0),
  );
  for (const [place, view] of views.entries()) {
    const images = buffer.subarray(place * count * imageSize, (place + 1) * count * imageSize);
    for (let start = 0; start < count; start += perRun) {
      await runImages(session, images, start, Math.min(count, start + perRun), view, features);
    }
  }
  send(
    { kind: 'done', id, features, broken },
    features.map((values) => values.buffer),
  );
}

/** Images `start` to `end` of one view of the batch. Where the memory does not suffice for so many at once, in halves. */
async function runImages(
  session: Session,
  buffer: Float32Array,
  start: number,
  end: number,
  view: number,
  features: readonly Float32Array[],
): Promise<void> {
  const input: Tensor = {
    dtype: 'float32',
    dims: [end - start, ...imageDims],
    data: buffer.subarray(start * imageSize, end * imageSize),
  };
  let outputs: Readonly<Record<string, Tensor>>;
  try {
    outputs = await session.run({ [setup.input ?? session.inputNames[0]!]: input });
  } catch (error) {
    if (end - start === 1 || !isOutOfMemory(error)) throw error;
    const middle = (start + end) >> 1;
    await runImages(session, buffer, start, middle, view, features);
    return runImages(session, buffer, middle, end, view, features);
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
    features[i]!.set(data, start * dim);
  }
}

/** onnxruntime says it in words only, on the CPU and on CUDA. */
function isOutOfMemory(error: unknown): boolean {
  return /failed to allocate|out of memory|bad allocation|bad_alloc|CUBLAS_STATUS_ALLOC_FAILED/i.test(
    messageOf(error),
  );
}

function report(error: unknown): void {
  const code = error instanceof GraftError ? error.code : 'RUNTIME_FAILURE';
  send({ kind: 'failed', code, message: messageOf(error) });
}

async function close(): Promise<void> {
  await opening.then((session) => session.release()).catch(() => {});
  port.close();
}

function send(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}
