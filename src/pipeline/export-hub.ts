/** The files of `graft export --format huggingface` beside the model, from a run. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Verification } from '../export/compare-on-providers.js';
import { hubConfig, hubPrecisions } from '../export/hub-config.js';
import { hubTokenizer, hubTokenizerConfig } from '../export/hub-tokenizer.js';
import { modelCard } from '../export/model-card.js';
import { bearsFilling } from '../graph/token-inputs.js';
import { encodeHead } from '../heads/head-file.js';
import { type Logger, silentLogger } from '../logger.js';
import { plainImageProcessor, toImageProcessor } from '../models/image-processor.js';
import { takesOne } from '../models/input-spec.js';
import type { ModelPrecision } from '../models/model-precision.js';
import { packageVersion } from '../version.js';
import { kindTaken } from './assert-same-kind.js';
import type { RunEvaluation } from './evaluate-run.js';
import type { HubFiles } from './hub-folder.js';
import type { MergedRun } from './merge-run.js';
import type { Backbone } from './prepare-backbone.js';
import { isFeatureRun, type RunFolder, runFiles } from './run-folder.js';

export interface HubExport extends Omit<MergedRun, 'merged'> {
  /** Base name of the folder. */
  readonly name: string;
  readonly run: RunFolder;
  readonly backbone: Backbone;
  readonly precision: ModelPrecision;
}

/** The same for every export of the run with this backbone, whatever its precision. */
export async function fingerprint(run: RunFolder, backbone: Backbone, pixels: boolean): Promise<string> {
  const hash = createHash('sha256');
  const { sha256, layer, pool, input } = backbone;
  hash.update(JSON.stringify([sha256, layer, pool, input, pixels]));
  hash.update(encodeHead(run.head));
  if (run.weights) hash.update(await readFile(path.join(run.folder, runFiles.weights)));
  return hash.digest('hex');
}

/** What the libraries make of a model other than Graft does. */
export function hubNotes({ run: { head }, input, pixels }: HubExport): string[] {
  const notes: string[] = [];
  if (head.task === 'regression' || (head.task === 'multi' && input.kind === 'pixels'))
    notes.push(
      'The pipeline of transformers.js takes a softmax of these outputs, which is not what they mean: call the model itself there.',
    );
  if (takesOne(input)) notes.push('The model takes one example a run: give the libraries one at a time.');
  if (input.kind === 'tokens' && !bearsFilling(input.inputs) && !takesOne(input))
    notes.push(
      `The model ${input.inputs.mask ? 'rounds its attention mask' : 'has no attention mask'}: texts of different lengths in one batch change each other, so give the libraries one at a time.`,
    );
  if (pixels !== undefined)
    notes.push('Images of different sizes do not go into one batch: give the libraries one at a time.');
  if (input.kind === 'pixels') {
    const { background, profiles, resize } = input.preprocess;
    if (background !== undefined && background !== 'none')
      notes.push(
        'The libraries show the colour stored under transparent pixels, not the background that the model was trained with.',
      );
    if (profiles === 'convert')
      notes.push('The libraries pass over colour profiles, which the model was trained to convert.');
    if (resize && pixels === undefined)
      notes.push(
        'transformers.js resizes images in another way than the model was trained with, so that its answers may differ; exported with `--pixels`, the model resizes them itself.',
      );
    if (resize?.fit === 'cover' && pixels === undefined)
      notes.push(
        'Of images that are not square the libraries round the longer side down, so that they may be resized by a pixel less.',
      );
  }
  return notes;
}

/** Of a model that takes images. @throws GraftError INVALID_PREPROCESS for what such a file cannot say */
export function imageProcessorOf({ input, pixels }: HubExport): object | undefined {
  if (input.kind !== 'pixels') return undefined;
  return pixels === undefined ? toImageProcessor(input.preprocess) : plainImageProcessor;
}

/** @param models - names of the files in `onnx/` */
export function describeHub(
  exported: HubExport,
  {
    models,
    origin,
    verified,
    evaluated,
  }: {
    models: readonly string[];
    origin: string;
    verified: Verification;
    evaluated: RunEvaluation | undefined;
  },
): HubFiles {
  const { name, run, input } = exported;
  const { classes: labels, task } = run.head;
  const isPixels = input.kind === 'pixels';
  const kind = isPixels ? 'pixels' : input.inputs.types ? 'sentences' : 'tokens';
  const graft = { version: packageVersion(), run: origin };
  return {
    config: json(hubConfig({ kind, labels, task, files: models, graft })),
    ...(isPixels
      ? { preprocessor: json(imageProcessorOf(exported)!) }
      : { tokenizer: hubTokenizer(input.tokenizer.json), tokenizerConfig: json(hubTokenizerConfig(input)) }),
    card: modelCard({
      name,
      kind: kindTaken(input),
      task,
      labels,
      measured: evaluated,
      facts: factsOf(exported, verified, evaluated),
      baseModel: hubId(exported.backbone),
      file: Object.values(hubPrecisions).find(({ file }) => models.includes(file))!.file,
      notes: hubNotes(exported),
    }),
  };
}

/** Nothing that tells of the machine: of files their names alone. */
function factsOf(
  { run: { config, head }, backbone, precision }: HubExport,
  { maxAbsDiff, examples, providers }: Verification,
  evaluated: RunEvaluation | undefined,
): [string, string][] {
  const trained = evaluated?.trainCounts.reduce((sum, count) => sum + count, 0) ?? 0;
  const data = isFeatureRun(config) ? config.features : config.data;
  const isExamples = head.task === 'single' || head.task === 'ordered';
  return [
    ['backbone', `${hubId(backbone) ?? path.basename(backbone.path)}, sha256 ${backbone.sha256}`],
    ['feature layer', `${backbone.layer}, pooling ${backbone.pool}, ${backbone.dim} features`],
    ['head', head.spec.kind],
    ['data', `${path.basename(data)}${isExamples && trained > 0 ? `, ${trained} training examples` : ''}`],
    ['precision', precision],
    [
      'verified',
      `differs from backbone and head by at most ${maxAbsDiff.toExponential(1)} over ${examples} examples on ${providers.map((provider) => provider.name).join(', ')}`,
    ],
    ['made with', `onnx-graft ${config.version}`],
  ];
}

/** `owner/repo` of a backbone that `hf:owner/repo` fetched. */
function hubId({ path: file }: Backbone): string | undefined {
  const [, owner, repo] = /[\\/]hf[\\/]([\w.-]+?)--([\w.-]+)[\\/][0-9a-f]{16}[\\/]/.exec(file) ?? [];
  return owner === undefined ? undefined : `${owner}/${repo}`;
}

/** `evaluation.json`, where the run has one and it holds what a card tells. */
export async function readEvaluation(
  folder: string,
  logger: Logger = silentLogger,
): Promise<RunEvaluation | undefined> {
  const file = path.join(folder, runFiles.evaluation);
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const { part, trainCounts, evaluation } = JSON.parse(text) as RunEvaluation;
    const isWhole =
      (part === 'train' || part === 'validation') &&
      trainCounts.every((count) => typeof count === 'number') &&
      typeof evaluation.examples === 'number';
    if (isWhole) return JSON.parse(text) as RunEvaluation;
  } catch {
    // Said below.
  }
  logger.warn(`${file} is damaged, so the model card tells no figures.`);
  return undefined;
}

const json = (content: object): string => `${JSON.stringify(content, null, 2)}\n`;
