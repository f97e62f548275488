/**
 * Operations on the colours of a picture: planes of levels from 0 to 255 as floats, [channels, height, width], in place.
 * Those that blend follow Pillow's ImageEnhance and torchvision: level · f + degenerate · (1 − f), clipped.
 */

export interface Picture {
  readonly channels: number;
  readonly width: number;
  readonly height: number;
  /** [channels, height, width], red first. */
  readonly levels: Float32Array;
}

/** Towards black (below 1), or away from it. */
export function adjustBrightness({ levels }: Picture, factor: number): void {
  for (let i = 0; i < levels.length; i++) levels[i] = clip(levels[i]! * factor);
}

/** Towards the mean grey, or away from it. */
export function adjustContrast(picture: Picture, factor: number): void {
  const { levels } = picture;
  const size = picture.width * picture.height;
  let sum = 0;
  for (let i = 0; i < size; i++) sum += luma(picture, i, size);
  const offset = Math.round(sum / size) * (1 - factor);
  for (let i = 0; i < levels.length; i++) levels[i] = clip(levels[i]! * factor + offset);
}

/** Towards each pixel's grey, or away from it. */
export function adjustSaturation(picture: Picture, factor: number): void {
  const { levels, channels } = picture;
  const size = picture.width * picture.height;
  for (let i = 0; i < size && channels === 3; i++) {
    const grey = Math.round(luma(picture, i, size)) * (1 - factor);
    for (let at = i; at < levels.length; at += size) levels[at] = clip(levels[at]! * factor + grey);
  }
}

/** Turns the colours about the axis of greys in the YIQ space, by a share of the whole circle. */
export function rotateHue({ levels, channels, width, height }: Picture, turns: number): void {
  const size = width * height;
  const cos = Math.cos(2 * Math.PI * turns);
  const sin = Math.sin(2 * Math.PI * turns);
  for (let at = 0; at < size && channels === 3; at++) {
    const [r, g, b] = [levels[at]!, levels[at + size]!, levels[at + 2 * size]!];
    const y = 0.299 * r + 0.587 * g + 0.114 * b;
    const i = 0.595716 * r - 0.274453 * g - 0.321263 * b;
    const q = 0.211456 * r - 0.522591 * g + 0.311135 * b;
    const i2 = i * cos - q * sin;
    const q2 = i * sin + q * cos;
    levels[at] = clip(y + 0.9563 * i2 + 0.621 * q2);
    levels[at + size] = clip(y - 0.2721 * i2 - 0.6474 * q2);
    levels[at + 2 * size] = clip(y - 1.107 * i2 + 1.7046 * q2);
  }
}

/** Towards a smoothed picture, or away from it; the outermost pixels stay. */
export function adjustSharpness({ levels, channels, width, height }: Picture, factor: number): void {
  const size = width * height;
  const before = levels.slice();
  for (let c = 0; c < channels; c++) {
    for (let y = 1; y < height - 1; y++) {
      for (let x = 1; x < width - 1; x++) {
        const at = c * size + y * width + x;
        let sum = 4 * before[at]!;
        for (let dy = -width; dy <= width; dy += width) {
          sum += before[at + dy - 1]! + before[at + dy]! + before[at + dy + 1]!;
        }
        levels[at] = clip(before[at]! * factor + Math.round(sum / 13) * (1 - factor));
      }
    }
  }
}

/** Keeps the upper bits. */
export function posterize({ levels }: Picture, bits: number): void {
  const mask = 256 - 2 ** (8 - bits);
  for (let i = 0; i < levels.length; i++) levels[i] = Math.round(levels[i]!) & mask;
}

/** Inverts what is as bright as the threshold or brighter. */
export function solarize({ levels }: Picture, threshold: number): void {
  for (let i = 0; i < levels.length; i++) if (levels[i]! >= threshold) levels[i] = 255 - levels[i]!;
}

/** Stretches each channel over all levels. */
export function stretchContrast({ levels, channels, width, height }: Picture): void {
  forEachChannel(levels, channels, width * height, (plane) => {
    let least = 255;
    let most = 0;
    for (const level of plane) {
      if (level < least) least = level;
      if (level > most) most = level;
    }
    if (most <= least) return;
    const scale = 255 / (most - least);
    for (let i = 0; i < plane.length; i++) plane[i] = clip((plane[i]! - least) * scale);
  });
}

/** Makes the levels of each channel equally frequent, as Pillow does. */
export function equalize({ levels, channels, width, height }: Picture): void {
  forEachChannel(levels, channels, width * height, (plane) => {
    const counts = new Uint32Array(256);
    for (const level of plane) counts[Math.round(level)]!++;
    const last = counts.findLastIndex((count) => count > 0);
    const step = Math.floor((plane.length - counts[last]!) / 255);
    if (step === 0) return;
    let sum = step >> 1;
    const table = Uint8Array.from(counts, (count) => {
      const level = Math.min(255, Math.floor(sum / step));
      sum += count;
      return level;
    });
    for (let i = 0; i < plane.length; i++) plane[i] = table[Math.round(plane[i]!)]!;
  });
}

function forEachChannel(
  levels: Float32Array,
  channels: number,
  size: number,
  change: (plane: Float32Array) => void,
): void {
  for (let c = 0; c < channels; c++) change(levels.subarray(c * size, (c + 1) * size));
}

/** ITU-R 601, in Pillow's fixed point. */
function luma({ levels, channels }: Picture, i: number, size: number): number {
  if (channels === 1) return levels[i]!;
  return (19595 * levels[i]! + 38470 * levels[i + size]! + 7471 * levels[i + 2 * size]!) / 65536;
}

function clip(level: number): number {
  return level < 0 ? 0 : level > 255 ? 255 : level;
}
