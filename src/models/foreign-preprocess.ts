/**
 * Preprocessing as other libraries write it down: `preprocessor_config.json` of Hugging Face's image processors, and
 * `pretrained_cfg` in timm's `config.json`. What a file leaves out is what its processor's class would take.
 */
import type { Fields } from './preprocess-fields.js';
import type { PreprocessSpec, ResizeFit, ResizeKernel } from './preprocess-spec.js';

interface ProcessorDefaults {
  /** Whether a single number for `size` is the shortest edge, not a square. */
  readonly edge?: boolean;
  readonly centerCrop?: boolean;
  /** Pillow's number of the resampling. */
  readonly resample?: number;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  /** Share of the resized image that the crop keeps, where the class works so. */
  readonly cropShare?: number;
}

const imageNetMean = [0.485, 0.456, 0.406];
const imageNetStd = [0.229, 0.224, 0.225];
const clip: ProcessorDefaults = {
  edge: true,
  centerCrop: true,
  resample: 3,
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

/** By the class name without its ending; the classes in transformers/models/…/image_processing_….py. */
const processors: Readonly<Record<string, ProcessorDefaults>> = {
  CLIP: clip,
  ChineseCLIP: clip,
  Bit: clip,
  ViT: { edge: false },
  DeiT: { edge: false, centerCrop: true, resample: 3 },
  ConvNext: { edge: true, cropShare: 224 / 256 },
  PoolFormer: {
    edge: true,
    centerCrop: true,
    resample: 3,
    cropShare: 0.9,
    mean: imageNetMean,
    std: imageNetStd,
  },
  MobileNetV1: { edge: true, centerCrop: true },
  MobileNetV2: { edge: true, centerCrop: true },
  MobileViT: { edge: true, centerCrop: true },
  Levit: { edge: true, centerCrop: true, resample: 3, mean: imageNetMean, std: imageNetStd },
  EfficientNet: { edge: false, resample: 0 },
  Beit: { edge: false, resample: 3 },
  Siglip: { edge: false, resample: 3 },
};

const kernelOfNumber: readonly ResizeKernel[] = ['nearest', 'lanczos3', 'bilinear', 'bicubic'];

type Resize = NonNullable<PreprocessSpec['resize']>;

/** @throws GraftError INVALID_PREPROCESS naming the file and the field. */
export function fromHuggingFace(fields: Fields): PreprocessSpec {
  const type = fields.text('image_processor_type') ?? fields.text('feature_extractor_type') ?? '';
  const family = type.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, '');
  const usual = Object.hasOwn(processors, family) ? processors[family]! : {};
  const kernel =
    kernelOfNumber[fields.number('resample', usual.resample ?? 2, isKnownKernel, 'a number from 0 to 3')]!;
  const crops = fields.flag('do_center_crop', usual.centerCrop ?? false);
  const resizes = fields.flag('do_resize', true);
  const { resize, crop } = placeOf(fields, { family, usual, crops, kernel });
  const normalises = fields.flag('do_normalize', family !== 'MobileViT');
  const deviations = (): number[] => fields.deviations('image_std', 3, usual.std ?? 0.5);
  const mean = normalises ? fields.perChannel('image_mean', 3, usual.mean ?? 0.5) : [0, 0, 0];
  const once = normalises ? deviations() : [1, 1, 1];
  // EfficientNet's processor may subtract 1 after the scale, and divides by std once more, normalised or not.
  const offset = fields.flag('rescale_offset', false) ? 1 : 0;
  const isDividedAgain = family === 'EfficientNet' && fields.flag('include_top', true);
  const std = isDividedAgain ? deviations().map((value, c) => value * once[c]!) : once;
  const isFlipped = fields.flag('do_flip_channel_order', family === 'MobileViT');
  const ordered = (values: readonly number[]): number[] => (isFlipped ? values.toReversed() : [...values]);
  return {
    resize: resizes ? resize : null,
    crop: crop ?? (resizes ? null : { width: resize.width, height: resize.height }),
    channelOrder: isFlipped ? 'bgr' : 'rgb',
    scale: fields.flag('do_rescale', true) ? fields.positive('rescale_factor', 1 / 255) : 1,
    mean: ordered(mean.map((value) => value + offset)),
    std: ordered(std),
    layout: 'nchw',
  };
}

/** What such a file asks for that a spec cannot say: steps of processors for documents, detection and the like. */
export function unmetWishes(fields: Fields): string[] {
  const wishes = ['do_pad', 'do_thumbnail', 'do_align_long_axis', 'keep_aspect_ratio'].filter(
    (field) => fields.raw(field) === true,
  );
  const size = fields.raw('size');
  const hasLongest = typeof size === 'object' && size !== null && 'longest_edge' in size;
  return [
    ...wishes,
    ...(fields.has('size_divisor') ? ['size_divisor'] : []),
    ...(hasLongest ? ['longest_edge'] : []),
  ];
}

const isKnownKernel = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 3;

interface Place {
  readonly family: string;
  readonly usual: ProcessorDefaults;
  readonly crops: boolean;
  readonly kernel: ResizeKernel;
}

function placeOf(
  fields: Fields,
  { family, usual, crops, kernel }: Place,
): { resize: Resize; crop: PreprocessSpec['crop'] } {
  const given = fields.raw('size') ?? (usual.edge ? { shortest_edge: 224 } : { height: 224, width: 224 });
  const isNumber = typeof given === 'number';
  const size = isNumber ? undefined : fields.has('size') ? fields.object('size') : undefined;
  const isSquare = isNumber
    ? !(usual.edge ?? crops)
    : size
      ? size.has('height') || size.has('width')
      : !usual.edge;
  if (size && !isSquare && !size.has('shortest_edge')) {
    throw fields.refuse('size', 'a number, height and width, or shortest_edge');
  }
  if (isSquare) {
    const sides = isNumber
      ? { width: fields.side('size'), height: fields.side('size') }
      : (size?.sides() ?? { width: 224, height: 224 });
    return {
      resize: { ...fields.bounded(sides), fit: 'fill', kernel },
      crop: crops ? cropOf(fields, sides) : null,
    };
  }
  const edge = isNumber ? fields.side('size') : (size?.side('shortest_edge') ?? 224);
  const square = (side: number, fit: ResizeFit): Resize => ({
    ...fields.bounded({ width: side, height: side }),
    fit,
    kernel,
  });
  if (usual.cropShare !== undefined) {
    // ConvNeXt's: from 384 pixels on the whole image is squeezed in, below that a share of it is kept.
    if (family === 'ConvNext' && edge >= 384) return { resize: square(edge, 'fill'), crop: null };
    const share = fields.number(
      'crop_pct',
      usual.cropShare,
      (value) => value > 0 && value <= 1,
      'a share above 0',
    );
    const resize = square(Math.trunc(edge / share), 'shortest-edge');
    const inside = { width: edge, height: edge };
    return { resize, crop: family === 'ConvNext' || !crops ? inside : cropOf(fields, inside) };
  }
  // LeViT's class enlarges the edge itself.
  const resize = square(family === 'Levit' ? Math.trunc((256 / 224) * edge) : edge, 'shortest-edge');
  // Without a crop every image would have another size; the middle of it is what fits a batch.
  return {
    resize,
    crop: crops ? cropOf(fields, { width: edge, height: edge }) : { width: edge, height: edge },
  };
}

function cropOf(fields: Fields, usual: { width: number; height: number }): { width: number; height: number } {
  const given = fields.raw('crop_size');
  if (given === undefined) return usual;
  if (typeof given === 'number') {
    const side = fields.side('crop_size');
    return fields.bounded({ width: side, height: side });
  }
  const size = fields.object('crop_size');
  if (!size.has('shortest_edge')) return size.sides();
  const side = size.side('shortest_edge');
  return size.bounded({ width: side, height: side });
}

/** timm's data configuration: resize to size / crop_pct by crop_mode, then the centre. */
export function fromTimm(fields: Fields): PreprocessSpec {
  const given = fields.raw('input_size');
  if (!Array.isArray(given) || given.length !== 3 || (given[0] !== 1 && given[0] !== 3)) {
    throw fields.refuse('input_size', 'three numbers, channels (1 or 3), height and width,');
  }
  const [channels, height, width] = given as [number, unknown, unknown];
  const isSide = (side: unknown): side is number =>
    typeof side === 'number' && Number.isInteger(side) && side > 0;
  if (!isSide(height) || !isSide(width)) throw fields.refuse('input_size', 'whole numbers above 0');
  const crop = fields.bounded({ width, height });
  const share = fields.number(
    'crop_pct',
    0.875,
    // Above 1 the resized image is smaller than the crop, and black around it.
    (value) => value > 0,
    'a share above 0',
  );
  const enlarged = { width: Math.floor(width / share), height: Math.floor(height / share) };
  const mode = fields.oneOf('crop_mode', ['center', 'squash', 'border'], 'center');
  const interpolation = fields.oneOf(
    'interpolation',
    ['nearest', 'bilinear', 'bicubic', 'lanczos', 'random'],
    'bilinear',
  );
  // Of an image that is not square, timm scales until both sides are covered.
  const covering: ResizeFit = width === height ? 'shortest-edge' : 'cover';
  return {
    resize: {
      ...fields.bounded(enlarged),
      fit: mode === 'squash' ? 'fill' : mode === 'border' ? 'contain' : covering,
      kernel:
        interpolation === 'lanczos' ? 'lanczos3' : interpolation === 'random' ? 'bilinear' : interpolation,
    },
    crop: share === 1 && mode === 'squash' ? null : { ...crop, margins: 'even' },
    channelOrder: channels === 1 ? 'gray' : 'rgb',
    scale: 1 / 255,
    mean: fields.perChannel('mean', channels, channels === 1 ? 0.5 : imageNetMean),
    std: fields.deviations('std', channels, channels === 1 ? 0.5 : imageNetStd),
    layout: 'nchw',
  };
}
