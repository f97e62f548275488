import { GraftError, messageOf } from '../errors.js';
import { asFloat32, hasDType } from '../graph/as-float32.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Model } from '../onnx/ir.js';
import { openModel } from '../runtime/open-model.js';

/**
 * The model in types that ONNX Runtime computes with: bfloat16 in float32, and float64 too where an operator has no kernel for it.
 * Which is said.
 * @param model - without functions
 */
export async function settleFloats(
  model: Model,
  file: string,
  logger: Logger = silentLogger,
): Promise<Model> {
  let settled = model;
  if (hasDType(settled.graph, ['bfloat16'])) {
    logger.info(
      `${file} computes in bfloat16, which ONNX Runtime hardly does: it is taken in float32, as files made of it will be. Its weights keep their values.`,
    );
    settled = asFloat32(settled, ['bfloat16']);
  }
  if (!hasDType(settled.graph, ['float64'])) return settled;
  const missing = await missingKernel(settled);
  if (missing === undefined) return settled;
  logger.info(
    `${file} computes in float64, for which ONNX Runtime lacks operators (${missing}): it is taken in float32, as files made of it will be.`,
  );
  return asFloat32(settled, ['float64']);
}

/** The operator for which ONNX Runtime has no kernel, if that is why it does not open the model. */
async function missingKernel(model: Model): Promise<string | undefined> {
  try {
    await (await openModel(model, { optimization: 'disabled', threads: 1 })).release();
  } catch (error) {
    if (!(error instanceof GraftError)) throw error;
    // In ONNX Runtime's own words, which are the cause.
    return /Could not find an implementation for (\w+)/.exec(messageOf(error.cause))?.[1];
  }
  return undefined;
}
