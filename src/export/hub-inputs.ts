/**
 * A backbone behind the inputs that transformers.js and Optimum feed: `pixel_values`, float32 [batch, 3, height, width] in the order red,
 * green, blue; or `input_ids`, `attention_mask` and `token_type_ids`, int64 [batch, tokens]. What else the backbone wants (the channels
 * reversed or last, int32, positions) is made of these inside the graph.
 */
import { GraftError } from '../errors.js';
import { mergeModels } from '../graph/merge-models.js';
import type { TokenInput } from '../graph/token-inputs.js';
import { exampleDims, type InputSpec, type PixelSpec, type TokenSpec } from '../models/input-spec.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Dimension, Model } from '../onnx/ir.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import { toInitializer } from '../onnx/initializer.js';
import { int64 } from '../tensor/tensor.js';

const singleFile = 'a single file, without --format huggingface';

export interface HubInputs {
  readonly features: Model;
  /** What `features` takes. */
  readonly input: InputSpec;
}

/** What the libraries feed of images. */
export const pixelValues = 'pixel_values';

/**
 * `pixel_values`, float32 [batch, 3, height, width], the levels 0 to 255 of an image of any size → what a file that prepares pixels itself takes.
 */
export function beforePixelFront(front: Model): Model {
  const builder = new GraphBuilder({ opset: front.opsets.get('') ?? 18 });
  const [pixels] = front.graph.inputs;
  const batch = batchOf(front, pixels!.name);
  const values = builder.input(pixelValues, 'float32', [batch, 3, 'height', 'width']);
  const last = builder.op('Transpose', [values], { name: 'levels/last', attributes: { perm: [0, 2, 3, 1] } });
  const levels = builder.op('Cast', [last], { name: 'levels', attributes: { to: dtypeInfo('uint8').code } });
  builder.output(levels, 'uint8', [batch, 'height', 'width', 3]);
  return mergeModels(builder.model(), front, { connect: { [levels]: pixels!.name } });
}

/** @throws GraftError UNSUPPORTED_MODEL for what the libraries cannot feed. */
export function withHubInputs(features: Model, input: InputSpec): HubInputs {
  return input.kind === 'pixels' ? withPixelValues(features, input) : withTokens(features, input);
}

function withPixelValues(features: Model, input: PixelSpec): HubInputs {
  const { name, preprocess, ...rest } = input;
  const { channelOrder, layout, mean, std } = preprocess;
  if (channelOrder === 'gray') {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      'The backbone takes grey images, of which the image processors of transformers.js and transformers make three channels; ' +
        `let the file prepare them itself with --pixels, or export ${singleFile}.`,
    );
  }
  const isReversed = channelOrder === 'bgr';
  const ordered = (values: readonly number[]): number[] => (isReversed ? values.toReversed() : [...values]);
  const taken: PixelSpec = {
    ...rest,
    name: pixelValues,
    preprocess: {
      ...preprocess,
      channelOrder: 'rgb',
      layout: 'nchw',
      mean: ordered(mean),
      std: ordered(std),
    },
  };
  const front = new Front(features);
  const batch = batchOf(features, name);
  const [, channels, height, width] = exampleDims(taken).get(taken.name) as [number, number, number, number];
  let dims: Dimension[] = [batch, channels, height, width];
  let value = front.builder.input(taken.name, 'float32', dims);
  if (isReversed) {
    const order = front.builder.constant('pixel_values/order', int64([3], [2, 1, 0]));
    value = front.builder.op('Gather', [value, order], { name: 'pixel_values/bgr', attributes: { axis: 1 } });
  }
  if (layout === 'nhwc') {
    const attributes = { perm: [0, 2, 3, 1] };
    value = front.builder.op('Transpose', [value], { name: 'pixel_values/nhwc', attributes });
    dims = [batch, height, width, channels];
  }
  front.give(name, value, 'float32', dims);
  return { features: front.before(features), input: taken };
}

function withTokens(features: Model, input: TokenSpec): HubInputs {
  const { ids, mask, types, positions, ...rest } = input.inputs;
  if (rest.fixedLength !== undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The backbone takes texts of ${rest.fixedLength} tokens, no fewer, while transformers.js fills texts up to the longest one only; ` +
        `export the backbone with a free length, or ${singleFile}.`,
    );
  }
  const front = new Front(features);
  const dims = [batchOf(features, ids.name), 'sequence_length'];
  const take = (name: string, wanted: TokenInput): TokenInput => {
    front.giveTokens(wanted, front.builder.input(name, 'int64', dims), dims);
    return { name, dtype: 'int64' };
  };
  const inputs = {
    ...rest,
    ids: take('input_ids', ids),
    ...(mask && { mask: take('attention_mask', mask) }),
    ...(types && { types: take('token_type_ids', types) }),
  };
  if (positions) front.giveTokens(positions, countTokens(front.builder), dims);
  return { features: front.before(features), input: { ...input, inputs } };
}

/** 0, 1, 2, … for the tokens of each text: [batch, tokens] int64. */
function countTokens(builder: GraphBuilder): string {
  const shape = builder.op('Shape', ['input_ids'], { name: 'position_ids/shape' });
  const ones = builder.op('ConstantOfShape', [shape], {
    name: 'position_ids/ones',
    attributes: { value: toInitializer('', int64([1], [1])) },
  });
  const axis = builder.constant('position_ids/axis', int64([], [1]));
  return builder.op('CumSum', [ones, axis], { name: 'position_ids', attributes: { exclusive: 1 } });
}

/** What comes before a backbone, and which of its inputs each value goes to. */
class Front {
  readonly builder: GraphBuilder;
  readonly #connect: Record<string, string> = {};

  /** CumSum is from operator set 11 on, to which merging lifts an older backbone. */
  constructor({ opsets }: Model) {
    this.builder = new GraphBuilder({ opset: Math.max(11, opsets.get('') ?? 17) });
  }

  give(input: string, value: string, dtype: DType, dims: readonly Dimension[]): void {
    const { builder } = this;
    if (!builder.inputs.some(({ name }) => name === value)) builder.output(value, dtype, dims);
    this.#connect[value] = input;
  }

  giveTokens({ name, dtype }: TokenInput, value: string, dims: readonly Dimension[]): void {
    const cast = (): string =>
      this.builder.op('Cast', [value], {
        name: `${value}/${dtype}`,
        attributes: { to: dtypeInfo(dtype).code },
      });
    this.give(name, dtype === 'int64' ? value : cast(), dtype, dims);
  }

  before(features: Model): Model {
    return mergeModels(this.builder.model(), features, { connect: this.#connect });
  }
}

function batchOf({ graph }: Model, input: string): Dimension {
  const type = graph.inputs.find(({ name }) => name === input)?.type;
  return (type?.kind === 'tensor' && type.shape?.[0]) || 'batch';
}
