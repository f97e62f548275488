/**
 * Milliseconds that a model takes for a run, on one thread: alone, or in as many threads at once as there are cores. Cores share
 * caches, memory and, in a virtual machine, what other guests leave of them: so the second is longer.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';
import { openSession } from '../src/runtime/open-session.js';
import type { Tensor } from '../src/tensor/tensor.js';

export interface Job {
  readonly model: Uint8Array;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly runs: number;
}

/** Milliseconds a unit of work: by the clock, and of a core. */
export interface Cost {
  readonly clockMs: number;
  readonly coreMs: number;
}

/** Of `units` units of work. */
export async function cost(units: number, work: () => Promise<void>): Promise<Cost> {
  const before = process.cpuUsage();
  const started = performance.now();
  await work();
  const clockMs = (performance.now() - started) / units;
  const { user, system } = process.cpuUsage(before);
  return { clockMs, coreMs: (user + system) / 1000 / units };
}

/** One run after another in this thread; `start` is waited for between warming up and measuring. */
export async function timeInference({ model, feeds, runs }: Job, start?: () => Promise<void>): Promise<Cost> {
  const session = await openSession(model, { device: 'cpu', threads: 1 });
  try {
    for (let i = 0; i < 3; i++) await session.run(feeds);
    await start?.();
    return await cost(runs, async () => {
      for (let i = 0; i < runs; i++) await session.run(feeds);
    });
  } finally {
    await session.release();
  }
}

/** The mean over `threads` threads that begin at once, a session in each. */
export async function timeTogether(job: Job, threads: number): Promise<number> {
  const workers = Array.from(
    { length: threads },
    () => new Worker(fileURLToPath(import.meta.url), { workerData: job }),
  );
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const ends = workers.map(async (worker) => (await once(worker, 'message'))[0] as number);
    for (const worker of workers) worker.postMessage('start');
    const times = await Promise.all(ends);
    return times.reduce((sum, time) => sum + time, 0) / threads;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const { clockMs } = await timeInference(workerData as Job, async () => {
    const started = once(port, 'message');
    port.postMessage('ready');
    await started;
  });
  port.postMessage(clockMs);
}
