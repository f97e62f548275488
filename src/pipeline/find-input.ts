/** What a backbone takes: pixels of an image, or tokens of a text; with how they are made. */
import { descendants, traceData } from '../graph/data-flow.js';
import { foreignNodes } from '../graph/foreign-nodes.js';
import { findTokenInputs } from '../graph/find-token-inputs.js';
import type { Shapes } from '../graph/value-layout.js';
import { GraftError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { InputSpec } from '../models/input-spec.js';
import type { Graph, Model, ValueInfo } from '../onnx/ir.js';
import type { ProbeOptions } from '../runtime/probe-shapes.js';
import { formatShape } from '../tensor/shape.js';
import { findPixelInput, imageInputs } from './find-pixel-input.js';

export interface InputOptions {
  /** File with the preprocessing spec of images. */
  readonly preprocess?: string | undefined;
  /** `tokenizer.json` of a text model. */
  readonly tokenizer?: string | undefined;
  /** Most tokens of a text. */
  readonly maxLength?: number | undefined;
  /** Examples are pairs of texts, which the data set tells. */
  readonly takesPairs?: true | undefined;
}

export interface FoundInput {
  /** The model, changed to take what is fed. */
  readonly model: Model;
  /** How it runs on one example. */
  readonly probe: ProbeOptions;
  readonly what: 'image' | 'text';
  /** The inputs that an example fills. */
  readonly names: readonly string[];
  /** @param shapes - from a run on one example */
  describe(shapes: Shapes): InputSpec;
}

/** @throws GraftError UNSUPPORTED_MODEL where it is neither, USAGE for an option that is about the other one. */
export async function findInput(
  model: Model,
  file: string,
  options: InputOptions,
  logger: Logger,
): Promise<FoundInput> {
  const { graph } = model;
  const images = imageInputs(graph);
  if (images.length === 1) {
    refuse(options, ['tokenizer', 'maxLength'], `${file} takes images`);
    return findPixelInput(model, images[0]!, file, options.preprocess, logger);
  }
  const tokens = images.length === 0 ? findTokenInputs(graph) : undefined;
  if (tokens) {
    refuse(options, ['preprocess'], `${file} takes texts`);
    // The tokenizers are loaded for texts only.
    const { findTokenInput } = await import('./find-token-input.js');
    return findTokenInput(model, tokens, file, options, logger);
  }
  const several = explainSeveralImages(graph, file);
  if (several !== undefined) throw new GraftError('UNSUPPORTED_MODEL', several);
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Expected ${file} to have one image input of 4 axes, or inputs of token ids, but it has ${describeInputs(graph.inputs)}. ` +
      'Features that are computed elsewhere (rows of numbers, sounds, videos) are trained on with --features FILE.safetensors.',
  );
}

/** Why a model of several images has no features without a layer that is named; undefined for others. */
export function explainSeveralImages(graph: Graph, file: string): string | undefined {
  const images = imageInputs(graph);
  if (images.length < 2) return undefined;
  const alone = images.flatMap(({ name }) => {
    const foreign = foreignNodes(graph, [name]);
    const own = descendants(traceData(graph, [name], foreign), [name]);
    const joined = [...foreign]
      .flatMap(({ inputs }) => inputs)
      .findLast((value) => value !== name && own.has(value));
    return joined === undefined ? [] : [`"${joined}" of "${name}"`];
  });
  return (
    `${file} takes several images (${describeInputs(images)}), and an example of a data set is one; ` +
    (alone.length > 0
      ? `name a layer with --layer that is made of one of them alone, as ${alone.join(' or ')}.`
      : 'no layer is made of one of them alone. Write the others into the file as constants, if they are always the same.')
  );
}

export function describeInputs(inputs: readonly ValueInfo[]): string {
  if (inputs.length === 0) return 'no input';
  return inputs
    .map(({ name, type }) => {
      const what =
        type?.kind !== 'tensor'
          ? (type?.kind ?? 'of unknown type')
          : `${type.dtype} ${type.shape ? formatShape(type.shape) : 'of unknown shape'}`;
      return `${name}: ${what}`;
    })
    .join('; ');
}

function refuse(options: InputOptions, names: readonly (keyof InputOptions)[], reason: string): void {
  const given = names.find((name) => options[name] !== undefined);
  if (given === undefined) return;
  const flag = given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new GraftError('USAGE', `--${flag} does not go with this backbone: ${reason}.`);
}
