/**
 * A run folder: what was done (`config.json`), how it went (`metrics.jsonl`, `result.json`), what was learned
 * (`head.safetensors`), how good it is (`evaluation.json`), and the exported model.
 */
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, systemErrorCode, unreadable, unwritable } from '../errors.js';
import type { Pool } from '../graph/pool-features.js';
import type { TrainedHead } from '../heads/head.js';
import { decodeHead, encodeHead } from '../heads/head-file.js';
import type { TokenIdentity } from '../models/identify-input.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { parsePreprocess } from '../models/read-preprocess.js';
import type { Located } from '../sources/source.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { Tensor } from '../tensor/tensor.js';
import { showJson } from '../shorten-text.js';
import { makeMissing, removeEmpty, stageFile, writeDurably } from '../write-durably.js';
import type { RunEvaluation } from './evaluate-run.js';
import type { InputOptions } from './find-input.js';
import type { RunEnvironment } from './run-environment.js';

/** What every run's configuration holds. */
interface CommonConfig {
  readonly version: string;
  /** Names of the classes, labels or numbers, in the order of the scores. */
  readonly classes: readonly string[];
  /** The training options as they were used. */
  readonly training: Readonly<Record<string, unknown>>;
  /** Where it was made. */
  readonly environment?: RunEnvironment;
}

/** A head on features that were made elsewhere: what they were made with is not known here. */
export interface FeatureRunConfig extends CommonConfig {
  /** The file they came from, absolute. */
  readonly features: string;
  readonly dim: number;
  /** They are of pairs of texts. */
  readonly takesPairs?: true;
}

/** A head on a backbone. */
export interface RunConfig extends CommonConfig {
  readonly backbone: string;
  readonly backboneSha256: string;
  readonly layer: string;
  readonly pool: Pool;
  /** Of a run on images. */
  readonly preprocess?: PreprocessSpec | undefined;
  /** Of a run on texts; the tokenizer's own files lie beside this one. */
  readonly tokens?: TokenIdentity | undefined;
  readonly data: string;
  /** Examples for `graft verify`, from the validation part where there is one: absolute paths, texts, or where they lie in archives. */
  readonly verifyImages: readonly (string | Located)[];
  /** Training examples in the same form, for `graft export --precision int8`; runs of earlier versions have none. */
  readonly calibrationExamples?: readonly (string | Located)[];
}

export function isFeatureRun(config: RunConfig | FeatureRunConfig): config is FeatureRunConfig {
  return 'features' in config;
}

export interface RunFolder {
  readonly folder: string;
  readonly config: RunConfig | FeatureRunConfig;
  readonly head: TrainedHead;
  /** New values of backbone weights, by name; undefined where the backbone stayed as it was. */
  readonly weights?: ReadonlyMap<string, Tensor>;
}

export const runFiles = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  result: 'result.json',
  evaluation: 'evaluation.json',
  labelErrors: 'label-errors.csv',
  report: 'report.html',
  head: 'head.safetensors',
  weights: 'backbone-weights.safetensors',
  model: 'model.onnx',
  search: 'tune.json',
  learningCurve: 'learning-curve.svg',
  rateTest: 'lr-find.svg',
  tokenizer: 'tokenizer.json',
  tokenizerConfig: 'tokenizer_config.json',
} as const;

/** How the examples of a run become its backbone's input, as options of `prepareBackbone`. */
export function inputOfRun({ tokens }: RunConfig, folder: string): InputOptions {
  if (!tokens) return { preprocess: path.join(folder, runFiles.config) };
  const { maxLength, takesPairs } = tokens;
  return { tokenizer: path.join(folder, runFiles.tokenizer), maxLength, takesPairs };
}

/**
 * Sees that the folder can be made and written, before any long work begins. Nothing of the trial stays: a run that is
 * refused leaves no folder behind.
 * @throws GraftError FILE_UNWRITABLE.
 */
export async function assertWritableFolder(folder: string): Promise<void> {
  const absolute = path.resolve(folder);
  let made: string | undefined;
  try {
    made = makeMissing(absolute);
    await (await stageFile(path.join(absolute, runFiles.config))).discard();
  } catch (error) {
    throw unwritable(folder, error);
  } finally {
    if (made !== undefined) await removeEmpty(absolute, made);
  }
}

/** The head is written last: a folder that has one is complete. */
export async function writeRunFolder(
  folder: string,
  {
    config,
    history,
    result,
    evaluation,
    labelErrors,
    head,
    weights,
    tokenizer,
  }: {
    config: RunConfig | FeatureRunConfig;
    history: readonly object[];
    result: object;
    evaluation: RunEvaluation;
    /** A table of them. */
    labelErrors?: string | undefined;
    head: TrainedHead;
    weights?: ReadonlyMap<string, Tensor>;
    tokenizer?: TokenizerFiles | undefined;
  },
): Promise<void> {
  const write = (name: string, content: string | Uint8Array) =>
    writeDurably(path.join(folder, name), content);
  // An older run's head must never stand beside this one's files.
  await rm(path.join(folder, runFiles.head), { force: true });
  await write(runFiles.config, `${JSON.stringify(config, null, 2)}\n`);
  await write(runFiles.metrics, history.map((record) => `${JSON.stringify(record)}\n`).join(''));
  await write(runFiles.result, `${JSON.stringify(result, null, 2)}\n`);
  await write(runFiles.evaluation, `${JSON.stringify(evaluation)}\n`);
  const writeOrRemove = (name: string, content: string | Uint8Array | undefined) =>
    content === undefined ? rm(path.join(folder, name), { force: true }) : write(name, content);
  await writeOrRemove(runFiles.labelErrors, labelErrors);
  await writeOrRemove(runFiles.weights, weights && encodeSafetensors(weights));
  await writeOrRemove(runFiles.tokenizer, tokenizer?.json);
  await writeOrRemove(runFiles.tokenizerConfig, tokenizer?.config);
  await write(runFiles.head, encodeHead(head));
}

/** @throws GraftError FILE_NOT_FOUND where the folder is no run, or its run did not finish; FILE_UNREADABLE, also for what is damaged */
export async function readRunFolder(folder: string): Promise<RunFolder> {
  const configFile = path.join(folder, runFiles.config);
  const headFile = path.join(folder, runFiles.head);
  const read = async (file: string): Promise<Buffer> => {
    try {
      return await readFile(file);
    } catch (error) {
      const isThere = !['ENOENT', 'ENOTDIR'].includes(systemErrorCode(error) ?? '');
      if (isThere) throw unreadable(file, error);
      throw new GraftError(
        'FILE_NOT_FOUND',
        `${folder} is not a finished run: expected ${runFiles.config} and ${runFiles.head} in it, as graft train writes them.`,
        { cause: error },
      );
    }
  };
  const text = (await read(configFile)).toString('utf8');
  const head = await read(headFile);
  let config: RunConfig | FeatureRunConfig;
  try {
    config = JSON.parse(text) as RunConfig | FeatureRunConfig;
    assertConfig(config);
    if (!isFeatureRun(config) && !config.tokens) parsePreprocess(config.preprocess, configFile);
  } catch (error) {
    throw new GraftError(
      'FILE_UNREADABLE',
      `${configFile} is damaged: ${messageOf(error).replace(/\.$/, '')}.`,
      {
        cause: error,
      },
    );
  }
  const weights = await readWeights(path.join(folder, runFiles.weights));
  return { folder, config, head: decodeHead(head, headFile), ...(weights && { weights }) };
}

/** @throws Error naming what is not as runs have it */
function assertConfig(config: unknown): void {
  const fields = (typeof config === 'object' ? (config ?? {}) : {}) as Readonly<Record<string, unknown>>;
  const expect = (name: string, what: string, isSo: (value: unknown) => boolean): void => {
    const value = fields[name];
    if (!isSo(value))
      throw new Error(
        `${name} should be ${what} but is ${value === undefined ? 'missing' : showJson(value, 200)}`,
      );
  };
  const isText = (value: unknown): boolean => typeof value === 'string';
  expect('classes', 'a list of texts', (value) => Array.isArray(value) && value.every(isText));
  expect('training', 'an object', (value) => typeof value === 'object' && value !== null);
  const ofFeatures = 'features' in fields;
  for (const name of ofFeatures ? ['features'] : ['backbone', 'layer', 'pool', 'data'])
    expect(name, 'a text', isText);
  if (!ofFeatures) expect('verifyImages', 'a list', Array.isArray);
}

async function readWeights(file: string): Promise<ReadonlyMap<string, Tensor> | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw unreadable(file, error);
  }
  return decodeSafetensors(bytes, file).tensors;
}
