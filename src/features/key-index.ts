/**
 * A set of sha256 keys that gives each a number: open addressing over flat arrays, about 50 bytes a key and no object
 * or string per key, so that a store of millions of rows opens in tens of megabytes.
 */

export const keyBytes = 32;

export class KeyIndex {
  #size = 0;
  /** Keys one after another, in order of insertion. */
  #keys: Uint8Array;
  /** Ordinal + 1 of the key in each slot; 0 is an empty slot. At most half full. */
  #slots: Uint32Array;

  constructor(capacity = 256) {
    const rounded = 2 ** Math.ceil(Math.log2(Math.max(capacity, 16)));
    this.#keys = new Uint8Array(rounded * keyBytes);
    this.#slots = new Uint32Array(rounded * 2);
  }

  get size(): number {
    return this.#size;
  }

  /** All keys, [size * 32]; a view that the next insertion may leave behind. */
  get keys(): Uint8Array {
    return this.#keys.subarray(0, this.#size * keyBytes);
  }

  /** The number of the key that starts at `offset` of `keys`, or −1. */
  find(keys: Uint8Array, offset = 0): number {
    return this.#slots[this.#slotOf(keys, offset)]! - 1;
  }

  /** The number of the key, new (equal to the former `size`) or known. */
  add(keys: Uint8Array, offset = 0): number {
    const slot = this.#slotOf(keys, offset);
    const known = this.#slots[slot]!;
    if (known !== 0) return known - 1;
    const ordinal = this.#size++;
    this.#keys.set(keys.subarray(offset, offset + keyBytes), ordinal * keyBytes);
    this.#slots[slot] = ordinal + 1;
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    return ordinal;
  }

  /** The slot that holds the key, or the empty one where it belongs. */
  #slotOf(keys: Uint8Array, offset: number): number {
    const mask = this.#slots.length - 1;
    // A sha256 is uniform already: its first bytes are the hash.
    let slot =
      (keys[offset]! | (keys[offset + 1]! << 8) | (keys[offset + 2]! << 16) | (keys[offset + 3]! << 24)) &
      mask;
    for (;;) {
      const entry = this.#slots[slot]!;
      if (entry === 0 || this.#equals(entry - 1, keys, offset)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #equals(ordinal: number, keys: Uint8Array, offset: number): boolean {
    const start = ordinal * keyBytes;
    for (let i = 0; i < keyBytes; i++) if (this.#keys[start + i] !== keys[offset + i]) return false;
    return true;
  }

  #grow(): void {
    const keys = new Uint8Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    this.#slots = new Uint32Array(this.#slots.length * 2);
    for (let ordinal = 0; ordinal < this.#size; ordinal++) {
      this.#slots[this.#slotOf(keys, ordinal * keyBytes)] = ordinal + 1;
    }
  }
}
