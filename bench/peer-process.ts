/** A Python peer that stays alive beside the benchmark, so that both are timed in turns on the same machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Peer {
  /** The first line it printed: its version. */
  readonly version: string;
  /** Asks for one round; its answer, a line. */
  round(): Promise<string>;
  close(): void;
}

/** Not compiled, so where the sources are. */
const peers = fileURLToPath(new URL('../../bench/peers', import.meta.url));

/** Undefined where the Python there lacks what the script imports. */
export async function startPeer(
  python: string,
  script: string,
  args: readonly (string | number)[],
): Promise<Peer | undefined> {
  const file = path.join(peers, script);
  const child: ChildProcess = spawn(python, [file, ...args.map(String)], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const next = async (): Promise<string | undefined> => {
    const result = await lines.next();
    return result.done ? undefined : result.value;
  };
  child.on('error', () => {});
  const version = await next();
  if (version === undefined) return undefined;
  return {
    version,
    async round() {
      child.stdin!.write('\n');
      const line = await next();
      if (line === undefined) throw new Error(`${script} ended before it answered.`);
      return line;
    },
    close: () => child.stdin!.end(),
  };
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
