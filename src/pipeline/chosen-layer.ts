/** The layer that a backbone is read from, the recommended one or one that was named, and the shapes of the values up to it. */
import { GraftError } from '../errors.js';
import { assertValueExists } from '../graph/assert-value-exists.js';
import { cutModel } from '../graph/cut-model.js';
import { traceData } from '../graph/data-flow.js';
import { defaultPools } from '../graph/default-pool.js';
import { mainInputs } from '../graph/main-inputs.js';
import type { Pool } from '../graph/pool-features.js';
import { takenToken } from '../graph/taken-token.js';
import { type Shapes, valueLayouts } from '../graph/value-layout.js';
import type { Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { type AnalysisOptions, analyseModel } from './analyse-model.js';

export interface ChosenLayer {
  readonly chosen: string;
  readonly shapes: Shapes;
  readonly defaultPool: () => Pool;
  readonly reason?: string;
}

/** @throws GraftError UNKNOWN_VALUE where none is recognised */
export async function recommendLayer(
  model: Model,
  probe: AnalysisOptions,
  file: string,
): Promise<ChosenLayer> {
  const { layers, shapes, obstacle } = await analyseModel(model, probe);
  const recommended = layers.find((candidate) => candidate.recommended);
  if (!recommended) {
    throw new GraftError(
      'UNKNOWN_VALUE',
      `No feature layer was recognised in ${file}. ${obstacle} Name a tensor with --layer.`,
    );
  }
  const { name, pool, reason } = recommended;
  return { chosen: name, shapes, defaultPool: () => pool, reason };
}

/**
 * Runs the model no further than the layer: what comes after it need not even run here.
 * @throws GraftError UNKNOWN_VALUE
 */
export async function examineLayer(
  model: Model,
  layer: string,
  { tokenPool, ...probe }: AnalysisOptions,
): Promise<ChosenLayer> {
  assertValueExists(model, layer);
  const cut = cutModel(model, [layer]);
  const shapes = await probeShapes(cut, probe);
  const pool = (): Pool => {
    const flow = traceData(cut.graph, mainInputs(cut.graph, shapes));
    return defaultPools(flow, valueLayouts(cut.graph, shapes), tokenPool ?? takenToken(model))(layer);
  };
  return { chosen: layer, shapes, defaultPool: pool };
}
