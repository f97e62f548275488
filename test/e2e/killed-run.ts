/** Runs of graft that are ended from outside, and what must be the same in a run that went on afterwards. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const cli = path.resolve('dist/cli/index.js');

/** Runs graft and kills it with SIGKILL as soon as `isTime` says so. @returns whether it was killed before it ended */
export async function killWhen(args: readonly string[], isTime: () => boolean): Promise<boolean> {
  const { signal } = await signalWhen(args, 'SIGKILL', isTime);
  return signal === 'SIGKILL';
}

/** Runs graft and sends it a signal as soon as `isTime` says so. @returns how it ended and what it said */
export async function signalWhen(
  args: readonly string[],
  signal: NodeJS.Signals,
  isTime: () => boolean,
): Promise<{ status: number | null; signal: NodeJS.Signals | null; stderr: string }> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
    child.on('close', (...how) => resolve(how)),
  );
  while (child.exitCode === null && child.signalCode === null) {
    if (isTime()) {
      child.kill(signal);
      break;
    }
    await sleep(2);
  }
  const [status, by] = await ended;
  return { status, signal: by, stderr };
}

export const linesOf = (file: string): number =>
  existsSync(file) ? readFileSync(file, 'utf8').split('\n').length - 1 : 0;

/** All of a run but where it lies and how long it took. */
export function essence(run: string): Record<string, unknown> {
  const result = JSON.parse(readFileSync(path.join(run, 'result.json'), 'utf8')) as Record<string, unknown>;
  delete result.run;
  delete result.seconds;
  const files = readdirSync(run).sort();
  const hasOwnFormat = new Set(['result.json', 'config.json', 'checkpoint', 'report.html']);
  return {
    result,
    files,
    ...Object.fromEntries(
      files
        .filter((name) => !hasOwnFormat.has(name))
        .map((name) => [name, readFileSync(path.join(run, name), 'hex')]),
    ),
  };
}
