import { floatAttribute, intAttribute, intsAttribute } from '../../onnx/attributes.js';
import type { Tensor } from '../../tensor/tensor.js';
import { positiveAxis, sizeOf } from '../../tensor/shape.js';
import type { FormTape } from './form-tape.js';

type ConstantOf = (value: string | undefined) => Tensor | undefined;
/** @returns whether it was written; where not, nothing was appended */
type Writer = (tape: FormTape, constantOf: ConstantOf) => boolean;

/** What takes each element alone; operands after the first are single numbers. */
const unary: Writer = (tape) => {
  const [x, ...rest] = tape.node.inputs as [string, ...string[]];
  tape.finishAs([tape.batchLast(x), ...rest]);
  return true;
};

/** What broadcasts two operands. */
const binary: Writer = (tape) => {
  const shape = tape.shape(tape.node.outputs[0]!);
  /** Undefined for an operand of neither every example nor all examples alike. */
  const kindOf = (value: string): 'examples' | 'shared' | undefined => {
    const dims = tape.shape(value);
    if (tape.hasBatchLast(value)) return dims.length === shape.length ? 'examples' : undefined;
    if (dims.length < shape.length || dims[0] === 1) return 'shared';
    return dims[0] === shape[0] ? 'examples' : undefined;
  };
  const { inputs } = tape.node;
  const kinds = inputs.map(kindOf);
  if (kinds.includes(undefined)) return false;
  tape.finishAs(
    inputs.map((value, i) => {
      if (kinds[i] === 'examples') return tape.batchLast(value);
      return sizeOf(tape.shape(value)) === 1
        ? value
        : withoutBatch(tape, value, shape.length, `operand_${i}`);
    }),
  );
  return true;
};

/** x · factor + shift with factor = scale / √(variance + ε), shift = bias − mean · factor. */
const batchNormalization: Writer = (tape) => {
  const { node } = tape;
  if (node.outputs.length > 1 || intAttribute(node, 'training_mode', 0) !== 0) return false;
  const [x, scale, bias, mean, variance] = node.inputs as [string, string, string, string, string];
  const [batch, channels, ...size] = tape.shape(x);
  const row = [channels!];
  const epsilon = tape.scalar(floatAttribute(node, 'epsilon', 1e-5));
  const deviation = tape.op('Sqrt', [tape.op('Add', [variance, epsilon], 'shifted', row)], 'deviation', row);
  const factor = tape.op('Div', [scale, deviation], 'factor', row);
  const shift = tape.op('Sub', [bias, tape.op('Mul', [mean, factor], 'moved', row)], 'shift', row);
  const [factors, shifts] = [factor, shift].map((value, i) =>
    tape.reshape(value, [channels!, ...size.map(() => 1), 1], i === 0 ? 'factors' : 'shifts'),
  ) as [string, string];
  const dims = [channels!, ...size, batch!];
  const scaled = tape.op('Mul', [tape.batchLast(x), factors], 'scaled', dims);
  tape.finishLast([tape.op('Add', [scaled, shifts], 'batch_last', dims)]);
  return true;
};

/** Concat and Split along another axis than the batch. */
const alongAxis =
  (fallback: number): Writer =>
  (tape) => {
    const { node } = tape;
    const isSplit = node.opType === 'Split';
    const axis = positiveAxis(intAttribute(node, 'axis', fallback), tape.shape(node.inputs[0]!).length);
    if (axis === 0) return false;
    const [x, ...rest] = node.inputs as [string, ...string[]];
    const others = isSplit ? rest : rest.map((value) => tape.batchLast(value));
    tape.finishAs([tape.batchLast(x), ...others], { axis: axis - 1 });
    return true;
  };

const transpose: Writer = (tape) => {
  const perm = intsAttribute(tape.node, 'perm');
  if (perm?.[0] !== 0) return false;
  const turned = [...perm.slice(1).map((axis) => axis - 1), perm.length - 1];
  tape.finishAs([tape.batchLast(tape.node.inputs[0]!)], { perm: turned });
  return true;
};

/** Reshapes of each example by itself. */
const reshape: Writer = (tape, constantOf) => {
  const { node } = tape;
  const [x, wanted] = node.inputs as [string, string];
  const [, ...from] = tape.shape(x);
  const [batch, ...to] = tape.shape(node.outputs[0]!);
  if (node.opType === 'Flatten') {
    if (intAttribute(node, 'axis', 1) !== 1) return false;
  } else {
    // Told by the number of the batch itself, it might as well be another axis of that size.
    const first = constantOf(wanted)?.data[0];
    if (first === undefined || Number(first) > 0 || sizeOf(from) !== sizeOf(to)) return false;
  }
  tape.finishLast([tape.reshape(tape.batchLast(x), [...to, batch!], 'batch_last', to.length)]);
  return true;
};

const globalAverage: Writer = (tape) => {
  const x = tape.node.inputs[0]!;
  const [batch, channels, ...size] = tape.shape(x);
  const axes = size.map((_, i) => i + 1);
  const dims = [channels!, ...size.map(() => 1), batch!];
  const operand = tape.batchLast(x);
  const mean =
    tape.opset < 18
      ? tape.op('ReduceMean', [operand], 'batch_last', dims, { axes, keepdims: 1 })
      : tape.op('ReduceMean', [operand, tape.ints(axes)], 'batch_last', dims, { keepdims: 1 });
  tape.finishLast([mean]);
  return true;
};

const elementwise =
  'Relu LeakyRelu Clip Sigmoid HardSigmoid HardSwish Tanh Elu Selu Celu Softplus Softsign Mish Swish Gelu Erf Exp Neg Abs Sqrt Identity';

const writers = new Map<string, Writer>([
  ...elementwise.split(' ').map((opType): [string, Writer] => [opType, unary]),
  ...['Add', 'Sub', 'Mul', 'Div'].map((opType): [string, Writer] => [opType, binary]),
  ['BatchNormalization', batchNormalization],
  ['Concat', alongAxis(1)],
  ['Split', alongAxis(0)],
  ['Transpose', transpose],
  ['Reshape', reshape],
  ['Flatten', reshape],
  ['GlobalAveragePool', globalAverage],
]);

/**
 * Writes a node of which an operand lies with the batch last so that its outputs do too.
 * @returns whether it could; where not, nothing was appended
 */
export function writeBatchLast(tape: FormTape, constantOf: ConstantOf): boolean {
  const { opType, domain, inputs } = tape.node;
  const writer = domain === '' ? writers.get(opType) : undefined;
  return writer !== undefined && inputs.some((value) => tape.hasBatchLast(value)) && writer(tape, constantOf);
}

/** An operand that all examples share, [1, …] or of fewer axes, as it broadcasts with the batch last. */
function withoutBatch(tape: FormTape, value: string, rank: number, name: string): string {
  const dims = tape.shape(value);
  const padded = [...new Array<number>(rank - dims.length).fill(1), ...dims];
  return tape.reshape(value, [...padded.slice(1), 1], name);
}
