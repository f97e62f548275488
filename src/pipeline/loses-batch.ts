import { GraftError } from '../errors.js';
import { batchAxes } from '../graph/batch-axes.js';
import type { PooledModel } from '../graph/pool-features.js';
import type { Shapes } from '../graph/value-layout.js';
import { exampleDims, type InputSpec } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';

/**
 * Whether images must come one by one: the layer's batch cannot be followed from the input, as where a detector takes its
 * list of images apart, and a run of two images fails or gives another number of rows.
 */
export async function losesBatch(
  fed: Model,
  { model, output }: PooledModel,
  input: InputSpec,
  shapes: Shapes,
): Promise<boolean> {
  if (input.kind !== 'pixels') return false;
  const one = exampleDims(input);
  const axes = batchAxes(fed.graph, new Map([...shapes, ...one]));
  if (fed.graph.outputs.every(({ name }) => axes.has(name))) return false;
  const inputDims = new Map([...one].map(([name, dims]) => [name, [2, ...dims.slice(1)]]));
  try {
    return (await probeShapes(model, { inputDims, names: [output] })).get(output)?.[0] !== 2;
  } catch (error) {
    if (error instanceof GraftError) return true;
    throw error;
  }
}
