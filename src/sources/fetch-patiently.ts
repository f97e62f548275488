/** An answer over http(s), patiently: what may be better in a moment is asked for again. */
import { setTimeout as wait } from 'node:timers/promises';
import { GraftError, messageOf } from '../errors.js';

export interface PatienceOptions {
  /** How often to try. */
  readonly attempts?: number;
  /** Wait before the second attempt, doubled before each one after it; a server's Retry-After comes first. */
  readonly firstWaitMs?: number;
  /** Longest pause between two pieces of the answer. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Request<T> extends PatienceOptions {
  /** Asked before each attempt. */
  headers?(): Readonly<Record<string, string>>;
  /** Statuses that `take` wants to see though they are no success. */
  readonly accepts?: readonly number[];
  /** Makes the result of an answer; `alive` tells that a piece of it has come. A GraftError of its is final. */
  take(response: Response, alive: () => void): Promise<T>;
}

/** A longer wait than this is not asked of anybody, whatever Retry-After says. */
const longestWaitMs = 30_000;

/** Worth another attempt: too busy, or broken on the way. */
const passing: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

/**
 * @throws GraftError FILE_NOT_FOUND (404, 410) or FILE_UNREADABLE naming the address and what the server said;
 *   INTERRUPTED; what `take` throws.
 */
export async function fetchPatiently<T>(url: string, request: Request<T>): Promise<T> {
  const { attempts = 4, firstWaitMs = 500, signal } = request;
  for (let attempt = 1; ; attempt++) {
    const outcome = await tryOnce(url, request);
    if ('result' in outcome) return outcome.result;
    const { error, isPassing, retryAfterMs } = outcome;
    if (signal?.aborted) throw new GraftError('INTERRUPTED', `Fetching ${url} was stopped.`);
    if (!isPassing || attempt >= attempts) throw error;
    const waitMs = Math.min(longestWaitMs, retryAfterMs ?? firstWaitMs * 2 ** (attempt - 1));
    // Stopped meanwhile it ends at once, and so does the attempt that follows. Many may wait: a signal of its own, or Node warns of
    // so many listeners of one.
    await wait(waitMs, undefined, signal && { signal: AbortSignal.any([signal]) }).catch(() => {});
  }
}

type Outcome<T> =
  | { readonly result: T }
  | {
      readonly error: GraftError;
      readonly isPassing: boolean;
      readonly retryAfterMs?: number | undefined;
    };

async function tryOnce<T>(url: string, request: Request<T>): Promise<Outcome<T>> {
  const { timeoutMs = 30_000, signal, headers, accepts = [], take } = request;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error(`no answer for ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    const response = await fetch(url, {
      signal: signal ? AbortSignal.any([stop.signal, signal]) : stop.signal,
      ...(headers && { headers: headers() }),
    });
    const { status, statusText } = response;
    if (!response.ok && !accepts.includes(status)) {
      void response.body?.cancel();
      return {
        error: refusal(
          url,
          `the server answers ${status} ${statusText}`.trim(),
          status === 404 || status === 410,
        ),
        isPassing: passing.has(status),
        retryAfterMs: retryAfter(response.headers.get('retry-after')),
      };
    }
    return { result: await take(response, () => timer.refresh()) };
  } catch (error) {
    if (error instanceof GraftError) return { error, isPassing: false };
    return { error: refusal(url, reasonOf(error), false, error), isPassing: true };
  } finally {
    clearTimeout(timer);
  }
}

/** The error of an address that cannot be had. */
export function refusal(url: string, reason: string, isGone = false, cause?: unknown): GraftError {
  return new GraftError(isGone ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE', `Cannot fetch ${url}: ${reason}.`, {
    cause,
  });
}

/** fetch says "fetch failed"; the reason is its cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as Error;
  const reason =
    cause instanceof AggregateError && cause.errors.length > 0
      ? messageOf(cause.errors[0])
      : messageOf(cause ?? error);
  // OpenSSL's end with the line of its source.
  return reason.replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]+:[^:]*:([^:]+):.*$/s, 'TLS fails with "$1"');
}

/** Milliseconds, from seconds or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = Number(header);
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}
