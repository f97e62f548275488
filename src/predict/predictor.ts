/** An exported model that takes image bytes and gives probabilities or numbers; all it needs is in the one file. */
import { preprocessImage } from '../image/preprocess-image.js';
import { type ModelMetadata, readMetadata } from '../models/model-metadata.js';
import { pixelShape } from '../models/read-preprocess.js';
import { readModel } from '../onnx/read-model.js';
import { openSession } from '../runtime/open-session.js';
import type { SessionOptions } from '../runtime/session.js';
import { taskOf } from '../tasks/task-of.js';
import { float32 } from '../tensor/tensor.js';

export interface Predictor {
  readonly metadata: ModelMetadata;
  /**
   * Probabilities, or the numbers of a regression, [images, labels] of encoded images (JPEG, PNG, …), run as one batch.
   * @throws GraftError INVALID_IMAGE for the first one that cannot be decoded.
   */
  predict(images: readonly Uint8Array[]): Promise<Float32Array>;
  release(): Promise<void>;
}

/** @throws GraftError where the file is missing, no ONNX, or not exported by Graft. */
export async function openPredictor(path: string, options: SessionOptions = {}): Promise<Predictor> {
  const { metadata: entries } = await readModel(path);
  const metadata = readMetadata(entries, path);
  const session = await openSession(path, options);
  const input = session.inputNames[0]!;
  const { channels, height, width } = pixelShape(metadata.preprocess);
  const perImage = channels * height * width;
  const dims = metadata.preprocess.layout === 'nchw' ? [channels, height, width] : [height, width, channels];
  let pixels = new Float32Array(0);
  return {
    metadata,
    async predict(images) {
      if (pixels.length < images.length * perImage) pixels = new Float32Array(images.length * perImage);
      await Promise.all(
        images.map((image, i) =>
          preprocessImage(image, metadata.preprocess, pixels.subarray(i * perImage, (i + 1) * perImage)),
        ),
      );
      const feed = float32([images.length, ...dims], pixels.subarray(0, images.length * perImage));
      const outputs = await session.run({ [input]: feed });
      const { outputs: name } = taskOf(metadata.task).outputNames;
      return outputs[name]!.data as Float32Array;
    },
    release: () => session.release(),
  };
}
