/** The page's side of the worker: one promise an input, and the line in which inputs wait for their turn. */
import type { ServedModel } from '../serve/served-model.js';
import type { ClassifierInput, Reply, Request, Result, Wishes } from './worker-messages.js';

export interface Classifier {
  /** What the model runs on, and why. @throws Error with the reason where it does not run. */
  readonly ready: Promise<string>;
  /**
   * Waits for its turn, from which an abort takes it out. A bitmap is handed over.
   * @throws Error with the reason, for people, and the reason of `signal`
   */
  classify(input: ClassifierInput, signal?: AbortSignal): Promise<Result>;
}

interface Job {
  readonly input: ClassifierInput;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export function startClassifier(
  model: ServedModel,
  wishes: Wishes,
  onProgress: (receivedBytes: number) => void,
): Classifier {
  const worker = new Worker('/modules/web/worker.js', { type: 'module' });
  const waiting: Job[] = [];
  let current: Job | undefined;
  const send = (request: Request, transfer: Transferable[] = []): void =>
    worker.postMessage(request, transfer);
  const advance = (): void => {
    current = waiting.shift();
    if (!current) return;
    const { input } = current;
    send({ kind: 'classify', input }, input instanceof ImageBitmap ? [input] : []);
  };
  let failure: Error | undefined;
  const ready = new Promise<string>((resolve, reject) => {
    const fail = (message: string): void => {
      failure = new Error(message);
      reject(failure);
      for (const job of [current, ...waiting.splice(0)]) job?.reject(failure);
      current = undefined;
    };
    worker.addEventListener('error', ({ message }) =>
      fail(`The page's worker ended (${message || 'it could not be loaded'}). Load this page again.`),
    );
    worker.addEventListener('message', ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.kind === 'progress') onProgress(reply.receivedBytes);
      else if (reply.kind === 'ready') resolve(reply.explanation);
      else if (reply.kind === 'failed') fail(reply.message);
      else {
        if (reply.kind === 'result') current?.resolve(reply);
        else current?.reject(new Error(reply.message));
        advance();
      }
    });
  });
  send({ kind: 'load', model, wishes });
  return {
    ready,
    classify: (input, signal) =>
      new Promise((resolve, reject) => {
        if (failure) throw failure;
        const job = { input, resolve, reject };
        signal?.addEventListener('abort', () => {
          const at = waiting.indexOf(job);
          if (at >= 0) waiting.splice(at, 1);
          reject(signal.reason as Error);
        });
        // What the camera sees is of no use later.
        if (input instanceof ImageBitmap) waiting.unshift(job);
        else waiting.push(job);
        if (!current) advance();
      }),
  };
}
