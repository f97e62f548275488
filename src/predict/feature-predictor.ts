/** An exported head alone, which takes features that were made elsewhere and gives probabilities or numbers. */
import { assertAnswers } from '../models/assert-answers.js';
import { type HeadMetadata, readHeadMetadata } from '../models/model-metadata.js';
import { GraftError } from '../errors.js';
import { readNamed } from '../models/read-exported.js';
import { openModel } from '../runtime/open-model.js';
import type { SessionOptions } from '../runtime/session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32 } from '../tensor/tensor.js';

export interface FeaturePredictor {
  readonly metadata: HeadMetadata;
  /** Numbers that it takes of an example. */
  readonly dim: number;
  /**
   * Probabilities, or the numbers of a regression, [rows, labels].
   * @param features - [rows, dim]
   */
  predict(features: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

/** @throws GraftError UNSUPPORTED_MODEL where the file takes images or texts, or was not exported by Graft. */
export async function openFeaturePredictor(
  named: string,
  options: SessionOptions = {},
): Promise<FeaturePredictor> {
  const { path, model } = await readNamed(named);
  const metadata = readHeadMetadata(model, path);
  assertAnswers(model, metadata, path);
  const input = model.graph.inputs.find(({ name }) => name === 'features');
  const dim = input?.type?.kind === 'tensor' ? input.type.shape?.[1] : undefined;
  if (typeof dim !== 'number') {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Expected ${path} to take features [batch, numbers] but it takes ` +
        `${model.graph.inputs.map(({ name }) => name).join(', ') || 'nothing'}; name a head that graft export wrote.`,
    );
  }
  const session = await openModel(model, options);
  const { outputs: name } = taskOf(metadata.task).outputNames;
  return {
    metadata,
    dim,
    async predict(features) {
      const outputs = await session.run({ features: float32([features.length / dim, dim], features) });
      return outputs[name]!.data as Float32Array;
    },
    release: () => session.release(),
  };
}
