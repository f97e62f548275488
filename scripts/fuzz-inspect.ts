/**
 * Inspects seeded random mutations of model files, ONNX Runtime's probe run included, each child process many of them.
 * What a child may not do: crash, take longer than the limit, or fail with anything but a GraftError that names the file.
 *
 *   node build/scripts/fuzz-inspect.js COUNT SEED FILE…
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraftError, messageOf } from '../src/errors.js';
import { inspectModel } from '../src/pipeline/inspect-model.js';
import { createRng } from '../src/rng.js';
import { mutateBytes } from './mutate-bytes.js';

const [count = '', seed = '', ...files] = process.argv.slice(2);
if (files.length === 0) throw new Error('Expected COUNT SEED FILE….');
const perMutationMs = 60_000;

async function inspectFrom(start: number): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-fuzz-'));
  const file = path.join(folder, 'm.onnx');
  const sources = await Promise.all(files.map((source) => readFile(source)));
  try {
    for (let i = start; i < Number(count); i++) {
      // Told before it is tried, so that a crash has a number.
      process.stdout.write(`${i}\n`);
      await writeFile(
        file,
        mutateBytes(sources[i % sources.length]!, createRng(Number(seed) * 1_000_003 + i)),
      );
      try {
        const { problem } = await inspectModel(file);
        process.stdout.write(problem === undefined ? 'inspected\n' : 'read\n');
      } catch (error) {
        if (!(error instanceof GraftError) || !error.message.includes(file)) {
          process.stdout.write(`improper ${i}: ${messageOf(error).slice(0, 300)}\n`);
        } else process.stdout.write('refused\n');
      }
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Children, one after another, each going on behind the mutation that ended the last. */
async function supervise(): Promise<void> {
  const totals = { inspected: 0, read: 0, refused: 0 };
  const failures: string[] = [];
  for (let start = 0; start < Number(count);) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), count, seed, ...files], {
      env: { ...process.env, GRAFT_FUZZ_FROM: String(start) },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let current = start;
    let isHanging = false;
    const stop = (): void => {
      isHanging = true;
      child.kill('SIGKILL');
    };
    let timer = setTimeout(stop, perMutationMs);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      clearTimeout(timer);
      timer = setTimeout(stop, perMutationMs);
      for (const line of text.split('\n')) {
        if (/^\d+$/.test(line)) current = Number(line);
        else if (line.startsWith('improper')) failures.push(line);
        else if (line in totals) totals[line as keyof typeof totals]++;
      }
    });
    const { status, signal } = await new Promise<{ status: number | null; signal: string | null }>(
      (resolve) => child.on('close', (status, signal) => resolve({ status, signal })),
    );
    clearTimeout(timer);
    if (status === 0) break;
    failures.push(`${isHanging ? 'hangs' : `ends with ${signal ?? status}`}: ${current}`);
    start = current + 1;
  }
  for (const failure of failures) console.log(failure);
  console.log(JSON.stringify({ ...totals, failures: failures.length }));
  process.exitCode = failures.length > 0 ? 1 : 0;
}

const from = process.env.GRAFT_FUZZ_FROM;
await (from === undefined ? supervise() : inspectFrom(Number(from)));
