/** Exported models of a few weights, made on the spot. */
import { writeMetadata } from '../../src/models/model-metadata.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';
import { tinyTokenizer } from '../text/random-bert.js';

/** image [batch, 3, 24, 24] → Conv → Relu → average → Softmax over the filters, one a label. */
export function exportedModel(
  labels: readonly string[],
  preprocess: Partial<PreprocessSpec> = {},
): Uint8Array {
  const side = 24;
  const rng = createRng(3);
  const builder = new GraphBuilder();
  const image = builder.input('image', 'float32', ['batch', 3, side, side]);
  const weights = Float32Array.from({ length: labels.length * 75 }, () => 0.25 * rng.normal());
  const filters = builder.constant('filters', float32([labels.length, 3, 5, 5], weights));
  const maps = builder.op('Relu', [builder.op('Conv', [image, filters])]);
  const logits = builder.op('Flatten', [builder.op('GlobalAveragePool', [maps])]);
  const shape = ['batch', labels.length];
  builder.output(
    builder.op('Softmax', [logits], { attributes: { axis: 1 } }),
    'float32',
    shape,
    'probabilities',
  );
  const metadata = writeMetadata({
    labels,
    task: 'single',
    input: {
      kind: 'pixels',
      name: image,
      preprocess: {
        resize: { width: 32, height: 32, fit: 'shortest-edge', kernel: 'bicubic' },
        crop: { width: side, height: side },
        channelOrder: 'bgr',
        scale: 1,
        mean: [103.53, 116.28, 123.675],
        std: [57.375, 57.12, 58.395],
        layout: 'nchw',
        ...preprocess,
      },
    },
    layer: 'maps',
    pool: 'avg',
    backboneSha256: 'a'.repeat(64),
  });
  return encodeModel({ ...builder.model(), metadata });
}

/** input_ids [batch, sequence] → a row of a table for each → average → Softmax over the columns, one a label. */
export function exportedTextModel(
  labels: readonly string[],
  { takesPairs = false }: { readonly takesPairs?: boolean } = {},
): Uint8Array {
  const vocabulary = 59;
  const rng = createRng(4);
  const builder = new GraphBuilder({ opset: 17 });
  const ids = builder.input('input_ids', 'int64', ['batch', 'sequence']);
  const rows = Float32Array.from({ length: vocabulary * labels.length }, () => 2 * rng.normal());
  const table = builder.constant('embeddings', float32([vocabulary, labels.length], rows));
  const logits = builder.op('ReduceMean', [builder.op('Gather', [table, ids])], {
    attributes: { axes: [1], keepdims: 0 },
  });
  const probabilities = builder.op('Softmax', [logits], { attributes: { axis: 1 } });
  builder.output(probabilities, 'float32', ['batch', labels.length], 'probabilities');
  const metadata = writeMetadata({
    labels,
    task: 'single',
    input: {
      kind: 'tokens',
      tokenizer: { json: tinyTokenizer() },
      maxLength: 24,
      inputs: { ids: { name: 'input_ids', dtype: 'int64' } },
      ...(takesPairs && { takesPairs }),
    },
    layer: 'logits',
    pool: 'none',
    backboneSha256: 'b'.repeat(64),
  });
  return encodeModel({ ...builder.model(), metadata });
}
