/** The worker: downloads the model, runs it on one input after the other, and keeps the page free to answer. */
import { GraftError, messageOf } from '../errors.js';
import { toChannels, writeImage } from '../image/write-image.js';
import { pixelShape } from '../models/pixel-shape.js';
import { openBrowserSession } from '../runtime/open-browser-session.js';
import type { Session, TensorMap } from '../runtime/session.js';
import type { ImageInput, ServedModel } from '../serve/served-model.js';
import { decodeBlob, readPixels } from './decode-blob.js';
import { fetchModel } from './fetch-model.js';
import type { ClassifierInput, Reply, Request, Result, Wishes } from './worker-messages.js';

// TypeScript takes this file for a page's; in a worker, messages go to whoever started it.
const page = globalThis as unknown as {
  postMessage(message: Reply, transfer?: readonly Transferable[]): void;
};

const thumbnailSize = 192;

interface OpenModel {
  readonly model: ServedModel;
  readonly session: Session;
}

let opening: Promise<OpenModel> | undefined;
/** One after the other: they share the buffers of the resize and the session. */
let last: Promise<unknown> = Promise.resolve();

addEventListener('message', ({ data: request }: MessageEvent<Request>) => {
  if (request.kind === 'load') {
    opening = open(request.model, request.wishes);
    opening.catch((error: unknown) => page.postMessage({ kind: 'failed', message: messageOf(error) }));
  } else {
    last = last.then(() => answer(request.id, request.input));
  }
});

async function open(model: ServedModel, wishes: Wishes): Promise<OpenModel> {
  const bytes = await fetchModel('/model.onnx', model.sizeBytes, (receivedBytes) =>
    page.postMessage({ kind: 'progress', receivedBytes }),
  );
  const { session, explanation } = await openBrowserSession(bytes, {
    ...wishes,
    runtime: new URL('/runtime/', location.href).href,
    trial: (session) =>
      feed(session, model.input, (pixels) => {
        for (let i = 0; i < pixels.length; i++) pixels[i] = Math.sin(i * 0.01);
      }),
  });
  page.postMessage({ kind: 'ready', explanation });
  return { model, session };
}

async function answer(id: number, input: ClassifierInput): Promise<void> {
  try {
    const result = await classify(await opening!, input);
    page.postMessage({ kind: 'result', id, ...result }, [result.thumbnail]);
  } catch (error) {
    page.postMessage({ kind: 'refused', id, message: messageOf(error) });
  }
}

async function classify({ model, session }: OpenModel, input: ClassifierInput): Promise<Result> {
  const { preprocess } = model.input;
  const started = performance.now();
  const bitmap = input instanceof Blob ? await decodeBlob(input, preprocess) : input;
  try {
    const image = toChannels(readPixels(bitmap, preprocess), preprocess);
    const feeds = feed(session, model.input, (pixels) => writeImage(image, preprocess, pixels));
    const prepared = performance.now();
    const results = await session.run(feeds);
    const finished = performance.now();
    const outputs = results[model.output]?.data;
    if (!(outputs instanceof Float32Array) || outputs.length !== model.labels.length) {
      throw new GraftError(
        'INVALID_MODEL',
        `Expected ${model.labels.length} numbers from the output ${model.output} of the model but got ${outputs?.length ?? 'none'}.`,
      );
    }
    return {
      outputs,
      thumbnail: await drawThumbnail(bitmap),
      prepareMs: prepared - started,
      runMs: finished - prepared,
    };
  } finally {
    bitmap.close();
  }
}

/** The model's one input, a batch of one image. */
function feed(session: Session, { preprocess }: ImageInput, fill: (pixels: Float32Array) => void): TensorMap {
  const { channels, height, width } = pixelShape(preprocess);
  const data = new Float32Array(channels * height * width);
  fill(data);
  const dims = preprocess.layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  return { [session.inputNames[0]!]: { dtype: 'float32', dims, data } };
}

/** At least `thumbnailSize` on the shorter side, unless the image is smaller. */
function drawThumbnail(bitmap: ImageBitmap): Promise<ImageBitmap> {
  const factor = Math.min(1, thumbnailSize / Math.min(bitmap.width, bitmap.height));
  return createImageBitmap(bitmap, {
    resizeWidth: Math.max(1, Math.round(bitmap.width * factor)),
    resizeHeight: Math.max(1, Math.round(bitmap.height * factor)),
    resizeQuality: 'medium',
  });
}
