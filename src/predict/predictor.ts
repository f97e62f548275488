/** An exported model that takes images, texts or pairs of texts and gives probabilities or numbers; all it needs is in the one file. */
import { GraftError, invalidArgument } from '../errors.js';
import { openEncoder } from '../inputs/open-encoder.js';
import type { ModelMetadata } from '../models/model-metadata.js';
import { readExported } from '../models/read-exported.js';
import { openSession } from '../runtime/open-session.js';
import type { SessionOptions } from '../runtime/session.js';
import { bytesOfText, type TextPair } from '../sources/text-pair.js';
import { taskOf } from '../tasks/task-of.js';

export interface Predictor {
  readonly metadata: ModelMetadata;
  /**
   * Probabilities, or the numbers of a regression, [examples, labels] of encoded images (JPEG, PNG, …), of texts (strings,
   * or UTF-8) or, of a model that was trained on them, pairs of texts, run as one batch unless they would change each other's
   * numbers. Calls may overlap.
   * @example await predictor.predict([['A man plays.', 'Someone makes music.']])
   * @throws GraftError INVALID_IMAGE or INVALID_TEXT for the first one that cannot be used; INVALID_ARGUMENT for what is no list of
   *   them, as the path of an image, which is to be read first, or single texts in place of pairs
   */
  predict(examples: readonly (Uint8Array | string | TextPair)[]): Promise<Float32Array>;
  /** Waits for the calls that are going on; later ones fail with USAGE. May be called again. */
  release(): Promise<void>;
}

/** @throws GraftError where the file is missing, no ONNX, or not exported by Graft. */
export async function openPredictor(path: string, options: SessionOptions = {}): Promise<Predictor> {
  const { metadata, layOut } = await readExported(path);
  const encoder = openEncoder(metadata.input);
  const { source, release } = await layOut();
  const session = await openSession(source, options).finally(release);
  const { outputs: name } = taskOf(metadata.task).outputNames;
  const width = metadata.labels.length;
  const answer: Predictor['predict'] = async (examples) => {
    const encoded = await encoder.encode(bytesOf(examples, metadata.input));
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
  };
  const goingOn = new Set<Promise<unknown>>();
  let released: Promise<void> | undefined;
  return {
    metadata,
    async predict(examples) {
      if (released)
        throw new GraftError(
          'USAGE',
          `The predictor of ${path} was released; open it again to predict more.`,
        );
      const answered = answer(examples);
      goingOn.add(answered);
      try {
        return await answered;
      } finally {
        goingOn.delete(answered);
      }
    },
    release: () => (released ??= Promise.allSettled(goingOn).then(() => session.release())),
  };
}

const described = {
  pixels: 'the bytes of an image (Uint8Array)',
  text: 'a text (string or Uint8Array)',
  pair: 'a pair of texts ([string, string])',
};

/** @throws GraftError INVALID_ARGUMENT */
function bytesOf(
  examples: readonly (Uint8Array | string | TextPair)[],
  input: ModelMetadata['input'],
): readonly Uint8Array[] {
  const each = input.kind === 'pixels' ? 'pixels' : input.takesPairs ? 'pair' : 'text';
  if (!Array.isArray(examples))
    throw invalidArgument('examples', `a list, with ${described[each]} for each example,`, examples);
  return examples.map((example: unknown, i) => {
    if (each === 'pair' ? isPair(example) : each === 'text' && typeof example === 'string')
      return bytesOfText(example as string | TextPair);
    if (each !== 'pair' && example instanceof Uint8Array) return example;
    throw invalidArgument(`examples[${i}]`, described[each], example);
  });
}

function isPair(example: unknown): example is TextPair {
  return Array.isArray(example) && example.length === 2 && example.every((text) => typeof text === 'string');
}
