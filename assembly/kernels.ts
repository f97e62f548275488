/**
 * The loops that JavaScript runs four times too slowly, in AssemblyScript: `scripts/build-kernels.sh` compiles them into
 * src/simd/kernels-wasm.ts, which is committed. Addresses are bytes in the module's memory; the caller lays it out and
 * leaves 16 bytes after everything that is read in fours.
 */

/**
 * AdamW's step on `n` float32 in place, `n` a multiple of 4; the formula is in src/optim/adamw.ts. What is small beside 1
 * (1 - β, lr · decay) comes as such: taken from 1 in float32 it would lose its digits.
 */
export function adamw(
  n: i32, weights: usize, gradient: usize, m: usize, v: usize,
  keepM: f32, takeM: f32, keepV: f32, takeV: f32, stepSize: f32, secondScale: f32, epsilon: f32, pull: f32,
): void {
  for (let at: usize = 0, end: usize = (<usize>n) << 2; at < end; at += 16) {
    const g = v128.load(gradient + at);
    const w = v128.load(weights + at);
    const gg = f32x4.mul(g, g);
    const mi = f32x4.add(f32x4.mul(f32x4.splat(keepM), v128.load(m + at)), f32x4.mul(f32x4.splat(takeM), g));
    const vi = f32x4.add(f32x4.mul(f32x4.splat(keepV), v128.load(v + at)), f32x4.mul(f32x4.splat(takeV), gg));
    v128.store(m + at, mi);
    v128.store(v + at, vi);
    const root = f32x4.add(f32x4.mul(f32x4.sqrt(vi), f32x4.splat(secondScale)), f32x4.splat(epsilon));
    const step = f32x4.div(f32x4.mul(f32x4.splat(stepSize), mi), root);
    v128.store(weights + at, f32x4.sub(w, f32x4.add(step, f32x4.mul(f32x4.splat(pull), w))));
  }
}

/** a · b of `n` float64, a multiple of 8. */
export function dot(n: i32, a: usize, b: usize): f64 {
  let s0 = f64x2.splat(0), s1 = s0, s2 = s0, s3 = s0;
  for (const end = a + ((<usize>n) << 3); a < end; a += 64, b += 64) {
    s0 = f64x2.add(s0, f64x2.mul(v128.load(a), v128.load(b)));
    s1 = f64x2.add(s1, f64x2.mul(v128.load(a, 16), v128.load(b, 16)));
    s2 = f64x2.add(s2, f64x2.mul(v128.load(a, 32), v128.load(b, 32)));
    s3 = f64x2.add(s3, f64x2.mul(v128.load(a, 48), v128.load(b, 48)));
  }
  return sum2(f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3)));
}

// @ts-ignore: decorator
@inline
function sum2(pair: v128): f64 {
  return f64x2.extract_lane(pair, 0) + f64x2.extract_lane(pair, 1);
}

/** Largest magnitude of `n` float64, a multiple of 8. */
export function largestMagnitude(n: i32, a: usize): f64 {
  let m0 = f64x2.splat(0), m1 = m0, m2 = m0, m3 = m0;
  for (const end = a + ((<usize>n) << 3); a < end; a += 64) {
    m0 = f64x2.max(m0, f64x2.abs(v128.load(a)));
    m1 = f64x2.max(m1, f64x2.abs(v128.load(a, 16)));
    m2 = f64x2.max(m2, f64x2.abs(v128.load(a, 32)));
    m3 = f64x2.max(m3, f64x2.abs(v128.load(a, 48)));
  }
  const most = f64x2.max(f64x2.max(m0, m1), f64x2.max(m2, m3));
  return max(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1));
}

/** out = a + factor · b, `n` float64 each, a multiple of 2. */
export function addScaled(n: i32, a: usize, factor: f64, b: usize, out: usize): void {
  const factors = f64x2.splat(factor);
  for (const end = a + ((<usize>n) << 3); a < end; a += 16, b += 16, out += 16) {
    v128.store(out, f64x2.add(v128.load(a), f64x2.mul(factors, v128.load(b))));
  }
}

/** s = x - xBefore and y = g - gBefore, `n` float64 each, a multiple of 2; s · y and y · y go to the two float64 at `out`. */
export function curvaturePair(
  n: i32, x: usize, xBefore: usize, g: usize, gBefore: usize, s: usize, y: usize, out: usize,
): void {
  let sy = f64x2.splat(0), yy = sy;
  for (let at: usize = 0, end: usize = (<usize>n) << 3; at < end; at += 16) {
    const si = f64x2.sub(v128.load(x + at), v128.load(xBefore + at));
    const yi = f64x2.sub(v128.load(g + at), v128.load(gBefore + at));
    v128.store(s + at, si);
    v128.store(y + at, yi);
    sy = f64x2.add(sy, f64x2.mul(si, yi));
    yy = f64x2.add(yy, f64x2.mul(yi, yi));
  }
  store<f64>(out, sum2(sy));
  store<f64>(out, sum2(yy), 8);
}

/**
 * Of `count` pairs of vectors (a, b), whose addresses stand at `pairs`, the products a · g, b · g, a · y, b · y and b · s: five
 * float64 a pair at `out`. `n` float64 a vector, a multiple of 2, of which so many are worked on at a time as stay in the first cache.
 */
export function pairProducts(
  n: i32, count: i32, pairs: usize, g: usize, s: usize, y: usize, out: usize,
): void {
  memory.fill(out, 0, 40 * <usize>count);
  const whole: usize = (<usize>n) << 3;
  for (let from: usize = 0; from < whole; from += 4096) {
    const end = min(whole, from + 4096);
    for (let pair = 0, o = out; pair < count; pair++, o += 40) {
      const a = <usize>load<u32>(pairs + ((<usize>pair) << 3));
      const b = <usize>load<u32>(pairs + ((<usize>pair) << 3), 4);
      let ag = f64x2.splat(0), bg = ag, ay = ag, by = ag, bs = ag;
      for (let at = from; at < end; at += 16) {
        const ai = v128.load(a + at), bi = v128.load(b + at);
        const gi = v128.load(g + at), yi = v128.load(y + at);
        ag = f64x2.add(ag, f64x2.mul(ai, gi));
        bg = f64x2.add(bg, f64x2.mul(bi, gi));
        ay = f64x2.add(ay, f64x2.mul(ai, yi));
        by = f64x2.add(by, f64x2.mul(bi, yi));
        bs = f64x2.add(bs, f64x2.mul(bi, v128.load(s + at)));
      }
      store<f64>(o, load<f64>(o) + sum2(ag));
      store<f64>(o, load<f64>(o, 8) + sum2(bg), 8);
      store<f64>(o, load<f64>(o, 16) + sum2(ay), 16);
      store<f64>(o, load<f64>(o, 24) + sum2(by), 24);
      store<f64>(o, load<f64>(o, 32) + sum2(bs), 32);
    }
  }
}

/**
 * out = scale · g + Σ (p · a + q · b) over `count` pairs, whose addresses stand at `pairs` and p and q as float64 at `factors`;
 * `n` float64 a vector, a multiple of 8.
 */
export function addPairs(
  n: i32, count: i32, pairs: usize, factors: usize, scale: f64, g: usize, out: usize,
): void {
  const scales = f64x2.splat(scale);
  for (let at: usize = 0, end: usize = (<usize>n) << 3; at < end; at += 64) {
    let s0 = f64x2.mul(scales, v128.load(g + at)), s1 = f64x2.mul(scales, v128.load(g + at, 16));
    let s2 = f64x2.mul(scales, v128.load(g + at, 32)), s3 = f64x2.mul(scales, v128.load(g + at, 48));
    for (let pair = 0, t = pairs, f = factors; pair < count; pair++, t += 8, f += 16) {
      const a = <usize>load<u32>(t) + at, b = <usize>load<u32>(t, 4) + at;
      const p = v128.load64_splat(f), q = v128.load64_splat(f, 8);
      s0 = f64x2.add(s0, f64x2.add(f64x2.mul(p, v128.load(a)), f64x2.mul(q, v128.load(b))));
      s1 = f64x2.add(s1, f64x2.add(f64x2.mul(p, v128.load(a, 16)), f64x2.mul(q, v128.load(b, 16))));
      s2 = f64x2.add(s2, f64x2.add(f64x2.mul(p, v128.load(a, 32)), f64x2.mul(q, v128.load(b, 32))));
      s3 = f64x2.add(s3, f64x2.add(f64x2.mul(p, v128.load(a, 48)), f64x2.mul(q, v128.load(b, 48))));
    }
    v128.store(out + at, s0);
    v128.store(out + at, s1, 16);
    v128.store(out + at, s2, 32);
    v128.store(out + at, s3, 48);
  }
}

/** Four bytes as int32. */
// @ts-ignore: decorator
@inline
function bytes4(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}

/** Sums in 22-bit fixed point to levels 0 to 255. */
// @ts-ignore: decorator
@inline
function toLevels(sum: v128): v128 {
  return i32x4.max_s(i32x4.splat(0), i32x4.min_s(i32x4.splat(255), i32x4.shr_s(sum, 22)));
}

/** Horizontal pass of a resize over `rowCount` rows: pixels of `channels` (1 or 3) bytes to one plane a channel. */
export function resizeRows(
  image: usize, rowBytes: i32, channels: i32, rowCount: i32, outWidth: i32,
  first: usize, count: usize, values: usize, stride: i32, out: usize, planeBytes: i32,
): void {
  for (let y = 0; y < rowCount; y++) {
    const row = image + <usize>y * <usize>rowBytes;
    let o = out + <usize>(y * outWidth);
    for (let x = 0; x < outWidth; x++, o++) {
      let w = values + ((<usize>(x * stride)) << 2);
      const end = w + ((<usize>load<i32>(count + ((<usize>x) << 2))) << 2);
      let pixel = row + <usize>(load<i32>(first + ((<usize>x) << 2)) * channels);
      let sum = i32x4.splat(1 << 21);
      for (; w < end; w += 4, pixel += channels) {
        sum = i32x4.add(sum, i32x4.mul(bytes4(pixel), v128.load32_splat(w)));
      }
      const level = toLevels(sum);
      store<u8>(o, <u8>i32x4.extract_lane(level, 0));
      if (channels == 3) {
        store<u8>(o + planeBytes, <u8>i32x4.extract_lane(level, 1));
        store<u8>(o + 2 * planeBytes, <u8>i32x4.extract_lane(level, 2));
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function levelOf(levels: usize, at: usize): f32 {
  return load<f32>(levels + ((<usize>load<u8>(at)) << 2));
}

/**
 * Vertical pass over one plane, whose source row y begins at `plane + y · length`; level l ends as float32 number l of
 * `levels`, at `out + (y · rowStride + x · columnStride) · 4`. Behind the 256 levels, 16 bytes are overwritten.
 */
export function resizeColumns(
  plane: usize, length: i32, rows: i32, first: usize, count: usize, values: usize, stride: i32,
  levels: usize, out: usize, rowStride: i32, columnStride: i32,
): void {
  const step = (<usize>columnStride) << 2;
  const bytes = levels + 1024;
  for (let y = 0; y < rows; y++) {
    const weights = values + ((<usize>(y * stride)) << 2);
    const end = weights + ((<usize>load<i32>(count + ((<usize>y) << 2))) << 2);
    const line = plane + <usize>(load<i32>(first + ((<usize>y) << 2)) * length);
    let o = out + ((<usize>(y * rowStride)) << 2);
    for (let x = 0; x < length; x += 16) {
      let a = i32x4.splat(1 << 21), b = a, c = a, d = a;
      for (let w = weights, p = line + <usize>x; w < end; w += 4, p += length) {
        const weight = v128.load32_splat(w);
        const low = v128.load_ext<u8>(p), high = v128.load_ext<u8>(p, 8);
        a = i32x4.add(a, i32x4.mul(i32x4.extend_low_i16x8_u(low), weight));
        b = i32x4.add(b, i32x4.mul(i32x4.extend_high_i16x8_u(low), weight));
        c = i32x4.add(c, i32x4.mul(i32x4.extend_low_i16x8_u(high), weight));
        d = i32x4.add(d, i32x4.mul(i32x4.extend_high_i16x8_u(high), weight));
      }
      // Sums of 22-bit fixed point are levels -512 to 511; narrowing ends in 0 to 255.
      const ab = i16x8.narrow_i32x4_s(i32x4.shr_s(a, 22), i32x4.shr_s(b, 22));
      const cd = i16x8.narrow_i32x4_s(i32x4.shr_s(c, 22), i32x4.shr_s(d, 22));
      v128.store(bytes, i8x16.narrow_i16x8_u(ab, cd));
      const until = bytes + <usize>min(16, length - x);
      let at = bytes;
      for (; at + 4 <= until; at += 4, o += step << 2) {
        store<f32>(o, levelOf(levels, at));
        store<f32>(o + step, levelOf(levels, at + 1));
        store<f32>(o + 2 * step, levelOf(levels, at + 2));
        store<f32>(o + 3 * step, levelOf(levels, at + 3));
      }
      for (; at < until; at++, o += step) store<f32>(o, levelOf(levels, at));
    }
  }
}

/** Two float32 as float64. */
// @ts-ignore: decorator
@inline
function wide2(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

/** Adds the rows of a float32 matrix to `sums`, float64, four rows at a time. */
export function addRows(rows: i32, columns: i32, values: usize, sums: usize): void {
  const step = (<usize>columns) << 2;
  const pairs = (<usize>(columns & ~1)) << 2;
  let row = values;
  let left = rows;
  for (; left >= 4; left -= 4, row += step << 2) {
    let a = row, s = sums;
    for (const end = row + pairs; a < end; a += 8, s += 16) {
      const first = f64x2.add(wide2(a), wide2(a + step));
      const second = f64x2.add(wide2(a + 2 * step), wide2(a + 3 * step));
      v128.store(s, f64x2.add(v128.load(s), f64x2.add(first, second)));
    }
    if (columns & 1) {
      const first = <f64>load<f32>(a) + <f64>load<f32>(a + step);
      const second = <f64>load<f32>(a + 2 * step) + <f64>load<f32>(a + 3 * step);
      store<f64>(s, load<f64>(s) + (first + second));
    }
  }
  for (; left > 0; left--, row += step) {
    for (let a = row, s = sums; a < row + step; a += 4, s += 8) store<f64>(s, load<f64>(s) + <f64>load<f32>(a));
  }
}

// @ts-ignore: decorator
@inline
function square2(at: usize, mean: v128): v128 {
  const rest = f64x2.sub(wide2(at), mean);
  return f64x2.mul(rest, rest);
}

// @ts-ignore: decorator
@inline
function square(at: usize, mean: f64): f64 {
  const rest = <f64>load<f32>(at) - mean;
  return rest * rest;
}

/** Adds the squares of what the rows of a float32 matrix differ by from `mean` to `sums`, both float64. */
export function addSquares(rows: i32, columns: i32, values: usize, mean: usize, sums: usize): void {
  const step = (<usize>columns) << 2;
  const pairs = (<usize>(columns & ~1)) << 2;
  let row = values;
  let left = rows;
  for (; left >= 4; left -= 4, row += step << 2) {
    let a = row, s = sums, m = mean;
    for (const end = row + pairs; a < end; a += 8, s += 16, m += 16) {
      const mid = v128.load(m);
      const first = f64x2.add(square2(a, mid), square2(a + step, mid));
      const second = f64x2.add(square2(a + 2 * step, mid), square2(a + 3 * step, mid));
      v128.store(s, f64x2.add(v128.load(s), f64x2.add(first, second)));
    }
    if (columns & 1) {
      const mid = load<f64>(m);
      const first = square(a, mid) + square(a + step, mid);
      const second = square(a + 2 * step, mid) + square(a + 3 * step, mid);
      store<f64>(s, load<f64>(s) + (first + second));
    }
  }
  for (; left > 0; left--, row += step) {
    for (let a = row, s = sums, m = mean; a < row + step; a += 4, s += 8, m += 8) {
      store<f64>(s, load<f64>(s) + square(a, load<f64>(m)));
    }
  }
}

/** (value - mean) · factor of each column of a float32 matrix, in place, computed in float64. */
export function scaleRows(rows: i32, columns: i32, values: usize, mean: usize, factor: usize): void {
  const step = (<usize>columns) << 2;
  const pairs = (<usize>(columns & ~1)) << 2;
  for (let row = values, end = values + <usize>rows * step; row < end; row += step) {
    let a = row, m = mean, f = factor;
    for (const last = row + pairs; a < last; a += 8, m += 16, f += 16) {
      const scaled = f64x2.mul(f64x2.sub(wide2(a), v128.load(m)), v128.load(f));
      v128.store64_lane(a, f32x4.demote_f64x2_zero(scaled), 0);
    }
    if (columns & 1) store<f32>(a, <f32>((<f64>load<f32>(a) - load<f64>(m)) * load<f64>(f)));
  }
}

/** A float32 matrix [rows, columns] to [columns, rows]; 64 rows at a time, which stay in the second cache. */
export function transpose(rows: i32, columns: i32, matrix: usize, out: usize): void {
  const inStep = (<usize>columns) << 2, outStep = (<usize>rows) << 2;
  const tiledRows = rows & ~3, tiledColumns = columns & ~3;
  for (let top = 0; top < tiledRows; top += 64) {
    const bottom = min(tiledRows, top + 64);
    for (let left = 0; left < tiledColumns; left += 4) {
      let a = matrix + <usize>top * inStep + ((<usize>left) << 2);
      let o = out + <usize>left * outStep + ((<usize>top) << 2);
      for (let row = top; row < bottom; row += 4, a += inStep << 2, o += 16) {
        const r0 = v128.load(a), r1 = v128.load(a + inStep);
        const r2 = v128.load(a + 2 * inStep), r3 = v128.load(a + 3 * inStep);
        const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
        const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
        v128.store(o, v128.shuffle<i64>(low01, low23, 0, 2));
        v128.store(o + outStep, v128.shuffle<i64>(low01, low23, 1, 3));
        v128.store(o + 2 * outStep, v128.shuffle<i64>(high01, high23, 0, 2));
        v128.store(o + 3 * outStep, v128.shuffle<i64>(high01, high23, 1, 3));
      }
    }
  }
  for (let row = 0; row < rows; row++) {
    const first = row < tiledRows ? tiledColumns : 0;
    let a = matrix + <usize>row * inStep + ((<usize>first) << 2);
    let o = out + <usize>first * outStep + ((<usize>row) << 2);
    for (let column = first; column < columns; column++, a += 4, o += outStep) store<f32>(o, load<f32>(a));
  }
}
