/** The worker: downloads the model, runs it on one input after the other, and keeps the page free to answer. */
import { GraftError, messageOf } from '../errors.js';
import { openBrowserSession } from '../runtime/open-browser-session.js';
import type { Session } from '../runtime/session.js';
import type { ServedInput, ServedModel } from '../serve/served-model.js';
import { fetchModel } from './fetch-model.js';
import type { InputReader } from './input-reader.js';
import type { ClassifierInput, Reply, Request, Result, Wishes } from './worker-messages.js';

// TypeScript takes this file for a page's; in a worker, messages go to whoever started it.
const page = globalThis as unknown as {
  postMessage(message: Reply, transfer?: readonly Transferable[]): void;
};

interface OpenModel {
  readonly model: ServedModel;
  readonly session: Session;
  readonly reader: InputReader;
}

let opening: Promise<OpenModel> | undefined;

addEventListener('message', ({ data: request }: MessageEvent<Request>) => {
  if (request.kind === 'load') {
    opening = open(request.model, request.wishes);
    opening.catch((error: unknown) => page.postMessage({ kind: 'failed', message: messageOf(error) }));
  } else {
    void answer(request.input);
  }
});

async function open(model: ServedModel, wishes: Wishes): Promise<OpenModel> {
  const bytes = await fetchModel('/model.onnx', model.sizeBytes, (receivedBytes) =>
    page.postMessage({ kind: 'progress', receivedBytes }),
  );
  const reader = await openReader(model.input);
  const { session, explanation } = await openBrowserSession(bytes, {
    ...wishes,
    runtime: new URL('/runtime/', location.href).href,
    trial: ({ inputNames }) => reader.trial(inputNames[0]!),
  });
  page.postMessage({ kind: 'ready', explanation });
  return { model, session, reader };
}

/** Only what the model needs is loaded: the tokenizers are large. */
async function openReader(input: ServedInput): Promise<InputReader> {
  if (input.kind === 'image') return (await import('./image-reader.js')).openImageReader(input);
  return (await import('./text-reader.js')).openTextReader(input);
}

async function answer(input: ClassifierInput): Promise<void> {
  try {
    const result = await classify(await opening!, input);
    page.postMessage({ kind: 'result', ...result }, result.thumbnail ? [result.thumbnail] : []);
  } catch (error) {
    page.postMessage({ kind: 'refused', message: messageOf(error) });
  }
}

async function classify({ model, session, reader }: OpenModel, input: ClassifierInput): Promise<Result> {
  const started = performance.now();
  const { feeds, thumbnail, note } = await reader.read(input, session.inputNames[0]!);
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
    prepareMs: prepared - started,
    runMs: finished - prepared,
    ...(thumbnail && { thumbnail }),
    ...(note && { note }),
  };
}
