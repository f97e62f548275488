/** A preprocessing spec from JSON: our own fields, Hugging Face's image processors', or timm's. */
import { GraftError } from '../errors.js';
import { fromHuggingFace, fromTimm } from './foreign-preprocess.js';
import { Fields } from './preprocess-fields.js';
import type { Colour, PreprocessSpec, ResizeFit, ResizeKernel } from './preprocess-spec.js';

const fits: readonly ResizeFit[] = ['fill', 'cover', 'contain', 'shortest-edge'];
const kernels: readonly ResizeKernel[] = ['nearest', 'bilinear', 'bicubic', 'lanczos3'];
/** Any of these tells an image processor of Hugging Face. */
const huggingFaceFields = [
  'image_mean',
  'do_resize',
  'do_normalize',
  'image_processor_type',
  'feature_extractor_type',
  'size',
];

/** Whether it is such a file, and neither a spec of ours nor timm's. */
export function isHuggingFace(json: unknown): boolean {
  if (typeof json !== 'object' || json === null) return false;
  const has = (field: string): boolean => Object.hasOwn(json, field);
  return !has('preprocess') && !has('pretrained_cfg') && huggingFaceFields.some(has);
}

/**
 * @param where - names the JSON in messages
 * @throws GraftError INVALID_PREPROCESS naming `where`, the field, what was expected and what came.
 */
export function parsePreprocess(json: unknown, where: string): PreprocessSpec {
  let fields = new Fields(json, where);
  if (fields.has('preprocess')) fields = fields.object('preprocess');
  const spec = fields.has('pretrained_cfg')
    ? fromTimm(fields.object('pretrained_cfg'))
    : huggingFaceFields.some((field) => fields.has(field))
      ? fromHuggingFace(fields)
      : fromOwnFields(fields);
  if (spec.resize || spec.crop) return spec;
  throw new GraftError(
    'INVALID_PREPROCESS',
    `Expected a resize or a crop in ${where} but it has neither, so the size of the model's input stays unknown.`,
  );
}

function fromOwnFields(fields: Fields): PreprocessSpec {
  const channelOrder = fields.oneOf('channelOrder', ['rgb', 'bgr', 'gray'], 'rgb');
  const channels = channelOrder === 'gray' ? 1 : 3;
  const resize = fields.has('resize') ? fields.object('resize') : undefined;
  const background = readBackground(fields);
  const profiles = fields.oneOf('profiles', ['ignore', 'convert'], 'ignore');
  return {
    resize: resize
      ? {
          ...resize.sides(),
          fit: resize.oneOf('fit', fits, 'fill'),
          kernel: resize.oneOf('kernel', kernels, 'bilinear'),
        }
      : null,
    crop: fields.has('crop') ? readCrop(fields.object('crop')) : null,
    channelOrder,
    scale: fields.number('scale', 1, (value) => value !== 0, 'a number other than 0'),
    mean: fields.perChannel('mean', channels, 0),
    std: fields.deviations('std', channels, 1),
    layout: fields.oneOf('layout', ['nchw', 'nhwc'], 'nchw'),
    // What is usual is left out, so that equal specs have equal features.
    ...(background !== undefined && { background }),
    ...(profiles !== 'ignore' && { profiles }),
  };
}

function readCrop(fields: Fields): PreprocessSpec['crop'] {
  const margins = fields.oneOf('margins', ['lower', 'even'], 'lower');
  return { ...fields.sides(), ...(margins === 'even' && { margins }) };
}

/** "none", "white", or a colour; undefined is white. */
function readBackground(fields: Fields): Colour | 'none' | undefined {
  const value = fields.raw('background');
  if (value === 'none') return 'none';
  if (value === undefined || value === 'white') return undefined;
  const isLevel = (level: unknown): boolean =>
    typeof level === 'number' && Number.isInteger(level) && level >= 0 && level <= 255;
  if (Array.isArray(value) && value.length === 3 && value.every(isLevel)) {
    return value.every((level) => level === 255) ? undefined : (value as unknown as Colour);
  }
  throw fields.refuse('background', '"none", "white" or three whole numbers from 0 to 255');
}
