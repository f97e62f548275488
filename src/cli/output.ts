/** Where a command speaks: results to stdout, everything else to stderr. */
import type { Logger, OnProgress } from '../logger.js';
import { RateMeter } from './rate-meter.js';

export interface Output {
  readonly logger: Logger;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** A progress bar on stderr, where that is a terminal; it is cleared by the result or by `close`. */
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
    process.stderr.write(`${message}\n`);
  };
  return {
    logger: { info: say, warn: (message) => say(`warning: ${message}`) },
    signal: interrupt.signal,
    async progress(title, unit) {
      if (!process.stderr.isTTY) return () => {};
      const { update, stop } = await startBar(title, unit);
      stopBar = stop;
      return update;
    },
    result(document, text) {
      stopBar();
      process.stdout.write(json ? `${JSON.stringify(document)}\n` : `${text}\n`);
    },
    close() {
      stopBar();
      process.off('SIGINT', onInterrupt);
      process.off('SIGTERM', onInterrupt);
    },
  };
}

/** The bar appears with the first progress, so that work that is already done shows none. */
async function startBar(title: string, unit: string): Promise<{ update: OnProgress; stop(): void }> {
  const { default: bars } = await import('cli-progress');
  const bar = new bars.SingleBar({
    format: `${title} {bar} {value}/{total}  {rate} ${unit}/s  {remaining} left`,
    stream: process.stderr,
    barsize: 28,
    hideCursor: true,
  });
  const meter = new RateMeter();
  let isStarted = false;
  return {
    update({ done, total }) {
      const rate = meter.add(done, performance.now());
      if (!isStarted) bar.start(total, done, { rate: '-', remaining: '-' });
      isStarted = true;
      bar.setTotal(total);
      bar.update(done, {
        rate: rate.toFixed(rate < 10 ? 1 : 0),
        remaining: rate > 0 ? formatSeconds((total - done) / rate) : '-',
      });
    },
    stop() {
      if (isStarted) bar.stop();
      isStarted = false;
    },
  };
}

/** 75 → "1m15s". */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  if (seconds < 60) return `${Math.round(seconds)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${Math.round(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${Math.round((seconds % 3600) / 60)}m`;
}

/** 12345678 → "12.3 MB". */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Days → "3 d ago". */
export function formatAge(days: number): string {
  return days < 1 ? `${formatSeconds(days * 86_400)} ago` : `${Math.floor(days)} d ago`;
}

/** 0.9634 → "96.3 %". */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Columns padded to their widest cell; numbers to the right. */
export function formatTable(rows: readonly (readonly (string | number)[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, String(cell).length);
    });
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) =>
          typeof cell === 'number' ? String(cell).padStart(widths[i]!) : cell.padEnd(widths[i]!),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
