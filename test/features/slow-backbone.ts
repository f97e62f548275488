/** A backbone that takes as long as is wished. */
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { float32 } from '../../src/tensor/tensor.js';
import { dim, side } from './tiny-backbone.js';

/** The mean of the image's channels, twice, after a product of two matrices of `size` that adds nothing to it. */
export function slowBackbone(size: number): SharedArrayBuffer {
  const builder = new GraphBuilder();
  const image = builder.input('image', 'float32', ['batch', 3, side, side]);
  const one = builder.op('ReduceMean', [image], { attributes: { axes: [1, 2, 3], keepdims: 0 } });
  const column = builder.op('Reshape', [one, builder.ints([-1, 1])]);
  const rng = createRng(1);
  const matrix = builder.constant(
    'matrix',
    float32(
      [size, size],
      Float32Array.from({ length: size * size }, () => rng.uniform()),
    ),
  );
  const work = builder.op('MatMul', [builder.op('Mul', [matrix, one]), matrix]);
  const nothing = builder.op('Mul', [
    builder.op('ReduceMin', [work], { attributes: { keepdims: 0 } }),
    builder.scalar(0),
  ]);
  const kept = builder.op('Add', [column, nothing]);
  builder.output(
    builder.op(
      'Concat',
      Array.from({ length: dim }, () => kept),
      { attributes: { axis: 1 } },
    ),
    'float32',
    ['batch', dim],
    'features',
  );
  const bytes = encodeModel(builder.model());
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
