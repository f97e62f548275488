/** Where a command speaks: results to stdout, everything else to stderr. */
import type { Logger, OnProgress } from '../logger.js';
import { formatSeconds } from './format-text.js';
import { RateMeter } from './rate-meter.js';
import { showControls } from './show-controls.js';

export interface Output {
  readonly logger: Logger;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** A progress bar on stderr, where that is a terminal; it ends with the next one, a message, the result or `close`. */
  progress(title: string, unit: string): Promise<OnProgress>;
  /** Prints the result: the JSON document with --json, else the text. */
  result(document: object, text: string): void;
  close(): void;
}

/** What Ctrl-C is answered with where finished work is kept. */
export const goesOn = 'Stopping. Finished work is kept: run the same command again to go on.';

export interface OutputOptions {
  readonly json: boolean;
  /** What is said on Ctrl-C. */
  readonly farewell?: string | undefined;
}

export function createOutput({ json, farewell = 'Stopping.' }: OutputOptions): Output {
  const interrupt = new AbortController();
  // Once only: a second Ctrl-C ends the process the ordinary way. Schedulers send SIGTERM before they take a machine away.
  const onInterrupt = (): void => {
    stopBar();
    process.stderr.write(`\n${farewell}\n`);
    interrupt.abort();
  };
  process.once('SIGINT', onInterrupt);
  process.once('SIGTERM', onInterrupt);
  let stopBar = (): void => {};
  const say = (message: string): void => {
    // On the line of a bar, where lines do not wrap, most of it would not be seen.
    stopBar();
    process.stderr.write(`${showControls(message)}\n`);
  };
  return {
    logger: { info: say, warn: (message) => say(`warning: ${message}`) },
    signal: interrupt.signal,
    async progress(title, unit) {
      if (!process.stderr.isTTY) return () => {};
      return startBar(title, unit, (stop) => {
        // A bar that is not stopped keeps the process alive.
        stopBar();
        stopBar = stop;
      });
    },
    result(document, text) {
      stopBar();
      // Of nothing there is no line, not even an empty one, which the next program would take for a result.
      if (json || text !== '')
        process.stdout.write(`${json ? JSON.stringify(document) : showControls(text)}\n`);
    },
    close() {
      stopBar();
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onInterrupt);
    },
  };
}

/** The bar appears with the first progress, so that work that is already done shows none. */
async function startBar(
  title: string,
  unit: string,
  onStart: (stop: () => void) => void,
): Promise<OnProgress> {
  const { default: bars } = await import('cli-progress');
  const bar = new bars.SingleBar({
    format: `${title} {bar} {value}/{total}  {rate} ${unit}/s  {remaining} left`,
    stream: process.stderr,
    barsize: 28,
    hideCursor: true,
  });
  const meter = new RateMeter();
  let isStarted = false;
  return ({ done, total }) => {
    const rate = meter.add(done, performance.now());
    if (!isStarted) {
      onStart(() => {
        bar.stop();
        isStarted = false;
      });
      bar.start(total, done, { rate: '-', remaining: '-' });
    }
    isStarted = true;
    bar.setTotal(total);
    bar.update(done, {
      rate: rate.toFixed(rate < 10 ? 1 : 0),
      remaining: rate > 0 ? formatSeconds((total - done) / rate) : '-',
    });
  };
}
