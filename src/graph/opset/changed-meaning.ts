/** Operators that compute something else, or are called something else, in a newer operator set. */
import { intAttribute, stringAttribute, toAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import { int64 } from '../../tensor/tensor.js';
import { type Convert, type RuleTable, withoutAttributes } from './conversion-rule.js';

/**
 * Before version 13, Softmax and its kin took x as a matrix, the axes from `axis` (default 1) on being its columns.
 * Since then they work along the one axis. Where that is the last one, both are the same.
 */
const flattening: Convert = (node, conversion) => {
  const x = node.inputs[0]!;
  const axis = intAttribute(node, 'axis', 1);
  const along = (value: number): ReadonlyMap<string, ReturnType<typeof toAttribute>> =>
    new Map(node.attributes).set('axis', toAttribute(value));
  if (axis === -1 || axis + 1 === conversion.rankOf(x)) return { ...node, attributes: along(axis) };
  const shape = conversion.op('shape', 'Shape', [x]);
  const matrix = conversion.op('matrix', 'Flatten', [x], { axis });
  const result = conversion.op('rows', node.opType, [matrix], { axis: 1 });
  return { ...withoutAttributes(node, 'axis'), opType: 'Reshape', inputs: [result, shape] };
};

const spatialBatchNorm: Convert = (node) =>
  intAttribute(node, 'spatial', 1) === 1
    ? withoutAttributes(node, 'spatial')
    : 'it normalises every position by itself (spatial = 0)';

/** More than one output meant training. */
const inferenceBatchNorm: Convert = (node, { isUsed }) =>
  node.outputs.slice(1).some((name) => name !== '' && isUsed(name))
    ? 'its running statistics are used'
    : { ...node, outputs: node.outputs.slice(0, 1) };

/**
 * scale and bias were one number a group and became one a channel: [G] → [G, 1] → [G, C / G] → [C].
 */
const groupNorm: Convert = (node, conversion) => {
  const groups = intAttribute(node, 'num_groups', 1);
  const [x = '', ...parameters] = node.inputs;
  const channels = conversion.op('channels', 'Shape', [x], { start: 1, end: 2 });
  const count = conversion.constant('groups', int64([1], [groups]));
  const perGroup = conversion.op('channelsPerGroup', 'Div', [channels, count]);
  const grid = conversion.op('grid', 'Concat', [count, perGroup], { axis: 0 });
  const column = conversion.constant('column', int64([2], [groups, 1]));
  const flat = conversion.constant('flat', int64([1], [-1]));
  const spread = parameters.map((parameter, i) => {
    const part = i === 0 ? 'scale' : 'bias';
    const rows = conversion.op(`${part}/rows`, 'Reshape', [parameter, column]);
    const repeated = conversion.op(`${part}/repeated`, 'Expand', [rows, grid]);
    return conversion.op(part, 'Reshape', [repeated, flat]);
  });
  return { ...node, inputs: [x, ...spread] };
};

const gridSampleModes: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };
const gridSample: Convert = (node) => {
  const mode = stringAttribute(node, 'mode', 'bilinear');
  return withAttribute(node, 'mode', gridSampleModes[mode] ?? mode);
};

/** Version 16 began to shift by half a pixel unless told not to. */
const roiAlign: Convert = (node) =>
  withAttribute(node, 'coordinate_transformation_mode', 'output_half_pixel');

function withAttribute(node: Node, name: string, value: string): Node {
  return { ...node, attributes: new Map(node.attributes).set(name, toAttribute(value)) };
}

export const changedMeaning: RuleTable = {
  BatchNormalization: [
    { version: 9, convert: spatialBatchNorm },
    { version: 14, convert: inferenceBatchNorm },
  ],
  GridSample: [{ version: 20, convert: gridSample }],
  GroupNormalization: [{ version: 21, convert: groupNorm }],
  Hardmax: [{ version: 13, convert: flattening }],
  LogSoftmax: [{ version: 13, convert: flattening }],
  RoiAlign: [{ version: 16, convert: roiAlign }],
  Scan: [{ version: 9, convert: () => 'its batch axis and sequence lengths were dropped' }],
  Scatter: [{ version: 11, convert: (node) => ({ ...node, opType: 'ScatterElements' }) }],
  Softmax: [{ version: 13, convert: flattening }],
};
