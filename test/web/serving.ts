/** `graft serve` in a process of its own. */
import { spawn } from 'node:child_process';
import path from 'node:path';

export interface Serving {
  readonly url: string;
  readonly port: number;
  /** All that it has printed so far. */
  printed(): string;
  /** As Ctrl-C does; the exit status. */
  interrupt(): Promise<number | null>;
}

export async function serve(model: string, ...flags: readonly string[]): Promise<Serving> {
  const args = [path.resolve('dist/cli/index.js'), 'serve', '--model', model, '--json', ...flags];
  const child = spawn(process.execPath, args);
  let stdout = '';
  let stderr = '';
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
      if (stdout.includes('\n')) resolve((JSON.parse(stdout) as { url: string }).url);
    });
    void ended.then((status) => reject(new Error(`graft serve ended with ${status}: ${stderr}`)));
  });
  return {
    url,
    port: Number(new URL(url).port),
    printed: () => stdout,
    interrupt() {
      child.kill('SIGINT');
      return ended;
    },
  };
}
