/** How the library speaks: it never prints, the caller passes a logger. */

export interface Logger {
  info(message: string): void;
  warn(message: string): void;
}

/** Says each message once, however many stages come upon it. */
export function sayOnce({ info, warn }: Logger): Logger {
  const said = new Set<string>();
  const once = (say: (message: string) => void) => (message: string) => {
    if (said.has(message)) return;
    said.add(message);
    say(message);
  };
  return { info: once(info), warn: once(warn) };
}

export const silentLogger: Logger = { info() {}, warn() {} };

/** Progress of a long task. `rate` is in items a second. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export type OnProgress = (progress: Progress) => void;
