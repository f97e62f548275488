/** The layout of a side file: which tensors it holds, and where. Tensors that share their bytes share their place. */
import type { Piece } from './encode-message.js';
import type { Initializer } from './ir.js';

/** A page, so that a runtime can map the file into memory (the format's advice). */
const alignment = 4096;

export class SideFile {
  readonly location: string;
  readonly #minimumBytes: number;
  readonly #tensors: { readonly piece: Piece; readonly offset: number }[] = [];
  readonly #offsets = new Map<string, number>();
  readonly #buffers = new Map<ArrayBufferLike, number>();
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
    const key = this.#keyOf(piece);
    let offset = this.#offsets.get(key);
    if (offset === undefined) {
      offset = Math.ceil(this.#end / alignment) * alignment;
      this.#tensors.push({ piece, offset });
      this.#end = offset + piece.length;
      this.#offsets.set(key, offset);
    }
    return new Map([
      ['location', this.location],
      ['offset', String(offset)],
      ['length', String(piece.length)],
    ]);
  };

  /** The same for the same bytes of the same memory or file. */
  #keyOf(piece: Piece): string {
    if (!(piece instanceof Uint8Array)) return [piece.offset, piece.length, piece.path].join();
    const buffer = this.#buffers.get(piece.buffer) ?? this.#buffers.size;
    this.#buffers.set(piece.buffer, buffer);
    return [piece.byteOffset, piece.length, `buffer ${buffer}`].join();
  }

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
