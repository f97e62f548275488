/** The operations that losses are written with, in the type they are computed in. */
import type { AttributeInput } from '../onnx/attributes.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { checked } from '../tensor/tensor.js';

export type Precision = 'float32' | 'float64';

export interface LossTape {
  op(
    opType: string,
    inputs: readonly string[],
    name: string,
    attributes?: Readonly<Record<string, AttributeInput>>,
  ): string;
  /** A constant of the tape's type. */
  constant(name: string, dims: readonly number[], values: ArrayLike<number>): string;
  scalar(value: number): string;
  cast(value: string, name: string): string;
  toFloat64(value: string, name: string): string;
  /** Sum of each row of a matrix: [rows, columns] → [rows]. */
  sumRows(value: string, name: string): string;
  /** [rows] → [rows, 1] */
  asColumn(value: string, name: string): string;
  /** [rows], of the tape's type, → [rows, columns]: a product with ones takes a fraction of broadcasting, which goes row by row. */
  spread(value: string, columns: number, name: string): string;
  /** Columns from `start` to before `end` of a matrix. */
  columns(value: string, start: number, end: number, name: string): string;
  /** log(1 + exp(x)) in float64, from x of the tape's type. */
  softplus64(x: string, name: string): string;
}

export function lossTape(builder: GraphBuilder, precision: Precision): LossTape {
  const { code, array } = dtypeInfo(precision);
  const op: LossTape['op'] = (opType, inputs, name, attributes = {}) =>
    builder.op(opType, inputs, { name: `loss/${name}`, attributes });
  const tensor = (dims: readonly number[], values: ArrayLike<number>) =>
    checked(precision, dims, (array as typeof Float64Array).from(values));
  const asColumn: LossTape['asColumn'] = (value, name) => op('Unsqueeze', [value, builder.ints([1])], name);
  const toFloat64: LossTape['toFloat64'] = (value, name) => op('Cast', [value], name, { to: 11 });
  return {
    op,
    constant: (name, dims, values) => builder.constant(`loss/${name}`, tensor(dims, values)),
    scalar: (value) => builder.shared(`const/${precision}/${value}`, tensor([], [value])),
    cast: (value, name) => op('Cast', [value], name, { to: code }),
    toFloat64,
    sumRows: (value, name) => op('ReduceSum', [value, builder.ints([1])], name, { keepdims: 0 }),
    asColumn,
    spread(value, columns, name) {
      const ones = builder.shared(
        `ones/${precision}/${columns}`,
        tensor([1, columns], new Array<number>(columns).fill(1)),
      );
      return op('MatMul', [asColumn(value, `${name}/column`), ones], name);
    },
    columns: (value, start, end, name) =>
      op('Slice', [value, builder.ints([start]), builder.ints([end]), builder.ints([1])], name),
    softplus64(x, name) {
      // max(x, 0) + log(1 + exp(-|x|)): neither overflows, and the small part keeps its digits.
      const wide = toFloat64(x, `${name}/x64`);
      const small = op('Exp', [op('Neg', [op('Abs', [wide], `${name}/abs`)], `${name}/neg`)], `${name}/exp`);
      const one = builder.shared('const/float64/1', checked('float64', [], Float64Array.of(1)));
      const log = op('Log', [op('Add', [one, small], `${name}/one_plus`)], `${name}/log`);
      return op('Add', [op('Relu', [wide], `${name}/relu`), log], name);
    },
  };
}
