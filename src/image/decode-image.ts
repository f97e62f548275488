/** Encoded image bytes to 8-bit RGB. */
import { GraftError, messageOf } from '../errors.js';
import type { Colour } from '../models/preprocess-spec.js';
import { decodeBmp } from './decode-bmp.js';
import { decodeNetpbm } from './decode-netpbm.js';
import { decodeSmallJpeg } from './decode-small-jpeg.js';
import { type DecodedImage, type ImageSize, maxImagePixels } from './decoded-image.js';
import {
  type ImageFormat,
  imageFormat,
  isLfsPointer,
  readImageSize,
  readJpegFrame,
  unreadKind,
} from './image-format.js';
import { loadSharp } from './load-sharp.js';
import { readTiffTags, type TiffTags } from './tiff-tags.js';

export { type DecodedImage, maxImagePixels } from './decoded-image.js';

/** An SVG is drawn at the size it claims, at a cost that its few bytes do not show. */
const maxSvgPixels = 2 ** 24;
const maxSvgBytes = 8 * 2 ** 20;

export interface DecodeOptions {
  /** Width times height above which an image is refused before its pixels are read. */
  readonly maxPixels?: number | undefined;
  /** What lies under transparent pixels; default white. `none`: the colour stored there shows. */
  readonly background?: Colour | 'none' | undefined;
  /**
   * What a colour profile does; default `ignore`: the numbers are taken as sRGB (and CMYK as ideal inks), as Pillow,
   * torchvision and Hugging Face do, so that features agree with theirs. `convert`: to sRGB, by the embedded profile.
   */
  readonly profiles?: 'ignore' | 'convert' | undefined;
  /** The upright size to reduce the image to while it is decoded, as `reducedSize` gives it; default: as it is. */
  readonly size?: ImageSize | undefined;
  /** Called with the bytes that the pixels will take, unless they are few; decoding begins when it resolves. */
  readonly mayDecode?: ((sizeBytes: number) => Promise<void>) | undefined;
}

/**
 * Decodes JPEG, PNG, WebP, AVIF, TIFF, GIF, SVG, BMP, PBM, PGM or PPM to upright 8-bit [height, width, 3] (grey may stay [h, w, 1]).
 *
 * EXIF orientation is applied, palettes and CMYK become RGB, 16 bits are cut to 8, transparency is laid on the
 * background, and of an animation the first frame is taken.
 *
 * @throws GraftError INVALID_IMAGE with the reason where the bytes are not a whole, readable image.
 */
export async function decodeImage(
  bytes: Uint8Array,
  {
    maxPixels = maxImagePixels,
    background = [255, 255, 255],
    profiles = 'ignore',
    size,
    mayDecode,
  }: DecodeOptions = {},
): Promise<DecodedImage> {
  if (bytes.length === 0) throw new GraftError('INVALID_IMAGE', 'The image is an empty file.');
  const format = imageFormat(bytes);
  const pixelLimit = format === 'svg' ? Math.min(maxPixels, maxSvgPixels) : maxPixels;
  if (format === undefined) {
    if (isLfsPointer(bytes)) {
      throw new GraftError(
        'INVALID_IMAGE',
        'The file is a Git LFS pointer; fetch the image itself with "git lfs pull".',
      );
    }
    const kind = unreadKind(bytes);
    throw new GraftError(
      'INVALID_IMAGE',
      kind === undefined
        ? `The ${bytes.length} bytes are not an image of a known format (JPEG, PNG, WebP, AVIF, TIFF, GIF, SVG, BMP, PBM, PGM, PPM).`
        : `The image is ${kind}, which is not read; convert it to JPEG or PNG.`,
    );
  }
  if (format === 'svg' && bytes.length > maxSvgBytes) {
    throw new GraftError('INVALID_IMAGE', `The SVG has ${bytes.length} bytes, more than ${maxSvgBytes}.`);
  }
  if (format === 'bmp' || format === 'netpbm') {
    if (mayDecode) await mayDecode(3 * bytes.length);
    return (format === 'bmp' ? decodeBmp : decodeNetpbm)(bytes, { maxPixels, background });
  }
  const small = format === 'jpeg' && profiles === 'ignore' && (await decodeSmallJpeg(bytes, pixelLimit));
  if (small) return small;
  const tiff = format === 'tiff' ? readTiffTags(bytes) : undefined;
  if (tiff) refuseWrong(tiff);
  try {
    const image = loadSharp()(bytes, {
      // A warning may be as harmless as a stray byte between segments; a missing part is an error.
      failOn: 'error',
      limitInputPixels: pixelLimit,
      autoOrient: true,
      sequentialRead: true,
      ignoreIcc: profiles === 'ignore',
    });
    const isInk = profiles === 'ignore' && (await isCmyk(bytes, format));
    if (isInk) image.pipelineColourspace('cmyk');
    // A sample that no one calls transparency is another channel, such as infrared, and left out as in Pillow.
    if (background !== 'none' && tiff?.extra !== 0) {
      const [r, g, b] = background;
      image.flatten({ background: { r, g, b } });
      // Otherwise a grey image is laid on a grey.
      if (!isInk && (r !== g || g !== b)) image.pipelineColourspace('srgb');
    } else if (format === 'svg') image.flatten({ background: 'white' });
    if (size) image.resize(size.width, size.height, { fit: 'fill', kernel: 'cubic' });
    if (mayDecode) await mayDecode(await pixelBytes(bytes, format, size));
    const { data, info } = await image
      .removeAlpha()
      .toColourspace(isInk ? 'cmyk' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (isInk && channels === 4) return { width, height, channels: 3, data: mixInks(data) };
    if (channels === 1 || channels === 3) return { width, height, channels, data };
    throw new GraftError('INVALID_IMAGE', `Expected 1 or 3 channels after decoding but got ${channels}.`);
  } catch (error) {
    throw error instanceof GraftError
      ? error
      : new GraftError('INVALID_IMAGE', reasonOf(messageOf(error), format, pixelLimit), { cause: error });
  }
}

/** What decoding gives, as RGB. The usual formats' headers are read here: libvips takes 0.3 ms for it. */
async function pixelBytes(bytes: Uint8Array, format: ImageFormat, size?: ImageSize): Promise<number> {
  const { width, height } = size ?? readImageSize(bytes, format) ?? (await loadSharp()(bytes).metadata());
  return 3 * width * height;
}

/** What libvips reads as other colours. @throws GraftError INVALID_IMAGE */
function refuseWrong({ photometric, compression, bits }: TiffTags): void {
  const [inks, yCbCr, oldJpeg, jpeg] = [5, 6, 6, 7];
  const kind =
    photometric === yCbCr && compression !== jpeg && compression !== oldJpeg
      ? 'YCbCr that is not compressed as JPEG'
      : photometric === inks && bits > 8
        ? `inks of ${bits} bits`
        : undefined;
  if (kind !== undefined)
    throw new GraftError('INVALID_IMAGE', `The TIFF holds ${kind}, which is not read; convert it to RGB.`);
}

async function isCmyk(bytes: Uint8Array, format: ImageFormat): Promise<boolean> {
  if (format === 'jpeg') return readJpegFrame(bytes)?.components === 4;
  return format === 'tiff' && (await loadSharp()(bytes).metadata()).space === 'cmyk';
}

/** CMYK to RGB in Pillow's arithmetic: (255 - ink) · (255 - black) / 255, rounded. */
function mixInks(inks: Uint8Array): Uint8Array {
  const colours = new Uint8Array((inks.length / 4) * 3);
  for (let i = 0, o = 0; i < inks.length; i += 4) {
    const light = 255 - inks[i + 3]!;
    for (let c = 0; c < 3; c++, o++) {
      const product = inks[i + c]! * light + 128;
      colours[o] = light - (((product >> 8) + product) >> 8);
    }
  }
  return colours;
}

function reasonOf(message: string, format: ImageFormat, pixelLimit: number): string {
  const [firstLine = ''] = message.split('\n');
  if (format === 'svg' && /unsupported image format/i.test(message))
    return 'It is a page of HTML, or other markup, not an image: so servers answer who is to sign in, or asks for what is not there.';
  if (/pixel limit/i.test(message)) return `The image has more than ${pixelLimit} pixels.`;
  if (
    /premature|truncated|end of (stream|file|input|image|GIF)|read error|bad seek|not enough|out of (data|order)/i.test(
      message,
    )
  ) {
    return `The image is truncated or damaged (${firstLine.trim()}).`;
  }
  return `The image cannot be decoded (${firstLine.trim()}).`;
}
