/** What becomes of output that nobody takes. */
import { messageOf, systemErrorCode } from '../errors.js';

let isPrepared = false;

/**
 * Who reads a part of the output alone (`graft … | head -1`) closes it: work that is going on then goes on, and ends as
 * it would. Output that cannot be written for another reason, as on a full disk, is a failure.
 */
export function surviveClosedOutput(): void {
  if (isPrepared) return;
  isPrepared = true;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: Error) => {
      if (systemErrorCode(error) === 'EPIPE') return;
      process.exitCode = 1;
      if (stream === process.stdout)
        process.stderr.write(`graft: The result cannot be written: ${messageOf(error)}\n`);
    });
  }
}
