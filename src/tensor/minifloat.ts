/**
 * Floating-point numbers of 4 to 8 bits, as bit patterns: the OCP formats (8-bit floating point 1.0, microscaling 1.0)
 * and Graphcore's "fnuz" variants. With sign s, exponent e of E bits, mantissa m of M bits and bias b
 *
 *   x = (-1)^s 2^(e - b) (1 + m / 2^M),  and for e = 0:  x = (-1)^s 2^(1 - b) m / 2^M
 *
 * Which patterns are infinite or no number differs by format.
 */
import type { DType } from './dtype.js';

interface Minifloat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** The value of a pattern without its sign that the formula does not hold for. */
  readonly special?: (magnitude: number) => number | undefined;
  /** The pattern of negative zero stands for "no number", the only one there is. */
  readonly isUnsignedZero?: true;
}

const formats: Partial<Record<DType, Minifloat>> = {
  float8e4m3fn: {
    exponentBits: 4,
    mantissaBits: 3,
    bias: 7,
    special: (magnitude) => (magnitude === 0x7f ? Number.NaN : undefined),
  },
  float8e4m3fnuz: { exponentBits: 4, mantissaBits: 3, bias: 8, isUnsignedZero: true },
  float8e5m2: {
    exponentBits: 5,
    mantissaBits: 2,
    bias: 15,
    special: (magnitude) =>
      magnitude > 0x7c ? Number.NaN : magnitude === 0x7c ? Number.POSITIVE_INFINITY : undefined,
  },
  float8e5m2fnuz: { exponentBits: 5, mantissaBits: 2, bias: 16, isUnsignedZero: true },
  float6e2m3: { exponentBits: 2, mantissaBits: 3, bias: 1 },
  float6e3m2: { exponentBits: 3, mantissaBits: 2, bias: 3 },
  float4e2m1: { exponentBits: 2, mantissaBits: 1, bias: 1 },
};

/** The value of each bit pattern of the type; undefined for a type that is none of these. */
export function minifloatValues(dtype: DType): Float32Array | undefined {
  // A power of two without sign, from 2^-127; pattern 255 is no number.
  if (dtype === 'float8e8m0')
    return Float32Array.from({ length: 256 }, (_, e) => (e === 255 ? NaN : 2 ** (e - 127)));
  const format = formats[dtype];
  if (!format) return undefined;
  const { exponentBits, mantissaBits } = format;
  const count = 2 ** (1 + exponentBits + mantissaBits);
  return Float32Array.from({ length: count }, (_, pattern) => valueOf(pattern, count / 2, format));
}

function valueOf(pattern: number, signBit: number, format: Minifloat): number {
  const { mantissaBits, bias, special, isUnsignedZero } = format;
  if (isUnsignedZero && pattern === signBit) return Number.NaN;
  const magnitude = pattern % signBit;
  const sign = pattern < signBit ? 1 : -1;
  const exponent = magnitude >>> mantissaBits;
  const mantissa = (magnitude % 2 ** mantissaBits) / 2 ** mantissaBits;
  const value =
    special?.(magnitude) ??
    (exponent === 0 ? 2 ** (1 - bias) * mantissa : 2 ** (exponent - bias) * (1 + mantissa));
  return sign * value;
}
