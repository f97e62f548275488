/** The layout of a side file: which tensors it holds, and where. */
import type { Piece } from './encode-message.js';
import type { Initializer } from './ir.js';

/** A page, so that a runtime can map the file into memory (the format's advice). */
const alignment = 4096;

export class SideFile {
  readonly location: string;
  readonly #minimumBytes: number;
  readonly #tensors: { readonly piece: Piece; readonly offset: number }[] = [];
  #end = 0;

  constructor(location: string, minimumBytes: number) {
    this.location = location;
    this.#minimumBytes = minimumBytes;
  }

  /** Takes the initializer in, if it is large enough, and tells its place. Strings have none. */
  readonly place = ({ content }: Initializer): ReadonlyMap<string, string> | undefined => {
    if (content.kind === 'strings') return undefined;
    const piece = content.kind === 'raw' ? content.bytes : content;
    if (piece.length === 0 || piece.length < this.#minimumBytes) return undefined;
    const offset = Math.ceil(this.#end / alignment) * alignment;
    this.#tensors.push({ piece, offset });
    this.#end = offset + piece.length;
    return new Map([
      ['location', this.location],
      ['offset', String(offset)],
      ['length', String(piece.length)],
    ]);
  };

  /** The file's content from start to end, gaps filled with zeros. */
  *pieces(): Generator<Piece> {
    const zeros = new Uint8Array(alignment);
    let position = 0;
    for (const { piece, offset } of this.#tensors) {
      if (offset > position) yield zeros.subarray(0, offset - position);
      yield piece;
      position = offset + piece.length;
    }
  }
}
