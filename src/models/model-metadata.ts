/** What an exported model says about itself, to and from the file's `metadata_props`. */
import { GraftError, messageOf } from '../errors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskKinds } from '../tasks/task-of.js';
import { findTokenInputs } from '../graph/find-token-inputs.js';
import { mixesExamples } from '../graph/mixes-examples.js';
import type { Model } from '../onnx/ir.js';
import { type InputSpec, takingOne, withSameLengths } from './input-spec.js';
import { type ModelPrecision, modelPrecisions } from './model-precision.js';
import { parsePreprocess } from './read-preprocess.js';

export interface HeadMetadata {
  /** Names of the classes, labels or numbers that are predicted, in the order of the outputs. */
  readonly labels: readonly string[];
  readonly task: TaskKind;
}

export interface ModelMetadata extends HeadMetadata {
  readonly input: InputSpec;
  /** Tensor of the backbone that the head stands on, and its pooling. */
  readonly layer: string;
  readonly pool: string;
  readonly backboneSha256: string;
  readonly precision?: ModelPrecision;
  /** Where the file prepares pixels itself: its value that the backbone takes. */
  readonly prepared?: string | undefined;
}

export function writeMetadata(metadata: ModelMetadata): Map<string, string> {
  return new Map([
    ...writeHeadMetadata(metadata),
    ...writeInput(metadata.input),
    ['graft.layer', metadata.layer],
    ['graft.pool', metadata.pool],
    ['graft.backbone_sha256', metadata.backboneSha256],
    ...(metadata.precision === undefined || metadata.precision === 'float32'
      ? []
      : [['graft.precision', metadata.precision] as const]),
    ...(metadata.prepared === undefined ? [] : [['graft.pixels', metadata.prepared] as const]),
  ]);
}

/** A tokenizer goes whole into the file, so that the file alone is enough to predict. */
function writeInput(input: InputSpec): [string, string][] {
  if (input.kind === 'pixels') return [['graft.preprocess', JSON.stringify(input.preprocess)]];
  const { tokenizer, maxLength, padId, takesPairs } = input;
  return [
    ['graft.tokenizer', tokenizer.json],
    ...(tokenizer.config === undefined
      ? []
      : [['graft.tokenizer_config', tokenizer.config] as [string, string]]),
    ['graft.max_length', String(maxLength)],
    ...(padId === undefined ? [] : [['graft.pad_id', String(padId)] as [string, string]]),
    ...(takesPairs ? [['graft.texts', '2'] as [string, string]] : []),
  ];
}

/** Of a file that holds a head alone. */
export function writeHeadMetadata({ labels, task }: HeadMetadata): Map<string, string> {
  return new Map([
    ['graft.labels', JSON.stringify(labels)],
    ['graft.task', task],
  ]);
}

/** @throws GraftError UNSUPPORTED_MODEL where the file was not exported by Graft, INVALID_MODEL where it is damaged. */
export function readMetadata(model: Model, where: string): ModelMetadata {
  const entries = model.metadata;
  const isLabelled = entries.has('graft.labels');
  const found = readInput(model, where);
  const input = found && (mixesExamples(model) ? takingOne(found) : withSameLengths(found, model.graph));
  if (isLabelled && input === undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} is a head alone: it takes features (--features FILE), not images or texts. ` +
        'Export it again with --backbone to get a model for these.',
    );
  }
  if (!isLabelled || input === undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} holds no labels, and no preprocessing or tokenizer, in its metadata; name a file that graft export wrote.`,
    );
  }
  return {
    ...readLabels(entries, where),
    input,
    layer: entries.get('graft.layer') ?? '',
    pool: entries.get('graft.pool') ?? '',
    backboneSha256: entries.get('graft.backbone_sha256') ?? '',
    precision: readPrecision(model, where),
  };
}

/** Of a file that holds a head alone. @throws GraftError as `readMetadata`, and where it takes images or texts. */
export function readHeadMetadata(model: Model, where: string): HeadMetadata {
  const entries = model.metadata;
  if (!entries.has('graft.labels')) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} holds no labels in its metadata; name a file that graft export wrote.`,
    );
  }
  const input = readInput(model, where);
  if (input) {
    const taken = input.kind === 'tokens' ? 'texts' : 'images';
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} takes ${taken}, not features: give it ${taken} in place of --features. A head alone is what graft export ` +
        'writes, without --backbone, of a run on features.',
    );
  }
  return readLabels(entries, where);
}

/**
 * In a file that prepares pixels itself, the value that holds the prepared ones.
 * @throws GraftError INVALID_MODEL where no node computes it
 */
export function preparedValue({ metadata, graph }: Model, where: string): string | undefined {
  const name = metadata.get('graft.pixels');
  if (name === undefined || graph.nodes.some(({ outputs }) => outputs.includes(name))) return name;
  throw new GraftError(
    'INVALID_MODEL',
    `Expected a value ${JSON.stringify(name)} in ${where}, as its graft.pixels says; export it again.`,
  );
}

/** Of any model. @throws GraftError UNSUPPORTED_MODEL for one that this version does not know. */
export function readPrecision({ metadata }: Model, where: string): ModelPrecision {
  const named = (metadata.get('graft.precision') ?? 'float32') as ModelPrecision;
  if (modelPrecisions.includes(named)) return named;
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `Expected graft.precision of ${where} to be ${modelPrecisions.join(', ')} but it is ${JSON.stringify(named)}; it may come from a newer version.`,
  );
}

function readLabels(entries: ReadonlyMap<string, string>, where: string): HeadMetadata {
  const labels = parseJson(entries.get('graft.labels')!, 'graft.labels', where);
  if (!Array.isArray(labels) || !labels.every((label): label is string => typeof label === 'string')) {
    throw new GraftError('INVALID_MODEL', `Expected graft.labels of ${where} to be a list of names.`);
  }
  if (labels.length === 0 || new Set(labels).size < labels.length) {
    const twice = labels.find((label, i) => labels.indexOf(label) < i);
    throw new GraftError(
      'INVALID_MODEL',
      `Expected graft.labels of ${where} to be names of their own but ${twice === undefined ? 'there are none' : `${JSON.stringify(twice)} is there twice`}; export it again.`,
    );
  }
  const task = (entries.get('graft.task') ?? 'single') as TaskKind;
  if (!taskKinds.includes(task)) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Expected graft.task of ${where} to be ${taskKinds.join(', ')} but it is ${JSON.stringify(task)}; it may come from a newer version.`,
    );
  }
  return { labels, task };
}

function readInput({ metadata, graph }: Model, where: string): InputSpec | undefined {
  const preprocess = metadata.get('graft.preprocess');
  const inputs = graph.inputs.filter(({ name }) => !graph.initializers.has(name));
  if (preprocess !== undefined) {
    const parsed = parseJson(preprocess, 'graft.preprocess', where);
    const [input] = inputs;
    // Graft frees the batch where it can.
    const isSingle = input?.type?.kind === 'tensor' && input.type.shape?.[0] === 1;
    return {
      kind: 'pixels',
      name: input?.name ?? '',
      preprocess: parsePreprocess(parsed, `graft.preprocess of ${where}`),
      ...(isSingle && { isSingle }),
    };
  }
  const json = metadata.get('graft.tokenizer');
  if (json === undefined) return undefined;
  const tokens = findTokenInputs(graph);
  const maxLength = Number(metadata.get('graft.max_length'));
  if (!tokens || !(Number.isSafeInteger(maxLength) && maxLength > 0)) {
    throw new GraftError(
      'INVALID_MODEL',
      `Expected inputs of token ids and a graft.max_length in ${where}, which has a tokenizer; export it again.`,
    );
  }
  const texts = metadata.get('graft.texts') ?? '1';
  if (texts !== '1' && texts !== '2') {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Expected graft.texts of ${where}, the texts of an example, to be 1 or 2 but it is ${JSON.stringify(texts)}; it may come from a newer version.`,
    );
  }
  const padId = Number(metadata.get('graft.pad_id') ?? Number.NaN);
  return {
    kind: 'tokens',
    tokenizer: { json, config: metadata.get('graft.tokenizer_config') },
    maxLength,
    ...(Number.isSafeInteger(padId) && { padId }),
    inputs: tokens,
    ...(texts === '2' && { takesPairs: true }),
  };
}

function parseJson(text: string, key: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new GraftError(
      'INVALID_MODEL',
      `The metadata ${key} of ${where} is not JSON: ${messageOf(error)}.`,
    );
  }
}
