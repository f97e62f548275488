/** What the page and its worker say to each other. */
import type { BrowserDevice } from '../runtime/open-browser-session.js';
import type { ServedModel } from '../serve/served-model.js';
import type { TextPair } from '../sources/text-pair.js';

/** What the address of the page asks for: `?device=wasm&threads=2`. */
export interface Wishes {
  readonly device?: BrowserDevice | undefined;
  readonly threads?: number | undefined;
}

/** An encoded image, a frame of the camera, a text, or a pair of texts. */
export type ClassifierInput = Blob | ImageBitmap | string | TextPair;

export type Request =
  | { readonly kind: 'load'; readonly model: ServedModel; readonly wishes: Wishes }
  /** The next one when this one was answered. */
  | { readonly kind: 'classify'; readonly input: ClassifierInput };

export interface Result {
  /** Probabilities or numbers, one a label. */
  readonly outputs: Float32Array;
  /** A small picture of the image that was classified. */
  readonly thumbnail?: ImageBitmap;
  /** What of the input the model does not see. */
  readonly note?: string;
  /** Decoding and resizing, or making tokens. */
  readonly prepareMs: number;
  /** The model alone. */
  readonly runMs: number;
}

export type Reply =
  /** Of the model's download; then the runtime is started. */
  | { readonly kind: 'progress'; readonly receivedBytes: number }
  | { readonly kind: 'ready'; readonly explanation: string }
  | { readonly kind: 'failed'; readonly message: string }
  | ({ readonly kind: 'result' } & Result)
  | { readonly kind: 'refused'; readonly message: string };
