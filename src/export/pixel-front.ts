/**
 * Preprocessing as a graph: 8-bit pixels of any size in, what a backbone takes out. The resize is ONNX's with antialias (operator set
 * 18), which follows Pillow's as ours does; sizes and windows are computed as in `planResize`, in whole numbers.
 */
import { GraftError } from '../errors.js';
import type { PixelSpec } from '../models/input-spec.js';
import { pixelShape } from '../models/pixel-shape.js';
import type { PreprocessSpec, ResizeKernel } from '../models/preprocess-spec.js';
import { type AttributeInput } from '../onnx/attributes.js';
import { answersToKeep, type Leeway } from './compare-answers.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { float32, int64 } from '../tensor/tensor.js';

/** The input of a file that takes pixels, and the name in it of what the backbone takes. */
export const pixelsName = 'pixels';
export const preparedName = 'pixels/prepared';

/** What a level more or less of some pixels may change. */
export const pixelsLeeway: Pick<Leeway, 'meanAbsDiff' | 'agreement' | 'remedy'> = {
  meanAbsDiff: 0.01,
  agreement: answersToKeep,
  remedy: 'Its answers hang on single levels of pixels; leave --pixels out.',
};

const opset = 18;

const resampling: Readonly<
  Record<Exclude<ResizeKernel, 'nearest' | 'lanczos3'>, Readonly<Record<string, AttributeInput>>>
> = {
  bilinear: { mode: 'linear', antialias: 1, exclude_outside: 1 },
  // Keys' cubic as Pillow has it.
  bicubic: { mode: 'cubic', antialias: 1, exclude_outside: 1, cubic_coeff_a: { float: -0.5 } },
};

/**
 * `pixels` uint8 [batch, height, width, 3], red, green, blue, upright → `pixels/prepared`, float32 in the layout of the spec.
 * @throws GraftError UNSUPPORTED_MODEL for a kernel that ONNX does not have
 */
export function buildPixelFront({ preprocess, isSingle = false }: PixelSpec): Model {
  const b = new PixelGraph(isSingle ? 1 : 'batch');
  const levels = preprocess.channelOrder === 'gray' ? b.gray() : b.planes;
  const resized = b.resize(levels, preprocess);
  const window = b.window(resized, preprocess);
  return b.finish(window, preprocess);
}

/** Height and width, each a name of an int64 [1]. */
interface Size {
  readonly height: string;
  readonly width: string;
}

class PixelGraph {
  readonly #builder = new GraphBuilder({ opset });
  readonly #batch: number | string;
  readonly #image: Size;
  /** uint8 [batch, 3, height, width] */
  readonly planes: string;

  constructor(batch: number | string) {
    const b = this.#builder;
    this.#batch = batch;
    const pixels = b.input(pixelsName, 'uint8', [batch, 'height', 'width', 3]);
    this.planes = b.op('Transpose', [pixels], { attributes: { perm: [0, 3, 1, 2] } });
    this.#image = this.#sizeOf(this.planes);
  }

  /** ITU-R 601 luma in the fixed point of Pillow's convert('L'). */
  gray(): string {
    const b = this.#builder;
    const wide = b.op('Cast', [this.planes], { attributes: { to: 6 } });
    const parts = b.constant('luma', {
      dtype: 'int32',
      dims: [1, 3, 1, 1],
      data: Int32Array.of(19595, 38470, 7471),
    });
    const sum = b.op('ReduceSum', [b.op('Mul', [wide, parts]), b.ints([1])]);
    const whole = (value: number) =>
      b.constant(`luma/${value}`, { dtype: 'int32', dims: [], data: Int32Array.of(value) });
    const luma = b.op('Div', [b.op('Add', [sum, whole(0x8000)]), whole(0x10000)]);
    return b.op('Cast', [luma], { attributes: { to: 2 } });
  }

  resize(levels: string, { resize, channelOrder }: PreprocessSpec): string {
    if (!resize) return levels;
    if (resize.kernel === 'lanczos3') {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        'ONNX has no lanczos3 resize, so the file cannot take pixels; leave --pixels out, or train with another kernel in the preprocessing spec.',
      );
    }
    const b = this.#builder;
    const { height, width } = this.#resizedSize(resize);
    if (resize.kernel === 'nearest')
      return this.#pick(this.#pick(levels, 2, this.#image.height, height), 3, this.#image.width, width);
    const front = b.op('Slice', [b.op('Shape', [levels]), b.ints([0]), b.ints([2])]);
    const sizes = b.op('Concat', [front, height, width], { attributes: { axis: 0 } });
    const attributes = { coordinate_transformation_mode: 'half_pixel', ...resampling[resize.kernel] };
    return b.op('Resize', [levels, '', '', sizes], { name: `resized/${channelOrder}`, attributes });
  }

  /** Along an axis the pixels under the centres of `length` equal parts: a Resize errs where a centre is between two pixels. */
  #pick(levels: string, axis: number, size: string, length: string): string {
    const [zero, one, two] = [this.#int(0), this.#int(1), this.#int(2)];
    const scalar = (list: string) => this.#do('Squeeze', list);
    const places = this.#do('Range', scalar(zero), scalar(length), scalar(one));
    const centres = this.#do('Mul', this.#do('Add', this.#do('Mul', places, two), one), size);
    const picked = this.#do('Div', centres, this.#do('Mul', two, length));
    return this.#builder.op('Gather', [levels, picked], { attributes: { axis } });
  }

  #resizedSize({ width, height, fit }: NonNullable<PreprocessSpec['resize']>): Size {
    const image = this.#image;
    if (fit === 'fill') return { height: this.#int(height), width: this.#int(width) };
    const [a, b] = [image.width, image.height];
    if (fit === 'shortest-edge') {
      const edge = this.#int(Math.min(width, height));
      const shorter = this.#do('Min', a, b);
      const share = (side: string) => this.#do('Div', this.#do('Mul', edge, side), shorter);
      return { height: share(b), width: share(a) };
    }
    const [w, h] = [this.#int(width), this.#int(height)];
    // width / a and height / b, as products.
    const [byWidth, byHeight] = [this.#do('Mul', w, b), this.#do('Mul', h, a)];
    const compare = fit === 'cover' ? 'GreaterOrEqual' : 'LessOrEqual';
    const [one, two] = [this.#int(1), this.#int(2)];
    // x · y / z, to the nearest whole number.
    const scaled = (x: string, y: string, z: string): string => {
      const doubled = this.#do('Add', this.#do('Mul', two, this.#do('Mul', x, y)), z);
      return this.#do('Max', one, this.#do('Div', doubled, this.#do('Mul', two, z)));
    };
    const choose = (by: string, other: string, own: string, rest: string): string =>
      this.#do('Where', this.#do(compare, by, other), own, rest);
    return {
      width: choose(byWidth, byHeight, w, scaled(a, h, b)),
      height: choose(byHeight, byWidth, h, scaled(b, w, a)),
    };
  }

  /** The part that the backbone sees; what lies outside the image is black. */
  window(levels: string, spec: PreprocessSpec): string {
    const { resize, crop } = spec;
    if (resize?.fit === 'fill' && !crop) return levels;
    const b = this.#builder;
    const output = pixelShape(spec);
    const cut = crop ?? output;
    const size = this.#sizeOf(levels);
    const box =
      resize === null
        ? this.#image
        : resize.fit === 'shortest-edge'
          ? size
          : {
              height: this.#int(resize.height),
              width: this.#int(resize.width),
            };
    const [zero, half] = [this.#int(0), this.#int(2)];
    // Whole numbers are divided towards zero, and halves are to be rounded down: hence by way of large ones.
    const far = this.#int(2 ** 30);
    const inside = (outer: string, inner: string): string => {
      const margin = this.#do('Add', this.#do('Sub', outer, inner), this.#do('Mul', half, far));
      return this.#do('Sub', this.#do('Div', margin, half), far);
    };
    const along = (side: 'height' | 'width') => {
      const length = this.#int(cut[side]);
      const start =
        crop?.margins === 'even'
          ? this.#evenMargin(this.#do('Sub', size[side], length))
          : this.#do('Add', inside(size[side], box[side]), inside(box[side], length));
      const before = this.#do('Max', zero, this.#do('Sub', zero, start));
      const after = this.#do('Max', zero, this.#do('Sub', this.#do('Add', start, length), size[side]));
      const from = this.#do('Add', start, before);
      return { before, after, from, to: this.#do('Add', from, length) };
    };
    const [y, x] = [along('height'), along('width')];
    const join = (...parts: string[]) => b.op('Concat', parts, { attributes: { axis: 0 } });
    const none = b.ints([0, 0]);
    const padded = b.op('Pad', [levels, join(none, y.before, x.before, none, y.after, x.after)], {
      name: 'padded',
    });
    return b.op('Slice', [padded, join(y.from, x.from), join(y.to, x.to), b.ints([2, 3])], {
      name: 'window',
    });
  }

  /** As `planResize` has it. */
  #evenMargin(pixels: string): string {
    const [zero, two] = [this.#int(0), this.#int(2)];
    const half = this.#do('Div', pixels, two);
    const more = this.#do('Mul', this.#do('Mod', pixels, two), this.#do('Mod', half, two));
    return this.#do('Add', half, this.#do('Where', this.#do('Greater', pixels, zero), more, zero));
  }

  finish(levels: string, spec: PreprocessSpec): Model {
    const b = this.#builder;
    const { channels, height, width } = pixelShape(spec);
    const { channelOrder, scale, mean, std, layout } = spec;
    const dims = [1, channels, 1, 1];
    const ordered =
      channelOrder === 'bgr'
        ? b.op('Gather', [levels, b.constant('bgr', int64([3], [2, 1, 0]))], { attributes: { axis: 1 } })
        : levels;
    const values = b.op('Cast', [ordered], { attributes: { to: 1 } });
    const scaled = b.op('Mul', [values, b.constant('scale', float32([], [scale]))]);
    const centred = b.op('Sub', [scaled, b.constant('mean', float32(dims, mean))]);
    const planar = b.op('Div', [centred, b.constant('std', float32(dims, std))], { name: 'normalized' });
    const shape = [this.#batch, channels, height, width];
    if (layout === 'nchw') b.output(planar, 'float32', shape, preparedName);
    else {
      const last = b.op('Transpose', [planar], { attributes: { perm: [0, 2, 3, 1] } });
      b.output(last, 'float32', [this.#batch, height, width, channels], preparedName);
    }
    return b.model();
  }

  #sizeOf(planes: string): Size {
    const b = this.#builder;
    const shape = b.op('Shape', [planes]);
    const side = (axis: number) => b.op('Slice', [shape, b.ints([axis]), b.ints([axis + 1])]);
    return { height: side(2), width: side(3) };
  }

  #int(value: number): string {
    return this.#builder.ints([value]);
  }

  #do(opType: string, ...inputs: string[]): string {
    return this.#builder.op(opType, inputs);
  }
}
