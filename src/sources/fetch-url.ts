/** Fetches one example over http(s), patiently: what may be better in a moment is tried again. */
import { setTimeout as wait } from 'node:timers/promises';
import { GraftError, messageOf } from '../errors.js';
import { largestExample } from './read-file.js';

export interface FetchOptions {
  /** How often to try. */
  readonly attempts?: number;
  /** Wait before the second attempt, doubled before each one after it; a server's Retry-After comes first. */
  readonly firstWaitMs?: number;
  /** Longest pause between two pieces of the answer. */
  readonly timeoutMs?: number;
  readonly maxBytes?: number;
}

/** A longer wait than this is not asked of anybody, whatever Retry-After says. */
const longestWaitMs = 30_000;

/** Worth another attempt: too busy, or broken on the way. */
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/** @throws GraftError FILE_NOT_FOUND (404, 410) or FILE_UNREADABLE naming the address and what the server said. */
export async function fetchUrl(
  url: string,
  { attempts = 4, firstWaitMs = 500, timeoutMs = 30_000, maxBytes = largestExample }: FetchOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryOnce(url, timeoutMs, maxBytes);
    if (outcome.bytes) return outcome.bytes;
    const { error, isPassing, retryAfterMs } = outcome;
    if (!isPassing || attempt >= attempts) throw error;
    await wait(Math.min(longestWaitMs, retryAfterMs ?? firstWaitMs * 2 ** (attempt - 1)));
  }
}

type Outcome =
  | { readonly bytes: Uint8Array<ArrayBuffer> }
  | {
      readonly bytes?: undefined;
      readonly error: GraftError;
      readonly isPassing: boolean;
      readonly retryAfterMs?: number | undefined;
    };

async function tryOnce(url: string, timeoutMs: number, maxBytes: number): Promise<Outcome> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error(`no answer for ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const response = await fetch(url, { signal: stop.signal });
    if (!response.ok) {
      void response.body?.cancel();
      const isGone = response.status === 404 || response.status === 410;
      return {
        error: refusal(url, `the server answers ${response.status} ${response.statusText}`.trim(), isGone),
        isPassing: passing.has(response.status),
        retryAfterMs: retryAfter(response.headers.get('retry-after')),
      };
    }
    const announced = Number(response.headers.get('content-length') ?? 0);
    if (announced > maxBytes) {
      void response.body?.cancel();
      return { error: refusal(url, `it has ${announced} bytes, more than any photo`), isPassing: false };
    }
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      timer.refresh();
      length += piece.length;
      if (length > maxBytes) {
        return {
          error: refusal(url, `it has over ${maxBytes} bytes, more than any photo`),
          isPassing: false,
        };
      }
      pieces.push(piece);
    }
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return { bytes };
  } catch (error) {
    return { error: refusal(url, reasonOf(error), false, error), isPassing: true };
  } finally {
    clearTimeout(timer);
  }
}

function refusal(url: string, reason: string, isGone = false, cause?: unknown): GraftError {
  return new GraftError(isGone ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE', `Cannot fetch ${url}: ${reason}.`, {
    cause,
  });
}

/** fetch says "fetch failed"; the reason is its cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  return cause instanceof AggregateError && cause.errors.length > 0
    ? messageOf(cause.errors[0])
    : messageOf(cause ?? error);
}

/** Milliseconds, from seconds or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}
