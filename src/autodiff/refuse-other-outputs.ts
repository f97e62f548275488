import { GraftError } from '../errors.js';
import type { Node } from '../onnx/ir.js';
import type { GradientRule } from './gradient-rule.js';

/** @throws GraftError NO_GRADIENT_RULE where a gradient arrives at an output that the rule does not use. */
export function refuseOtherOutputs(
  node: Node,
  { differentiableOutputs = [0] }: GradientRule,
  dY: readonly (string | undefined)[],
): void {
  if (differentiableOutputs === 'all') return;
  const other = dY.findIndex((gradient, i) => gradient !== undefined && !differentiableOutputs.includes(i));
  if (other < 0) return;
  throw new GraftError(
    'NO_GRADIENT_RULE',
    `${node.opType} "${node.name || node.outputs[0]}" is differentiated through its output "${node.outputs[other]}" too, for which there is no gradient rule.`,
  );
}
