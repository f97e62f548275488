/** Runs the built `graft` as a user does, in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const cli = path.resolve('dist/cli/index.js');

/** @param input - what stands on its stdin */
export function graft(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  input: string | Uint8Array = '',
): Promise<Outcome> {
  const { child, ended } = startGraft(args, env);
  child.stdin.end(input);
  return ended;
}

/** Its stdin stays open. */
export function startGraft(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
  return { child, ended };
}

/** Runs with --json and returns the document; a failure throws with what graft said. */
export async function graftJson<T>(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<T> {
  return parseOutcome(args, await graft([...args, '--json'], env));
}

export function parseOutcome<T>(args: readonly string[], { status, stdout, stderr }: Outcome): T {
  if (status !== 0) throw new Error(`graft ${args.join(' ')} ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

export function temporaryFolder(): string {
  return mkdtempSync(path.join(tmpdir(), 'graft-test-'));
}
