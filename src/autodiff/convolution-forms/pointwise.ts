/**
 * A convolution with kernels of 1 x 1 as one product over the positions of all examples:
 *
 *   Y [out, positions · batch] = W [out, in] X [in, positions · batch] + bias
 *
 * By itself it is as fast as the operator. Where the input lies with the batch last it saves transposes: of the input, and
 * those of the operator's gradients.
 */
import type { ConvolutionForm } from './convolution-form.js';

export const pointwise: ConvolutionForm = {
  suits({ groups, kernel, strides, input, output }, isBatchLast) {
    const isPoint = groups === 1 && [...kernel, ...strides].every((size) => size === 1);
    return isBatchLast && isPoint && input.join() === output.join();
  },
  write(tape, { batch, from, to, output }) {
    const [x, w, bias] = tape.node.inputs as [string, string, string?];
    const positions = output[0] * output[1];
    const columns = tape.reshape(tape.batchLast(x), [from, positions * batch], 'columns', 1);
    const kernels = tape.reshape(w, [to, from], 'kernels');
    const shift = bias ? [tape.reshape(bias, [to, 1], 'bias')] : [];
    const products = tape.op(bias ? 'Gemm' : 'MatMul', [kernels, columns, ...shift], 'products', [
      to,
      positions * batch,
    ]);
    tape.finishLast([tape.reshape(products, [to, ...output, batch], 'maps', 3)]);
  },
};
