/**
 * How pixels become the backbone's input, as data:
 *   value = (pixel * scale - mean) / std, with pixel in 0..255.
 */

export type ResizeFit = 'fill' | 'cover' | 'contain' | 'shortest-edge';
export type ResizeKernel = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos3';

/** Red, green and blue, each 0 to 255. */
export type Colour = readonly [number, number, number];

export interface PreprocessSpec {
  /**
   * What lies under transparent pixels; absent: white. `none`: transparency is ignored and the colour stored there shows,
   * as in Pillow's `convert('RGB')`.
   */
  readonly background?: Colour | 'none';
  /** Whether colours go through the embedded profile to sRGB; absent: `ignore`, as Pillow and torchvision do. */
  readonly profiles?: 'ignore' | 'convert';
  /** `shortest-edge`: the shorter side becomes min(width, height), the other follows. null: pixels as they are. */
  readonly resize: {
    readonly width: number;
    readonly height: number;
    readonly fit: ResizeFit;
    readonly kernel: ResizeKernel;
  } | null;
  /** Centre crop after the resize. */
  readonly crop: {
    readonly width: number;
    readonly height: number;
    /**
     * What is cut off in front where an odd number of pixels is. Absent: the lower half, as Hugging Face does. `even`: the half
     * that is even, and of the black around what is too small the lower half, as torchvision and timm do.
     */
    readonly margins?: 'even';
  } | null;
  readonly channelOrder: 'rgb' | 'bgr' | 'gray';
  readonly scale: number;
  /** One number a channel, in the order of `channelOrder`. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly layout: 'nchw' | 'nhwc';
}

/** Height, width and channels of one preprocessed image. */
export interface PixelShape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}
