/** `graft predict --features`: what a head alone says of features that were made elsewhere. */
import { openFeaturePredictor } from '../predict/feature-predictor.js';
import type { Hooks } from './cache-features.js';
import { checkOptions } from './check-options.js';
import { openFeatureRows } from './feature-rows.js';
import { assertRankable, describePrediction, type Prediction } from './describe-prediction.js';
import type { PredictOptions } from './predict-inputs.js';
import { predictRows } from './predict-rows.js';

export interface PredictFeaturesOptions extends Pick<PredictOptions, 'model' | 'device' | 'threads' | 'top'> {
  /** A safetensors file; nothing of it but its tensor features is looked at. */
  readonly features: string;
}

/** One prediction a row, in their order: `input` is `row 0`, `row 1`, … */
export async function predictFeatures(
  options: PredictFeaturesOptions,
  hooks: Hooks = {},
): Promise<Prediction[]> {
  checkOptions(options, ['model', 'features']);
  const predictor = await openFeaturePredictor(options.model, {
    device: options.device ?? 'auto',
    ...(options.threads && { threads: options.threads }),
  });
  try {
    assertRankable(options, predictor.metadata);
    const file = await openFeatureRows(options.features);
    try {
      const rows = Int32Array.from({ length: file.rows }, (_, row) => row);
      const outputs = await predictRows(predictor, file, rows, options.model, hooks);
      const { metadata } = predictor;
      const width = metadata.labels.length;
      return Array.from(rows, (row) =>
        describePrediction(
          `row ${row}`,
          outputs.subarray(row * width, (row + 1) * width),
          metadata,
          options.top,
        ),
      );
    } finally {
      await file.close();
    }
  } finally {
    await predictor.release();
  }
}
