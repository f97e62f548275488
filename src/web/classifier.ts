/** The page's side of the worker: one promise an input. */
import type { ServedModel } from '../serve/served-model.js';
import type { ClassifierInput, Reply, Request, Result, Wishes } from './worker-messages.js';

export interface Classifier {
  /** What the model runs on, and why. @throws Error with the reason where it does not run. */
  readonly ready: Promise<string>;
  /** Waits for its turn. A bitmap is handed over. @throws Error with the reason, for people. */
  classify(input: ClassifierInput): Promise<Result>;
}

export function startClassifier(
  model: ServedModel,
  wishes: Wishes,
  onProgress: (receivedBytes: number) => void,
): Classifier {
  const worker = new Worker('/modules/web/worker.js', { type: 'module' });
  const waiting = new Map<number, { resolve(result: Result): void; reject(error: Error): void }>();
  const send = (request: Request, transfer: Transferable[] = []): void =>
    worker.postMessage(request, transfer);
  let count = 0;
  let failure: Error | undefined;
  const ready = new Promise<string>((resolve, reject) => {
    const fail = (message: string): void => {
      failure = new Error(message);
      reject(failure);
      for (const { reject: refuse } of waiting.values()) refuse(failure);
      waiting.clear();
    };
    worker.addEventListener('error', ({ message }) =>
      fail(`The page's worker ended (${message || 'it could not be loaded'}). Load this page again.`),
    );
    worker.addEventListener('message', ({ data: reply }: MessageEvent<Reply>) => {
      if (reply.kind === 'progress') onProgress(reply.receivedBytes);
      else if (reply.kind === 'ready') resolve(reply.explanation);
      else if (reply.kind === 'failed') fail(reply.message);
      else {
        const promise = waiting.get(reply.id);
        waiting.delete(reply.id);
        if (reply.kind === 'result') promise?.resolve(reply);
        else promise?.reject(new Error(reply.message));
      }
    });
  });
  send({ kind: 'load', model, wishes });
  return {
    ready,
    classify: (input) =>
      new Promise((resolve, reject) => {
        if (failure) throw failure;
        const id = count++;
        waiting.set(id, { resolve, reject });
        send({ kind: 'classify', id, input }, input instanceof ImageBitmap ? [input] : []);
      }),
  };
}
