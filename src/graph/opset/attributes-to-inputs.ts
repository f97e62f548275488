/** Operators whose attributes became inputs: the values stay, as constants. */
import { floatAttribute, floatsAttribute, intAttribute, intsAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import type { DType } from '../../tensor/dtype.js';
import { toHalf } from '../../tensor/float16.js';
import { checked, float32, int64, type Tensor } from '../../tensor/tensor.js';
import { type Conversion, type Convert, type RuleTable, withoutAttributes } from './conversion-rule.js';

/** An attribute of int64s becomes the input at `position`; '' where it was absent (or empty, with `emptyIsAbsent`). */
function intsInput(name: string, position: number, { emptyIsAbsent = false } = {}): Convert {
  return (node, conversion) => {
    const values = intsAttribute(node, name);
    const absent = values === undefined || (emptyIsAbsent && values.length === 0);
    const input = absent ? '' : conversion.constant(name, int64([values.length], values));
    return withInput(withoutAttributes(node, name), position, input);
  };
}

function withInput(node: Node, position: number, input: string): Node {
  if (input === '') return node;
  const inputs = [...node.inputs];
  while (inputs.length < position) inputs.push('');
  inputs[position] = input;
  return { ...node, inputs };
}

/** A scalar of the type that `value` has. */
function scalarLike(value: string, number: number, conversion: Conversion): Tensor | undefined {
  const makers: Partial<Record<DType, () => Tensor>> = {
    float32: () => float32([], [number]),
    float64: () => checked('float64', [], Float64Array.of(number)),
    float16: () => checked('float16', [], Uint16Array.of(toHalf(number))),
  };
  const dtype = conversion.dtypeOf(value);
  return dtype && makers[dtype]?.();
}

const unknownType = 'the element type of its input is not known';

const clip: Convert = (node, conversion) => {
  let converted = withoutAttributes(node, 'min', 'max');
  for (const [position, name] of [
    [1, 'min'],
    [2, 'max'],
  ] as const) {
    if (!node.attributes.has(name)) continue;
    const bound = scalarLike(node.inputs[0]!, floatAttribute(node, name, 0), conversion);
    if (!bound) return unknownType;
    converted = withInput(converted, position, conversion.constant(name, bound));
  }
  return converted;
};

const pad: Convert = (node, conversion) => {
  const pads = intsAttribute(node, 'pads') ?? intsAttribute(node, 'paddings');
  if (!pads) return 'it has no pads';
  const value = floatAttribute(node, 'value', 0);
  const converted = withInput(
    withoutAttributes(node, 'pads', 'paddings', 'value'),
    1,
    conversion.constant('pads', int64([pads.length], pads)),
  );
  if (value === 0) return converted;
  const scalar = scalarLike(node.inputs[0]!, value, conversion);
  return scalar ? withInput(converted, 2, conversion.constant('value', scalar)) : unknownType;
};

const slice: Convert = (node, conversion) => {
  let converted = withoutAttributes(node, 'starts', 'ends', 'axes');
  for (const [i, name] of ['starts', 'ends', 'axes'].entries()) {
    const values = intsAttribute(node, name);
    if (values) {
      converted = withInput(converted, i + 1, conversion.constant(name, int64([values.length], values)));
    }
  }
  return converted;
};

const topK: Convert = (node, conversion) =>
  withInput(
    withoutAttributes(node, 'k'),
    1,
    conversion.constant('k', int64([1], [intAttribute(node, 'k', 1)])),
  );

const upsampleScales: Convert = (node, conversion) => {
  const scales = floatsAttribute(node, 'scales');
  if (!scales) return 'it has no scales';
  const input = conversion.constant('scales', float32([scales.length], scales));
  return withInput(withoutAttributes(node, 'scales'), 1, input);
};

/** The mask became boolean with version 10; what reads it as a number would fail. */
const dropoutMask: Convert = (node, conversion) => {
  const mask = node.outputs[1] ?? '';
  return mask !== '' && conversion.isUsed(mask)
    ? 'its mask is used'
    : { ...node, outputs: node.outputs.slice(0, 1) };
};

const dropoutRatio: Convert = (node, conversion) => {
  const ratio = float32([], [floatAttribute(node, 'ratio', 0.5)]);
  return withInput(withoutAttributes(node, 'ratio'), 1, conversion.constant('ratio', ratio));
};

const fourierAxis: Convert = (node, conversion) =>
  withInput(
    withoutAttributes(node, 'axis'),
    2,
    conversion.constant('axis', int64([], [intAttribute(node, 'axis', 1)])),
  );

/** With no sizes given, the number of parts has to be said. */
const splitCount: Convert = (node) =>
  (node.inputs[1] ?? '') !== ''
    ? node
    : {
        ...node,
        attributes: new Map(node.attributes).set('num_outputs', {
          kind: 'int',
          value: BigInt(node.outputs.length),
        }),
      };

const reductionAxes = intsInput('axes', 1, { emptyIsAbsent: true });

export const attributesToInputs: RuleTable = {
  Clip: [{ version: 11, convert: clip }],
  DFT: [{ version: 20, convert: fourierAxis }],
  Dropout: [
    { version: 10, convert: dropoutMask },
    { version: 12, convert: dropoutRatio },
  ],
  Pad: [{ version: 11, convert: pad }],
  ReduceSum: [{ version: 13, convert: reductionAxes }],
  Slice: [{ version: 10, convert: slice }],
  Split: [
    { version: 13, convert: intsInput('split', 1) },
    { version: 18, convert: splitCount },
  ],
  Squeeze: [{ version: 13, convert: intsInput('axes', 1) }],
  TopK: [{ version: 10, convert: topK }],
  Unsqueeze: [{ version: 13, convert: intsInput('axes', 1) }],
  Upsample: [{ version: 9, convert: upsampleScales }],
  ...Object.fromEntries(
    ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map((kind) => [
      `Reduce${kind}`,
      [{ version: 18, convert: reductionAxes }],
    ]),
  ),
};
