import { boundLoops } from '../graph/bound-loops.js';
import { layOutModel } from '../onnx/lay-out-model.js';
import type { Model } from '../onnx/ir.js';
import { openSession } from './open-session.js';
import type { Session, SessionOptions } from './session.js';

/**
 * A session on a model of any size.
 * @throws as `openSession`, UNSUPPORTED_MODEL for a loop that takes forever, and FILE_UNWRITABLE where the temporary folder cannot take the weights of a large one.
 */
export async function openModel(model: Model, options?: SessionOptions): Promise<Session> {
  const { source, release } = await layOutModel(boundLoops(model));
  try {
    return await openSession(source, options);
  } finally {
    await release();
  }
}
