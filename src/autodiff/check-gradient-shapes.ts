import { GraftError } from '../errors.js';
import { indexGraph } from '../onnx/graph-index.js';
import type { Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { formatShape } from '../tensor/shape.js';

/**
 * Runs a differentiated model once and compares each gradient's shape with that of its value.
 * @param gradientOf - what `differentiate` returned; @param inputDims - sizes of the inputs in the run
 * @throws GraftError VERIFICATION_FAILED naming operator, node and both shapes; INVALID_MODEL or RUNTIME_FAILURE where
 * ONNX Runtime does not take the model.
 */
export async function checkGradientShapes(
  model: Model,
  gradientOf: ReadonlyMap<string, string>,
  inputDims: ReadonlyMap<string, readonly number[]>,
): Promise<void> {
  const { producer, users } = indexGraph(model.graph);
  // What served no gradient that was asked for has been removed.
  const kept = [...gradientOf].filter(([, gradient]) => producer(gradient));
  const shapes = await probeShapes(model, { names: kept.flat().filter((name) => producer(name)), inputDims });
  for (const [value, gradient] of kept) {
    const [expected, found] = [shapes.get(value), shapes.get(gradient)];
    if (!expected || !found || expected.join() === found.join()) continue;
    const [user] = users(value);
    const where = user ? `${user.opType} "${user.name || user.outputs[0]}"` : 'the loss';
    throw new GraftError(
      'VERIFICATION_FAILED',
      `The gradient that comes back through ${where} for "${value}" has shape ${formatShape(found)}; expected that of the value, ${formatShape(expected)}. The operator's gradient rule is at fault.`,
    );
  }
}
