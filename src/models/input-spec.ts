/** What a model takes of an example's bytes, as plain data: pixels of an image, or tokens of a text. */
import type { TokenMask } from '../graph/pool-tokens.js';
import { showsFilling } from '../graph/shows-filling.js';
import { listTokenInputs, takenTokenInputs, type TokenInputs } from '../graph/token-inputs.js';
import type { Graph } from '../onnx/ir.js';
import type { PreprocessSpec } from './preprocess-spec.js';
import { pixelShape } from './pixel-shape.js';
import type { TokenSpec } from './token-spec.js';

export type { TokenizerFiles, TokenSpec } from './token-spec.js';

export type InputSpec = PixelSpec | TokenSpec;

export interface PixelSpec {
  readonly kind: 'pixels';
  /** The model's input. */
  readonly name: string;
  readonly preprocess: PreprocessSpec;
  /** The model takes one image a run. */
  readonly isSingle?: boolean;
}

/** Tokens of a text in a trial run, where the length is free: few, and not the size of anything else. */
const trialLength = 7;

/** Without inputs that the graph does not take. */
export function restrictInput(input: InputSpec, graph: Graph): InputSpec {
  return input.kind === 'pixels' ? input : { ...input, inputs: takenTokenInputs(input.inputs, graph) };
}

/** Whether a run takes one example: several would change each other's numbers, or the model takes no more. */
export function takesOne(input: InputSpec): boolean {
  return (input.kind === 'pixels' ? input : input.inputs).isSingle === true;
}

/** The input with the word that a run takes one example. */
export function takingOne(input: InputSpec): InputSpec {
  return input.kind === 'pixels'
    ? { ...input, isSingle: true }
    : { ...input, inputs: { ...input.inputs, isSingle: true } };
}

/** The input with the word that a run takes texts of one length, where in this graph they show that they were filled up. */
export function withSameLengths(input: InputSpec, graph: Graph): InputSpec {
  if (input.kind === 'pixels') return input;
  const { mask, fixedLength } = input.inputs;
  if (!mask || fixedLength !== undefined || !showsFilling(graph, mask.name)) return input;
  return { ...input, inputs: { ...input.inputs, isOfOneLength: true } };
}

/** Of a text model: what tells in its graph which tokens of an example of `exampleDims` are real. */
export function tokenMask(input: InputSpec): TokenMask | undefined {
  if (input.kind === 'pixels') return undefined;
  const { ids, mask, fixedLength } = input.inputs;
  const length = exampleDims(input).get(ids.name)![1]!;
  return { length, isFixed: fixedLength !== undefined, ids, mask, padId: input.padId };
}

/** Shapes of the inputs for one example. */
export function exampleDims(input: InputSpec): Map<string, readonly number[]> {
  if (input.kind === 'pixels') {
    const { channels, height, width } = pixelShape(input.preprocess);
    const isPlanar = input.preprocess.layout === 'nchw';
    const dims = isPlanar ? [1, channels, height, width] : [1, height, width, channels];
    return new Map([[input.name, dims]]);
  }
  return tokenDims(input.inputs, input.maxLength);
}

/** @param maxLength - most tokens that the model can take */
export function tokenDims(inputs: TokenInputs, maxLength = trialLength): Map<string, readonly number[]> {
  const length = inputs.fixedLength ?? Math.min(trialLength, maxLength);
  return new Map(listTokenInputs(inputs).map(({ name }) => [name, [1, length]]));
}
