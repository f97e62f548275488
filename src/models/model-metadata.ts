/** What an exported model says about itself, to and from the file's `metadata_props`. */
import { GraftError, messageOf } from '../errors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskKinds } from '../tasks/task-of.js';
import type { PreprocessSpec } from './preprocess-spec.js';
import { parsePreprocess } from './read-preprocess.js';

export interface HeadMetadata {
  /** Names of the classes, labels or numbers that are predicted, in the order of the outputs. */
  readonly labels: readonly string[];
  readonly task: TaskKind;
}

export interface ModelMetadata extends HeadMetadata {
  readonly preprocess: PreprocessSpec;
  /** Tensor of the backbone that the head stands on, and its pooling. */
  readonly layer: string;
  readonly pool: string;
  readonly backboneSha256: string;
}

export function writeMetadata(metadata: ModelMetadata): Map<string, string> {
  return new Map([
    ...writeHeadMetadata(metadata),
    ['graft.preprocess', JSON.stringify(metadata.preprocess)],
    ['graft.layer', metadata.layer],
    ['graft.pool', metadata.pool],
    ['graft.backbone_sha256', metadata.backboneSha256],
  ]);
}

/** Of a file that holds a head alone. */
export function writeHeadMetadata({ labels, task }: HeadMetadata): Map<string, string> {
  return new Map([
    ['graft.labels', JSON.stringify(labels)],
    ['graft.task', task],
  ]);
}

/** @throws GraftError UNSUPPORTED_MODEL where the file was not exported by Graft, INVALID_MODEL where it is damaged. */
export function readMetadata(entries: ReadonlyMap<string, string>, where: string): ModelMetadata {
  const labels = entries.get('graft.labels');
  const preprocess = entries.get('graft.preprocess');
  if (labels !== undefined && preprocess === undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} is a head alone: it takes features, not images. Export it again with --backbone to get a model for images.`,
    );
  }
  if (labels === undefined || preprocess === undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${where} holds no labels and preprocessing in its metadata; name a file that graft export wrote.`,
    );
  }
  const parsed = parseJson(labels, 'graft.labels', where);
  if (!Array.isArray(parsed) || !parsed.every((label): label is string => typeof label === 'string')) {
    throw new GraftError('INVALID_MODEL', `Expected graft.labels of ${where} to be a list of names.`);
  }
  const task = (entries.get('graft.task') ?? 'single') as TaskKind;
  if (!taskKinds.includes(task)) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Expected graft.task of ${where} to be ${taskKinds.join(', ')} but it is ${JSON.stringify(task)}; it may come from a newer version.`,
    );
  }
  return {
    labels: parsed,
    task,
    preprocess: parsePreprocess(
      parseJson(preprocess, 'graft.preprocess', where),
      `graft.preprocess of ${where}`,
    ),
    layer: entries.get('graft.layer') ?? '',
    pool: entries.get('graft.pool') ?? '',
    backboneSha256: entries.get('graft.backbone_sha256') ?? '',
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
