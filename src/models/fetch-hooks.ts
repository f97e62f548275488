import type { Logger, OnProgress } from '../logger.js';

/** How fetching a model tells about itself and is stopped. */
export interface FetchHooks {
  readonly logger?: Logger | undefined;
  /** In bytes. */
  readonly onProgress?: OnProgress | undefined;
  readonly signal?: AbortSignal | undefined;
}
