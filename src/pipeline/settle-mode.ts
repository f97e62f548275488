import { forInference } from '../graph/for-inference.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Model } from '../onnx/ir.js';

/** The model in inference mode, which is said where it was exported in another. */
export function settleMode(model: Model, file: string, logger: Logger = silentLogger): Model {
  const { graph, changed } = forInference(model.graph);
  if (changed.length === 0) return model;
  const how = { BatchNormalization: 'by its running statistics', Dropout: 'leaving out nothing' };
  const shown = changed.map((name) => `${name} ${how[name as keyof typeof how]}`).join(', ');
  logger.warn(
    `${file} was exported in training mode (model.eval() was not called on all of it): it is taken as in inference, ${shown}.`,
  );
  return { ...model, graph };
}
