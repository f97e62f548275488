/**
 * Runs the built `graft` in this process: the same function with the same flags, without loading all modules once more,
 * which is what most short calls would spend their time on. What a process is needed for (signals, stdin, what native
 * code prints, ending by itself, two at once) takes `graft` of `graft.ts`.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Outcome, parseOutcome } from './graft.js';

const entry = pathToFileURL(path.resolve('dist/cli/main.js')).href;
let isRunning = false;

export async function graftHere(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  if (isRunning) throw new Error('Expected one call of graftHere at a time; await it, or take graft.');
  isRunning = true;
  const said = { stdout: '', stderr: '' };
  const before = { exitCode: process.exitCode, env: { ...process.env } };
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write;
    stream.write = (chunk: Uint8Array | string) => {
      said[name] += Buffer.from(chunk).toString();
      return true;
    };
    return () => {
      stream.write = write;
    };
  });
  process.exitCode = undefined;
  setEnvironment({ ...before.env, ...env });
  try {
    const { main } = (await import(entry)) as { main(args: readonly string[]): Promise<void> };
    await main(args);
    return { ...said, status: Number(process.exitCode ?? 0) };
  } finally {
    for (const each of restore) each();
    process.exitCode = before.exitCode;
    setEnvironment(before.env);
    isRunning = false;
  }
}

/** As `graftJson`, in this process. */
export async function graftJsonHere<T>(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<T> {
  return parseOutcome(args, await graftHere([...args, '--json'], env));
}

function setEnvironment(env: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env)) if (env[name] === undefined) delete process.env[name];
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
}
