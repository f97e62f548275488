/**
 * A text backbone without training: words and runs of 3 to 5 letters, each hashed to a row of random signs; the sums of the
 * rows, scaled to length 1, are the features. They keep the angles between counts of n-grams
 * (Achlioptas, Database-friendly random projections, 2003).
 *
 * Tokens are bytes. Of terms a(t) = code(byte t) · pᵗ mod M, with prefix sums E(t) = Σ_{j<t} a(j), the hash of the bytes
 * s to e is (E(e+1) − E(s)) · p⁻ˢ mod M, the same wherever they stand.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { createRng, type Rng } from '../rng.js';
import { int64, type Tensor } from '../tensor/tensor.js';
import { byteTokenizer, isWordByte } from './byte-tokenizer.js';

const ngramLayer = 'ngrams/features';
/** Bytes of a text that are looked at. */
const mostBytes = 1024;
/** A prime: products of two remainders stay below 2⁶². */
const modulus = 2147483629n;
const base = 1000003n;
const runs = [3, 4, 5];
const buckets = 2 ** 13;
/** Half of them cost 3 points of accuracy on SST-2 and 1 on banking77. More buckets gain nothing. */
const widths = { words: 1024, letters: 1536 };

export function buildHashedNgrams(): Model {
  const hashing = new Hashing(new GraphBuilder({ opset: 17 }));
  const { builder: b } = hashing;
  const parts = [
    hashing.project('words', widths.words, [hashing.words()]),
    hashing.project(
      'letters',
      widths.letters,
      runs.map((length) => hashing.letters(length)),
    ),
  ];
  const features = b.op('Concat', parts, { name: ngramLayer, attributes: { axis: 1 } });
  const width = Object.values(widths).reduce((sum, each) => sum + each, 0);
  b.output(features, 'float32', ['batch', width]);
  return b.model({
    metadata: new Map([
      ['graft.layer', ngramLayer],
      ['graft.tokenizer', byteTokenizer()],
      ['graft.max_length', String(mostBytes)],
    ]),
  });
}

/** int64 [batch, …] hashes, and float32 weights of the same shape: 1 where a hash stands for something. */
interface Hashed {
  readonly hash: string;
  readonly weight: string;
}

class Hashing {
  readonly builder: GraphBuilder;
  readonly #rng = createRng(77);
  readonly #ids: string;
  readonly #mask: string;
  /** [bytes] */
  readonly #places: string;
  /** E(t), and E(t + 1). */
  readonly #before: string;
  readonly #through: string;
  readonly #inverse: string;

  constructor(b: GraphBuilder) {
    this.builder = b;
    // So that the longest run fits into the shortest text.
    const pads = b.ints([0, 0, 0, Math.max(...runs) - 1]);
    const input = (name: string): string =>
      b.op('Pad', [b.input(name, 'int64', ['batch', 'bytes']), pads], { name: `${name}/padded` });
    this.#ids = input('input_ids');
    this.#mask = input('attention_mask');
    const size = b.op('Gather', [b.op('Shape', [this.#ids]), this.#int(1)]);
    this.#places = b.op('Range', [this.#int(0), size, this.#int(1)], { name: 'places' });
    const codes = Array.from({ length: 257 }, () => 1 + this.#rng.integer(Number(modulus) - 1));
    const powers = [1n];
    const inverses = [1n];
    const inverse = powerOf(base, modulus - 2n);
    for (let t = 1; t < mostBytes + 8; t++) {
      powers.push((powers[t - 1]! * base) % modulus);
      inverses.push((inverses[t - 1]! * inverse) % modulus);
    }
    const table = (name: string, values: readonly (number | bigint)[]): string =>
      b.constant(name, int64([values.length], values));
    const code = b.op('Gather', [table('codes', codes), this.#ids]);
    const power = b.op('Gather', [table('powers', powers), this.#places]);
    const term = this.#mod(b.op('Mul', [code, power]));
    const axis = this.#int(1);
    this.#before = b.op('CumSum', [term, axis], { name: 'before', attributes: { exclusive: 1 } });
    this.#through = b.op('CumSum', [term, axis], { name: 'through' });
    this.#inverse = table('inverses', inverses);
  }

  /** Of every word, at its last byte. */
  words(): Hashed {
    const b = this.builder;
    const isWordOf = Array.from({ length: 257 }, (_, id) => (id > 0 && isWordByte(id - 1) ? 1 : 0));
    const kind = b.op('Gather', [b.constant('is_word', int64([257], isWordOf)), this.#ids]);
    const inWord = this.#toFloat(b.op('Mul', [kind, this.#mask]));
    const none = b.op('Mul', [this.#slice(inWord, 0, 1), b.scalar(0)]);
    const earlier = b.op('Concat', [none, this.#slice(inWord, 0, -1)], { attributes: { axis: 1 } });
    const later = b.op('Concat', [this.#slice(inWord, 1), none], { attributes: { axis: 1 } });
    const andNot = (x: string, y: string): string => b.op('Mul', [x, b.op('Sub', [b.scalar(1), y])]);
    const place = this.#toFloat(this.#places);
    const start = this.#toInt(this.#latest(b.op('Mul', [andNot(inWord, earlier), place])));
    const before = b.op('GatherElements', [this.#before, start], { attributes: { axis: 1 } });
    return { hash: this.#hash(this.#through, before, start), weight: andNot(inWord, later) };
  }

  /** Of every `length` bytes in a row. */
  letters(length: number): Hashed {
    const starts = this.#slice(this.#places, 0, 1 - length, 0);
    const hash = this.#hash(
      this.#slice(this.#through, length - 1),
      this.#slice(this.#before, 0, 1 - length),
      starts,
    );
    const salted = this.#mod(this.builder.op('Mul', [hash, this.#int(1_000_003 + 2 * length)]));
    return { hash: salted, weight: this.#toFloat(this.#slice(this.#mask, length - 1)) };
  }

  /** The sum of the rows of random signs that the hashes choose, scaled to length 1: [batch, width]. */
  project(name: string, width: number, hashed: readonly Hashed[]): string {
    const b = this.builder;
    const tensor: Tensor = {
      dtype: 'int8',
      dims: [buckets, width],
      data: drawSigns(this.#rng, buckets * width),
    };
    const table = b.constant(`${name}/signs`, tensor);
    const sums = hashed.map(({ hash, weight }) => {
      const bucket = b.op('Mod', [hash, this.#int(buckets)]);
      const rows = this.#toFloat(b.op('Gather', [table, bucket]));
      const row = b.op('Reshape', [weight, b.ints([0, 1, -1])]);
      return b.op('Reshape', [b.op('MatMul', [row, rows]), b.ints([0, width])]);
    });
    const sum = sums.length === 1 ? sums[0]! : b.op('Sum', sums, { name: `${name}/sum` });
    const norm = b.op('ReduceL2', [sum], { attributes: { axes: [1], keepdims: 1 } });
    return b.op('Div', [sum, b.op('Max', [norm, b.scalar(1e-6)])], { name });
  }

  #hash(through: string, before: string, start: string): string {
    const b = this.builder;
    const sum = this.#mod(b.op('Sub', [through, before]));
    return this.#mod(b.op('Mul', [sum, b.op('Gather', [this.#inverse, start])]));
  }

  /** For each place the largest value up to it, [batch, bytes] float32. */
  #latest(values: string): string {
    const b = this.builder;
    const column = b.op('Unsqueeze', [this.#places, b.ints([1])]);
    const isBefore = b.op('GreaterOrEqual', [column, this.#places]);
    const spread = b.op('Where', [isBefore, b.op('Unsqueeze', [values, b.ints([1])]), b.scalar(0)]);
    return b.op('ReduceMax', [spread], { attributes: { axes: [2], keepdims: 0 } });
  }

  #slice(value: string, from: number, to = Number.MAX_SAFE_INTEGER, axis = 1): string {
    const b = this.builder;
    return b.op('Slice', [value, b.ints([from]), b.ints([to]), b.ints([axis])]);
  }

  #mod(value: string): string {
    return this.builder.op('Mod', [value, this.#int(modulus)]);
  }

  #int(value: number | bigint): string {
    return this.builder.shared(`const/int/${value}`, int64([], [value]));
  }

  #toFloat(value: string): string {
    return this.builder.op('Cast', [value], { attributes: { to: 1 } });
  }

  #toInt(value: string): string {
    return this.builder.op('Cast', [value], { attributes: { to: 7 } });
  }
}

/** -1 or 1 each. Sixteen come from one draw: with one each, the drawing would be most of the time that a command takes to start. */
function drawSigns(rng: Rng, count: number): Int8Array<ArrayBuffer> {
  const signs = new Int8Array(count);
  for (let i = 0; i < count; i += 16) {
    const bits = rng.integer(2 ** 16);
    for (let j = 0; j < 16; j++) signs[i + j] = ((bits >> j) & 1) * 2 - 1;
  }
  return signs;
}

function powerOf(value: bigint, exponent: bigint): bigint {
  let [result, factor] = [1n, value % modulus];
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * factor) % modulus;
    factor = (factor * factor) % modulus;
  }
  return result;
}
