/** What to feed a model of which only the file is known, so that one run tells the shapes of its values. */
import { GraftError } from '../errors.js';
import { findTokenInputs } from './find-token-inputs.js';
import { intsAttribute } from '../onnx/attributes.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Dimension, Graph, ValueInfo } from '../onnx/ir.js';
import { dtypeInfo, isFloat } from '../tensor/dtype.js';
import { toHalf } from '../tensor/float16.js';
import { formatShape, sizeOf } from '../tensor/shape.js';
import { weightDims } from './weight-dims.js';
import { soughtTokens } from './sought-tokens.js';
import { listTokenInputs } from './token-inputs.js';
import type { Tensor } from '../tensor/tensor.js';

export interface FeedOptions {
  /** Whole shapes for some inputs. */
  readonly inputDims?: ReadonlyMap<string, readonly number[]> | undefined;
  /** Height and width of images whose size the file leaves open. */
  readonly imageSize?: number;
  /** Samples of sounds whose length the file leaves open. */
  readonly soundLength?: number;
}

/** In one tensor: as many as ONNX Runtime's products count. */
const mostNumbers = 2 ** 31 - 1;

/** Tokens of a text whose length the file leaves open. */
const textLength = 8;

/**
 * One example for every input: an image of noise, the token of id 1 again and again and at last those that the model looks for, a mask of ones,
 * positions that count up. Open sizes are 1 for the batch, `imageSize` for images, 8 for texts, 0 for what a decoder has seen before.
 * @throws GraftError UNSUPPORTED_MODEL for an input that is no tensor of numbers.
 */
export function planFeeds(graph: Graph, options: FeedOptions = {}): Map<string, Tensor> {
  const feeds = new Map<string, Tensor>();
  const tokens = findTokenInputs(graph);
  const { fixedLength = textLength } = tokens ?? {};
  const ofTokens = new Set(tokens && listTokenInputs(tokens).map(({ name }) => name));
  for (const input of graph.inputs) {
    if (graph.initializers.has(input.name)) continue;
    const perToken = ofTokens.has(input.name) ? { perToken: fixedLength } : {};
    feeds.set(input.name, exampleOf(graph, input, { ...options, ...perToken }));
  }
  return feeds;
}

/** Whether the size of some image is left open, so that another `imageSize` may run where one does not. */
export function hasOpenImageSize(graph: Graph): boolean {
  return graph.inputs.some((input) => {
    if (graph.initializers.has(input.name)) return false;
    const shape = knownShape(graph, input);
    return shape?.length === 4 && imageAxes(shape).some((axis) => !isSize(shape[axis]!));
  });
}

/** Whether the length of what may be sound is left open. */
export function hasOpenSoundLength(graph: Graph): boolean {
  return graph.inputs.some(
    (input) =>
      !graph.initializers.has(input.name) &&
      isSound(input, knownShape(graph, input)) &&
      !isSize(knownShape(graph, input)!.at(-1)!),
  );
}

function isSound({ type }: ValueInfo, shape: readonly Dimension[] | undefined): boolean {
  return shape?.length === 2 && type?.kind === 'tensor' && isFloat(type.dtype);
}

interface InputOptions extends FeedOptions {
  /** Of an input with a number for each token: how many there are, whatever its own name for their number says. */
  readonly perToken?: number;
}

function exampleOf(graph: Graph, input: ValueInfo, options: InputOptions): Tensor {
  const { name, type } = input;
  if (type?.kind !== 'tensor' || type.dtype === 'string') {
    const what = type?.kind === 'tensor' ? 'text' : (type?.kind ?? 'of unknown type');
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Input "${name}" is ${what}; only tensors of numbers can be fed.`,
    );
  }
  const dims = options.inputDims?.get(name) ?? exampleDims(graph, input, options);
  const { dtype } = type;
  const length = sizeOf(dims);
  if (!(length <= mostNumbers)) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Input "${name}" is ${formatShape(dims)}, more numbers than one run can be given; export the model for smaller ones.`,
    );
  }
  const data = new (dtypeInfo(dtype).array)(length);
  const value = valuesOf(graph, input, dims);
  if (dtype === 'int64' || dtype === 'uint64') {
    const integers = data as BigInt64Array;
    for (let i = 0; i < length; i++) integers[i] = BigInt(Math.floor(value(i)));
  } else {
    const numbers = data as Float32Array;
    for (let i = 0; i < length; i++) numbers[i] = dtype === 'float16' ? toHalf(value(i)) : value(i);
  }
  return { dtype, dims, data };
}

function exampleDims(
  graph: Graph,
  input: ValueInfo,
  { imageSize = 224, soundLength, perToken }: InputOptions,
): number[] {
  const shape = knownShape(graph, input);
  if (!shape) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The file does not say what shape input "${input.name}" has, and what takes it does not tell either.`,
    );
  }
  const spatial: readonly number[] = shape.length === 4 ? imageAxes(shape) : [];
  const sounds = isSound(input, shape);
  return shape.map((dim, axis) => {
    if (isSize(dim)) return dim;
    if (axis === 0) return 1;
    if (perToken !== undefined) return perToken;
    if (spatial.includes(axis)) return imageSize;
    if (sounds && soundLength !== undefined) return soundLength;
    return typeof dim === 'string' ? namedSize(dim, sounds) : sounds ? 16 : textLength;
  });
}

/** "past_sequence_length + sequence_length" → 0 + 8. */
function namedSize(name: string, isSound: boolean): number {
  const parts = name.split('+').map((part) => part.trim());
  if (parts.length > 1)
    return parts.reduce((sum, part) => sum + (Number(part) || namedSize(part, isSound)), 0);
  if (/past|cache/i.test(name)) return 0;
  return isSound && /sample|audio|wave|time/i.test(name) ? 16000 : textLength;
}

function isSize(dim: Dimension): dim is number {
  return typeof dim === 'number' && dim > 0;
}

/** The axes of height and width: 2 and 3, or 1 and 2 where the last one has few channels. */
function imageAxes(shape: readonly Dimension[]): readonly [number, number] {
  const few = (dim: Dimension | undefined): boolean => dim === 1 || dim === 3 || dim === 4;
  return few(shape[3]) && !few(shape[1]) ? [1, 2] : [2, 3];
}

/** The declared shape, filled up from what takes the input: a convolution's weights tell channels and layout. */
export function knownShape(graph: Graph, { name, type }: ValueInfo): readonly Dimension[] | undefined {
  const declared = type?.kind === 'tensor' ? type.shape : undefined;
  const isOpen =
    declared === undefined || (declared.length === 4 && !isSize(declared[1]!) && !isSize(declared[3]!));
  if (!isOpen) return declared;
  const taken = shapeTaken(graph, name);
  if (!declared || !taken || taken.length !== declared.length) return declared ?? taken;
  return declared.map((dim, axis) => (isSize(dim) ? dim : (taken[axis] ?? dim)));
}

const samePlaces: ReadonlySet<string> = new Set([
  'Cast',
  'Identity',
  'Add',
  'Sub',
  'Mul',
  'Div',
  'Clip',
  'BatchNormalization',
  'InstanceNormalization',
  'Resize',
  'Upsample',
  'Pad',
  'QuantizeLinear',
  'DequantizeLinear',
  'MaxPool',
  'AveragePool',
]);

/** The shape that the first layer after the input asks for; null where it leaves a size open. */
function shapeTaken(graph: Graph, input: string): Dimension[] | undefined {
  const { users } = indexGraph(graph);
  const weightsOf = weightDims(graph);
  const visited = new Set<string>();
  const visit = (value: string): Dimension[] | undefined => {
    if (visited.has(value) || visited.size > 64) return undefined;
    visited.add(value);
    for (const node of users(value)) {
      let shape: Dimension[] | undefined;
      if (/Conv/.test(node.opType) && (node.inputs[0] === value || node.inputs.length > 6)) {
        const weights = weightsOf(node.inputs[node.opType === 'QLinearConv' ? 3 : 1]);
        const group = node.attributes.get('group');
        const groups = group?.kind === 'int' ? Number(group.value) : 1;
        if (weights) shape = [null, weights[1]! * groups, ...weights.slice(2).map(() => null)];
      } else if (node.opType === 'Gemm' || node.opType === 'MatMul') {
        const weights = weightsOf(node.inputs[1]);
        const isTransposed = node.attributes.get('transB');
        if (weights?.length === 2) {
          shape = [null, weights[isTransposed?.kind === 'int' && isTransposed.value === 1n ? 1 : 0]!];
        }
      } else if (node.opType === 'Gather' && node.inputs[1] === value) shape = [null, null];
      else if (node.opType === 'Transpose') {
        const after = visit(node.outputs[0]!);
        const perm = intsAttribute(node, 'perm');
        if (after && perm?.length === after.length) {
          shape = new Array<Dimension>(after.length).fill(null);
          for (const [to, from] of perm.entries()) shape[from] = after[to]!;
        }
      } else if (samePlaces.has(node.opType)) shape = visit(node.outputs[0]!);
      if (shape) return shape;
    }
    return undefined;
  };
  return visit(input);
}

/** The value of the i-th number of an input. */
function valuesOf(graph: Graph, { name, type }: ValueInfo, dims: readonly number[]): (i: number) => number {
  const dtype = type?.kind === 'tensor' ? type.dtype : 'float32';
  if (dtype === 'bool' || /mask/i.test(name)) return () => 1;
  // Noise from a multiplicative hash: the same in every run, in 0..1.
  const noise = (i: number): number => ((i * 2654435761) % 4294967296) / 4294967296;
  if (isFloat(dtype)) return dims.length >= 3 ? noise : (i) => noise(i) - 0.5;
  if (dims.length === 4) return (i) => Math.floor(noise(i) * (dtype === 'int8' ? 127 : 255));
  if (/position/i.test(name)) return (i) => i % (dims.at(-1) ?? 1);
  if (/type|segment|past|cache/i.test(name)) return () => 0;
  if (/size|shape/i.test(name)) return () => 224;
  if (/^(sr|fs|sampl\w*rate)$/i.test(name)) return () => 16000;
  const dimsOf = weightDims(graph);
  const rows = indexGraph(graph)
    .users(name)
    .filter(({ opType, inputs }) => opType === 'Gather' && inputs[1] === name)
    .map(({ inputs }) => dimsOf(inputs[0])?.[0] ?? 2);
  const token = rows.every((count) => count > 1) ? 1 : 0;
  const sought = soughtTokens(graph, name);
  const length = dims.at(-1) ?? 0;
  return (i) => sought[(i % length) - length + sought.length] ?? token;
}
