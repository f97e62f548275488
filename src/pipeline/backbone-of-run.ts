/** The backbone that a run was trained on, as it was then. */
import { GraftError } from '../errors.js';
import { trainableForm } from '../graph/trainable-form.js';
import { replaceInitializers } from '../graph/replace-initializers.js';
import { backbonesFolder } from './cache-folder.js';
import type { Hooks } from './cache-features.js';
import { type Backbone, type BackboneOptions, prepareBackbone } from './prepare-backbone.js';
import { inputOfRun, isFeatureRun, type RunFolder } from './run-folder.js';

/** Of a run on features. */
type GivenBackbone = Omit<BackboneOptions, 'backbone'> & { readonly backbone?: string | undefined };

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
    const named = { backbone: file, layer, pool, preprocess, tokenizer, maxLength };
    const backbone = await prepareBackbone(named, context);
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
