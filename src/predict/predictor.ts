/** An exported model that takes images or texts and gives probabilities or numbers; all it needs is in the one file. */
import { invalidArgument } from '../errors.js';
import { openEncoder } from '../inputs/open-encoder.js';
import type { ModelMetadata } from '../models/model-metadata.js';
import { readExported } from '../models/read-exported.js';
import { openSession } from '../runtime/open-session.js';
import type { SessionOptions } from '../runtime/session.js';
import { taskOf } from '../tasks/task-of.js';

export interface Predictor {
  readonly metadata: ModelMetadata;
  /**
   * Probabilities, or the numbers of a regression, [examples, labels] of encoded images (JPEG, PNG, …), or of texts (strings,
   * or UTF-8), run as one batch unless they would change each other's numbers. Calls may overlap.
   * @throws GraftError INVALID_IMAGE or INVALID_TEXT for the first one that cannot be used; INVALID_ARGUMENT for what is no list of
   *   them, as the path of an image, which is to be read first
   */
  predict(examples: readonly (Uint8Array | string)[]): Promise<Float32Array>;
  release(): Promise<void>;
}

/** @throws GraftError where the file is missing, no ONNX, or not exported by Graft. */
export async function openPredictor(path: string, options: SessionOptions = {}): Promise<Predictor> {
  const { metadata, source } = await readExported(path);
  const encoder = openEncoder(metadata.input);
  const session = await openSession(source, options);
  const { outputs: name } = taskOf(metadata.task).outputNames;
  const width = metadata.labels.length;
  return {
    metadata,
    async predict(examples) {
      const encoded = await encoder.encode(bytesOf(examples, metadata.input.kind));
      const scores = new Float32Array(encoded.count * width);
      for (let start = 0; start < encoded.count;) {
        const end = start + encoded.together(start, encoded.count);
        const outputs = await session.run(encoded.feeds(start, end));
        const rows = outputs[name]!.data as Float32Array;
        for (let place = start; place < end; place++) {
          const row = rows.subarray((place - start) * width, (place - start + 1) * width);
          scores.set(row, encoded.order[place]! * width);
        }
        start = end;
      }
      return scores;
    },
    release: () => session.release(),
  };
}

/** @throws GraftError INVALID_ARGUMENT */
function bytesOf(
  examples: readonly (Uint8Array | string)[],
  kind: ModelMetadata['input']['kind'],
): readonly Uint8Array[] {
  const each = kind === 'pixels' ? 'the bytes of an image (Uint8Array)' : 'a text (string or Uint8Array)';
  if (!Array.isArray(examples))
    throw invalidArgument('examples', `a list, with ${each} for each example,`, examples);
  return examples.map((example: unknown, i) => {
    if (example instanceof Uint8Array) return example;
    if (typeof example === 'string' && kind === 'tokens') return Buffer.from(example);
    throw invalidArgument(`examples[${i}]`, each, example);
  });
}
