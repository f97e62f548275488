/** A thread that turns batches of examples into features. */
import { parentPort, workerData } from 'node:worker_threads';
import { BatchComputer } from './batch-computer.js';
import { computingFailure } from './computing-failure.js';
import type { BatchMessage, WorkerMessage, WorkerSetup } from './worker-messages.js';

const port = parentPort!;
const opening = BatchComputer.open(workerData as WorkerSetup);
// It is heard with the first batch.
opening.catch(() => {});

port.on('message', (message: BatchMessage | 'close' | 'drop') => {
  void (message === 'close' || message === 'drop' ? close(message === 'drop') : answer(message));
});

async function answer({ id, ...batch }: BatchMessage): Promise<void> {
  try {
    const computer = await opening;
    const done = await computer.compute(batch);
    send(
      { kind: 'done', id, ...done },
      done.features.map((values) => values.buffer as ArrayBuffer),
    );
  } catch (error) {
    const { code, message } = computingFailure(error);
    send({ kind: 'failed', id, code, message });
  }
}

async function close(drop: boolean): Promise<void> {
  await opening.then((computer) => computer.close(drop)).catch(() => {});
  port.close();
}

function send(message: WorkerMessage, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer);
}
