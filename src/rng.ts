/**
 * Seeded random numbers: xoshiro128** (Blackman & Vigna 2018), seeded through splitmix32.
 * The same seed gives the same sequence on every machine.
 */

export interface Rng {
  /** A float in [0, 1). */
  uniform(): number;
  /** A draw from the standard normal distribution (Box-Muller). */
  normal(): number;
  /** An integer in [0, bound). */
  integer(bound: number): number;
  /** Shuffles in place (Fisher-Yates) and returns the same array. */
  shuffle<T extends unknown[] | Uint32Array | Int32Array>(items: T): T;
  /** The generator's whole state: four 32-bit words, for a checkpoint. */
  state(): readonly number[];
}

/** A generator for `seed`, or one that goes on from a saved `state`. */
export function createRng(seed: number, state?: readonly number[]): Rng {
  const s = new Uint32Array(4);
  if (state) s.set(state);
  else {
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e3779b9) >>> 0;
      let t = z ^ (z >>> 16);
      t = Math.imul(t, 0x21f0aaad);
      t ^= t >>> 15;
      t = Math.imul(t, 0x735a2d97);
      s[i] = t ^ (t >>> 15);
    }
  }
  const next = (): number => {
    const s1 = s[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= s1 << 9;
    const s3 = s[3]!;
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  };
  const rng: Rng = {
    uniform: () => next() / 4294967296,
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - rng.uniform()));
      return radius * Math.cos(2 * Math.PI * rng.uniform());
    },
    integer: (bound) => Math.floor(rng.uniform() * bound),
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = rng.integer(i + 1);
        const held = items[i];
        items[i] = items[j];
        items[j] = held;
      }
      return items;
    },
    state: () => [...s],
  };
  return rng;
}
