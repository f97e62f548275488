/** What a run folder keeps of where its features come from. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { identifyInput } from '../models/identify-input.js';
import type { TokenizerFiles } from '../models/token-spec.js';
import type { FeatureTrainOptions, RunConfigSource, TrainOptions } from './training-run.js';

/** Kept beside the head, so that the run outlives the files of its backbone. */
export function tokenizerOf(source: RunConfigSource): TokenizerFiles | undefined {
  const input = 'features' in source ? undefined : source.cached.backbone.input;
  return input?.kind === 'tokens' ? input.tokenizer : undefined;
}

/** The part of the configuration that tells where the features come from. */
export function sourceConfig(source: RunConfigSource) {
  if ('features' in source) {
    const { features, dim, takesPairs } = source;
    return { features, dim, ...(takesPairs && { takesPairs }) };
  }
  const { backbone, dataset } = source.cached;
  const placesOf = (rows: readonly number[]) =>
    rows.map((row) => {
      const { path: file, source: place } = dataset.examples.at(row);
      return place ? { path: file, source: place } : file;
    });
  return {
    backbone: backbone.path,
    backboneSha256: backbone.sha256,
    layer: backbone.layer,
    pool: backbone.pool,
    ...identifyInput(backbone.input),
    data: dataset.root,
    verifyImages: placesOf(source.held),
    calibrationExamples: placesOf(source.typical),
  };
}

/** Options that hold in another working directory too, and without the password that an address may hold. */
export function toGoOnWith(options: TrainOptions | FeatureTrainOptions): Readonly<Record<string, unknown>> {
  const { mlflow, ...rest } = options;
  const { preprocess, tokenizer, cache, augment, tensorboard, imageRoot } = rest as Partial<TrainOptions>;
  // Names of operations are no file, and of a folder the run's own may be meant.
  const isFile = augment !== undefined && /\.json$/i.test(augment);
  const isOwn = tensorboard === '' || tensorboard === 'true';
  const paths = {
    ...{ preprocess, tokenizer, cache, imageRoot },
    ...(isFile && { augment }),
    ...(!isOwn && { tensorboard }),
  };
  return {
    ...rest,
    ...Object.fromEntries(
      Object.entries(paths).flatMap(([name, file]) =>
        file === undefined ? [] : [[name, path.resolve(file)]],
      ),
    ),
    ...('data' in options && { data: path.resolve(options.data) }),
    ...('features' in options && { features: path.resolve(options.features) }),
    ...('backbone' in options &&
      existsSync(options.backbone) && { backbone: path.resolve(options.backbone) }),
    ...(mlflow !== undefined && !mlflow.includes('@') && { mlflow }),
  };
}
