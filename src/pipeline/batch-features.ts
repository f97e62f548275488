/** The pooled features of one layer, of as many examples a run as the model can take. */
import { freeBatch } from '../graph/free-batch.js';
import { mixesExamples } from '../graph/mixes-examples.js';
import { type Pool, type PooledModel, poolFeatures } from '../graph/pool-features.js';
import type { Logger } from '../logger.js';
import {
  exampleDims,
  type InputSpec,
  restrictInput,
  takesOne,
  takingOne,
  tokenMask,
  withSameLengths,
} from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { losesBatch } from './loses-batch.js';

export interface LayerToPool {
  /** Cut after the layer. */
  readonly model: Model;
  readonly layer: string;
  readonly pool: Pool;
  /** Of all values, for one example. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly input: InputSpec;
}

/** @returns `taken`, the input with what a run of the pooled model takes of it */
export async function batchFeatures(
  { model, layer, pool, shapes, input }: LayerToPool,
  { file, what, logger }: { readonly file: string; readonly what: string; readonly logger: Logger },
): Promise<{ readonly pooled: PooledModel; readonly taken: InputSpec }> {
  const pooling = { pool, shape: shapes.get(layer)!, mask: tokenMask(input) };
  const freed = freeBatch(model, new Map([...shapes, ...exampleDims(input)]));
  const several = poolFeatures(freed, layer, pooling);
  const all = restrictInput(input, several.model.graph);
  const restricted = withSameLengths(all, several.model.graph);
  const mixing = mixesExamples(several.model);
  const isAlone = mixing !== undefined || (await losesBatch(model, several, restricted, shapes));
  const alone = isAlone ? takingOne(restricted) : restricted;
  const single = takesOne(alone) ? poolFeatures(model, layer, pooling) : several;
  const taken = isAlone ? alone : await takenTogether(restricted, several, single);
  if (mixing) {
    const how = {
      scale: 'quantises as it runs, by one scale for all examples of a run',
      branch: 'chooses by what it is given which branch (If) all examples of a run take',
      rounds: 'decides by what it is given how many rounds of a loop (Loop) all examples of a run go through',
      reduction: 'reduces a whole tensor to one number, as the mean of all examples of a run',
    }[mixing];
    logger.info(`${file} ${how}: it is run one ${what} at a time.`);
  } else if (takesOne(taken)) {
    logger.warn(
      `${file} takes one ${what} a run, which cannot be changed: it is slower than an export with a free batch.`,
    );
  }
  if (restricted !== all && !takesOne(taken))
    logger.info(
      `${file} does not hide what its texts are filled up with: those of one length are run together.`,
    );
  return { pooled: takesOne(taken) ? single : several, taken };
}

/** The input without the word that a run takes one text, where the freed model gives the same of several. */
async function takenTogether(
  input: InputSpec,
  several: PooledModel,
  single: PooledModel,
): Promise<InputSpec> {
  if (input.kind !== 'tokens' || !input.inputs.isSingle) return input;
  const { areSameTogether } = await import('./one-text.js');
  const setting = { spec: input, outputName: several.output };
  if (!(await areSameTogether(several.model, single.model, setting))) return input;
  return { ...input, inputs: { ...input.inputs, isSingle: false } };
}
