/** The backbone that a run was trained on, as it was then. */
import { GraftError } from '../errors.js';
import { trainableForm } from '../graph/trainable-form.js';
import { replaceInitializers } from '../graph/replace-initializers.js';
import { backbonesFolder } from './cache-folder.js';
import type { Hooks } from './cache-features.js';
import { type Backbone, type BackboneOptions, prepareBackbone } from './prepare-backbone.js';
import { inputOfRun, isFeatureRun, type RunFolder } from './run-folder.js';

/** How the backbone of a run is named that was trained on features made elsewhere. */
export interface GivenBackbone extends Omit<BackboneOptions, 'backbone'> {
  /** The one that makes the features; default: the head stays alone. */
  readonly backbone?: string | undefined;
}

/** @throws GraftError USAGE for what would not be looked at: another run has its backbone, and without one there is no layer. */
export function assertGoesWith({ config, folder }: RunFolder, given: GivenBackbone): void {
  const { backbone, layer, pool, preprocess, tokenizer, maxLength } = given;
  const ofOne = { layer, pool, preprocess, tokenizer, 'max-length': maxLength };
  const stray = (names: object): string | undefined =>
    Object.entries(names).find(([, value]) => value !== undefined)?.[0];
  if (!isFeatureRun(config)) {
    const flag = stray({ backbone, ...ofOne });
    if (flag === undefined) return;
    throw new GraftError(
      'USAGE',
      `${folder} was trained on the backbone ${config.backbone}, layer ${config.layer}, which is merged as it was then; leave --${flag} out.`,
    );
  }
  const flag = backbone === undefined ? stray(ofOne) : undefined;
  if (flag === undefined) return;
  throw new GraftError(
    'USAGE',
    `--${flag} is about the backbone that made the features of ${folder}: name it with --backbone, or leave --${flag} out.`,
  );
}

/**
 * With the weights that the run gave it. Undefined for a head alone.
 * @param given - for a run on features that were made elsewhere: the backbone that makes them
 * @throws GraftError INVALID_MODEL where the file has changed, INVALID_ARGUMENT where the backbone does not fit the head
 */
export async function backboneOfRun(
  { config, folder, weights, head }: RunFolder,
  given: GivenBackbone,
  { logger }: Hooks,
): Promise<Backbone | undefined> {
  const context = { folder: backbonesFolder(), ...(logger && { logger }) };
  if (isFeatureRun(config)) {
    if (given.backbone === undefined) return undefined;
    const { backbone: file, layer, pool, preprocess, tokenizer, maxLength } = given;
    const { takesPairs } = config;
    const named = { backbone: file, layer, pool, preprocess, tokenizer, maxLength, takesPairs };
    const backbone = await prepareBackbone(named, context);
    if (takesPairs && backbone.input.kind !== 'tokens') {
      throw new GraftError(
        'INVALID_ARGUMENT',
        `${file} takes images, but the features of ${folder} are of pairs of texts; name the --backbone that made them.`,
      );
    }
    if (backbone.dim === head.dim) return backbone;
    throw new GraftError(
      'INVALID_ARGUMENT',
      `The layer ${backbone.layer} of ${file} gives ${backbone.dim} features, but the head of ${folder} takes ${head.dim}; ` +
        'name the --layer (and --pool) that the features were made with.',
    );
  }
  const backbone = await prepareBackbone(
    { backbone: config.backbone, layer: config.layer, pool: config.pool, ...inputOfRun(config, folder) },
    context,
  );
  if (backbone.sha256 !== config.backboneSha256) {
    throw new GraftError(
      'INVALID_MODEL',
      `The backbone ${config.backbone} has changed since ${folder} was trained on it; put the old file back or train again.`,
    );
  }
  if (!weights) return backbone;
  return { ...backbone, features: replaceInitializers(trainableForm(backbone.features), weights) };
}
