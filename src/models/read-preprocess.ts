/** Finds and checks the preprocessing spec of a backbone. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, unreadable } from '../errors.js';
import type { PixelShape, PreprocessSpec, ResizeFit, ResizeKernel } from './preprocess-spec.js';

export interface PreprocessSources {
  /** A file the user named: a spec, or an object with the spec as its field `preprocess`. */
  readonly preprocess?: string;
  readonly modelPath: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * The named file, else `<model>.preprocess.json` or `preprocessor_config.json` beside the model, else the model's
 * metadata; undefined where there is none of them.
 * @throws GraftError INVALID_PREPROCESS naming file and field.
 */
export async function findPreprocess(sources: PreprocessSources): Promise<PreprocessSpec | undefined> {
  const { modelPath, metadata } = sources;
  if (sources.preprocess !== undefined) return fromFile(sources.preprocess);
  const sidecar = `${modelPath.replace(/\.onnx$/i, '')}.preprocess.json`;
  if (existsSync(sidecar)) return fromFile(sidecar);
  for (const folder of [path.dirname(modelPath), path.join(path.dirname(modelPath), '..')]) {
    const config = path.join(folder, 'preprocessor_config.json');
    if (existsSync(config)) return fromFile(config);
  }
  const embedded = metadata.get('graft.preprocess');
  if (embedded !== undefined) {
    const where = `the metadata of ${modelPath}`;
    return parsePreprocess(parseJson(embedded, where), where);
  }
  return undefined;
}

async function fromFile(file: string): Promise<PreprocessSpec> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
  return parsePreprocess(parseJson(text, file), file);
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GraftError('INVALID_PREPROCESS', `${where} is not JSON: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

type Json = Readonly<Record<string, unknown>>;

/** @throws GraftError INVALID_PREPROCESS naming `where`, the field, what was expected and what came. */
export function parsePreprocess(json: unknown, where: string): PreprocessSpec {
  const fields = objectOf(json, 'the spec', where);
  if (fields.preprocess !== undefined) return parsePreprocess(fields.preprocess, where);
  if ('image_mean' in fields || 'do_resize' in fields || 'size' in fields)
    return fromHuggingFace(fields, where);
  const channelOrder = oneOf(
    fields.channelOrder ?? 'rgb',
    ['rgb', 'bgr', 'gray'] as const,
    'channelOrder',
    where,
  );
  const channels = channelOrder === 'gray' ? 1 : 3;
  const resize = fields.resize == null ? null : objectOf(fields.resize, 'resize', where);
  return {
    resize: resize && {
      width: size(resize.width, 'resize.width', where),
      height: size(resize.height, 'resize.height', where),
      fit: oneOf(resize.fit ?? 'fill', fits, 'resize.fit', where),
      kernel: oneOf(resize.kernel ?? 'bilinear', kernels, 'resize.kernel', where),
    },
    crop: fields.crop == null ? null : sizes(objectOf(fields.crop, 'crop', where), 'crop', where),
    channelOrder,
    scale: finite(fields.scale ?? 1, 'scale', where),
    mean: perChannel(fields.mean ?? 0, channels, 'mean', where),
    std: perChannel(fields.std ?? 1, channels, 'std', where, (value) => value !== 0),
    layout: oneOf(fields.layout ?? 'nchw', ['nchw', 'nhwc'] as const, 'layout', where),
  };
}

const fits: readonly ResizeFit[] = ['fill', 'cover', 'contain', 'shortest-edge'];
const kernels: readonly ResizeKernel[] = ['nearest', 'bilinear', 'bicubic', 'lanczos3'];
/** Pillow's numbers. */
const resampleKernels: readonly ResizeKernel[] = ['nearest', 'lanczos3', 'bilinear', 'bicubic'];

/** The fields of Hugging Face's image processors. */
function fromHuggingFace(fields: Json, where: string): PreprocessSpec {
  const kernel = resampleKernels[Number(fields.resample ?? 2)] ?? 'bilinear';
  const given = fields.size;
  const shape = typeof given === 'number' ? { shortest_edge: given } : objectOf(given ?? {}, 'size', where);
  const edge = shape.shortest_edge;
  const crop = fields.do_center_crop === true ? cropOf(fields.crop_size, where) : null;
  const resize =
    fields.do_resize === false
      ? null
      : edge !== undefined
        ? {
            width: size(edge, 'size', where),
            height: size(edge, 'size', where),
            fit: 'shortest-edge' as const,
            kernel,
          }
        : { ...sizes(shape, 'size', where), fit: 'fill' as const, kernel };
  const normalises = fields.do_normalize !== false;
  return {
    resize: resize && edge !== undefined && !crop ? { ...resize, fit: 'cover' } : resize,
    crop,
    channelOrder: 'rgb',
    scale:
      fields.do_rescale === false ? 1 : finite(fields.rescale_factor ?? 1 / 255, 'rescale_factor', where),
    mean: normalises ? perChannel(fields.image_mean ?? 0.5, 3, 'image_mean', where) : [0, 0, 0],
    std: normalises
      ? perChannel(fields.image_std ?? 0.5, 3, 'image_std', where, (value) => value !== 0)
      : [1, 1, 1],
    layout: 'nchw',
  };
}

function cropOf(value: unknown, where: string): { width: number; height: number } {
  if (typeof value === 'number') return { width: size(value, 'crop_size', where), height: value };
  return sizes(objectOf(value, 'crop_size', where), 'crop_size', where);
}

/** What one preprocessed image measures. */
export function pixelShape({ crop, resize, channelOrder }: PreprocessSpec): PixelShape {
  const size = crop ?? resize;
  if (!size) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      'Expected a preprocessing spec with a resize or a crop but it has neither.',
    );
  }
  return { height: size.height, width: size.width, channels: channelOrder === 'gray' ? 1 : 3 };
}

function refuse(field: string, expected: string, received: unknown, where: string): GraftError {
  return new GraftError(
    'INVALID_PREPROCESS',
    `Expected ${expected} for ${field} in ${where} but received ${JSON.stringify(received) ?? 'nothing'}.`,
  );
}

function objectOf(value: unknown, field: string, where: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw refuse(field, 'an object', value, where);
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], field: string, where: string): T {
  if (allowed.includes(value as T)) return value as T;
  throw refuse(field, `one of ${allowed.join(', ')}`, value, where);
}

function finite(value: unknown, field: string, where: string): number {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw refuse(field, 'a number', value, where);
}

function size(value: unknown, field: string, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= 16384) return value;
  throw refuse(field, 'a whole number from 1 to 16384', value, where);
}

function sizes(value: Json, field: string, where: string): { width: number; height: number } {
  return {
    width: size(value.width, `${field}.width`, where),
    height: size(value.height, `${field}.height`, where),
  };
}

function perChannel(
  value: unknown,
  channels: number,
  field: string,
  where: string,
  accepts: (value: number) => boolean = () => true,
): number[] {
  const list = Array.isArray(value) ? value : new Array<unknown>(channels).fill(value);
  if (
    list.length === channels &&
    list.every((item) => typeof item === 'number' && Number.isFinite(item) && accepts(item))
  ) {
    return list as number[];
  }
  throw refuse(field, `${channels} numbers, one a channel`, value, where);
}
