/**
 * Operators that pick elements by position; the positions are stop edges.
 *
 *   slice, step 1     pad dy with zeros              gather elements   scatter elements, adding
 *   slice otherwise   by index (index-trick.ts)      gather n-d        by index
 *   gather            add rows; for one constant index a pad
 *   scatter           dx = dy with zeros where it was overwritten; d updates = dy picked there
 *   top k             scatter elements
 */
import { GraftError } from '../../errors.js';
import { intAttribute, intsAttribute, stringAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import { positiveAxis } from '../../tensor/shape.js';
import { gemm, slice as cut, transpose, unsqueeze, zerosLike } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { addRows, addsByIndex, moveBackByIndex, requireAddition } from './index-trick.js';

interface SlicePlan {
  readonly axes: readonly number[];
  readonly starts: readonly number[];
  /** Undefined where they are computed. */
  readonly ends: readonly number[] | undefined;
}

/** What the node cuts out, where it is a block: constant starts, steps of one. */
function readSlice(at: RuleContext): SlicePlan | undefined {
  const rank = at.shapeOf(at.x[0]!).length;
  const list = (name: string, input: number): readonly number[] | undefined => {
    const tensor = at.opset < 10 ? undefined : at.constantOf(at.x[input]);
    return at.opset < 10 ? intsAttribute(at.node, name) : tensor && Array.from(tensor.data, Number);
  };
  const starts = list('starts', 1);
  const ends = list('ends', 2);
  const hasAxes = at.opset < 10 ? at.node.attributes.has('axes') : Boolean(at.x[3]);
  const axes = hasAxes ? list('axes', 3) : starts?.map((_, i) => i);
  const steps = at.x[4] ? at.constantOf(at.x[4]) : undefined;
  if (!starts || !axes || (at.x[4] && !steps)) return undefined;
  if (steps && Array.from(steps.data, Number).some((step) => step !== 1)) return undefined;
  // From the end back to a place counted from the start: only the run knows how much that is.
  if (
    at.opset >= 11 &&
    starts.some((start, i) => start < 0 && (!ends || ends[i]! >= 0) && !isOpenEnd(ends?.[i]))
  )
    return undefined;
  return { axes: axes.map((axis) => positiveAxis(axis, rank)), starts, ends };
}

function isOpenEnd(end: number | undefined): boolean {
  return end !== undefined && end >= 2 ** 31 - 1;
}

/** The zeros before the block are `starts`, or for starts counted from the end all that is missing but the tail. */
function padBack(at: RuleContext, dY: string, { axes, starts, ends }: SlicePlan): string {
  const shape = at.shapeOf(at.x[0]!);
  if (at.shapeOf(at.y[0]!).includes(0)) return zerosLike(at, at.x[0]!);
  if (at.opset < 11) return concatBack(at, dY, { axes, starts, ends });
  const fixed = shape.map(() => 0);
  const fromEnd = shape.map(() => 0);
  axes.forEach((axis, i) => {
    if (starts[i]! >= 0) fixed[axis] = starts[i]!;
    else {
      fromEnd[axis] = 1;
      fixed[axis] = isOpenEnd(ends![i]) ? 0 : ends![i]!;
    }
  });
  const missing = at.op('Sub', [at.shape(at.x[0]!), at.shape(at.y[0]!)]);
  let before = at.builder.ints(fixed);
  if (fromEnd.includes(1)) before = at.op('Add', [at.op('Mul', [missing, at.builder.ints(fromEnd)]), before]);
  const after = at.op('Sub', [missing, before]);
  return at.op('Pad', [dY, at.op('Concat', [before, after], { axis: 0 })]);
}

const open = Number.MAX_SAFE_INTEGER;

/** Before Pad took computed amounts: what the slice left out, as zeros, in front of its gradient and behind it. */
function concatBack(at: RuleContext, dY: string, { axes, starts, ends }: SlicePlan): string {
  type Bound = number | string;
  const part = (value: string, axis: number, from: Bound, to: Bound): string => {
    if (typeof from === 'number' && typeof to === 'number') return cut(at, value, [axis], [from], [to]);
    const bounds = [from, to].map((bound) => (typeof bound === 'number' ? at.builder.ints([bound]) : bound));
    return at.op('Slice', [value, ...bounds, at.builder.ints([axis])]);
  };
  // From opset 10 on ends may be computed.
  const bounds: readonly Bound[] =
    ends ?? axes.map((_, i) => toInt64(at, cut(at, at.x[2]!, [0], [i], [i + 1])));
  /** What each axis was cut from, axis by axis. */
  const sources = [at.x[0]!];
  for (const [i, axis] of axes.slice(0, -1).entries())
    sources.push(part(sources[i]!, axis, starts[i]!, bounds[i]!));
  return axes.reduceRight((block, axis, i) => {
    const [source, start] = [sources[i]!, starts[i]!];
    const parts = start === 0 ? [block] : [zerosLike(at, part(source, axis, 0, start)), block];
    if (!isOpenEnd(ends?.[i])) parts.push(zerosLike(at, part(source, axis, bounds[i]!, open)));
    return parts.length === 1 ? block : at.op('Concat', parts, { axis });
  }, dY);
}

const slice: GradientRule = {
  opTypes: ['Slice'],
  differentiable: [0],
  backward(at) {
    const plan = readSlice(at);
    return new Map([
      [0, plan ? padBack(at, at.dY[0]!, plan) : moveBackByIndex(at, at.dY[0]!, { isOneToOne: true })],
    ]);
  },
};

const int64Code = dtypeInfo('int64').code;

function toInt64(at: RuleContext, indices: string): string {
  return at.op('Cast', [indices], { to: int64Code });
}

const gather: GradientRule = {
  opTypes: ['Gather'],
  differentiable: [0],
  backward(at) {
    const [x, indices] = at.x as [string, string];
    const shape = at.shapeOf(x);
    const rank = shape.length;
    const axis = positiveAxis(intAttribute(at.node, 'axis', 0), rank);
    const dY = at.dY[0]!;
    const chosen = at.constantOf(indices);
    const indexRank = at.shapeOf(indices).length;
    if (chosen?.data.length === 1 && indexRank < 2) {
      const index = Number(chosen.data[0]);
      if (at.opset >= 11) return new Map([[0, padAround(at, dY, axis, index, indexRank)]]);
      const block = indexRank === 0 ? unsqueeze(at, dY, [axis]) : dY;
      const ends = [index === -1 ? open : index + 1];
      return new Map([[0, concatBack(at, block, { axes: [axis], starts: [index], ends })]]);
    }
    const all = Array.from({ length: rank }, (_, i) => i);
    const rest = all.filter((i) => i !== axis);
    // Index axes to the front: [indices…, rest…]
    const outer = Array.from({ length: rank - 1 + indexRank }, (_, i) => i);
    const indexAxes = outer.splice(axis, indexRank);
    const updates = transpose(at, dY, [...indexAxes, ...outer]);
    const front = [axis, ...rest];
    const back = all.map((i) => front.indexOf(i));
    if (!addsByIndex(at)) {
      const rows = gatheredRows(
        at,
        updates,
        indices,
        at.op('Gather', [at.shape(x), at.builder.ints([axis])], { axis: 0 }),
        rest.map((i) => shape[i]!),
      );
      const wide = at.op('Gather', [at.shape(x), at.builder.ints(front)], { axis: 0 });
      return new Map([[0, transpose(at, at.op('Reshape', [rows, wide]), back)]]);
    }
    const turned =
      axis === 0 ? at.shape(x) : at.op('Gather', [at.shape(x), at.builder.ints(front)], { axis: 0 });
    const zeros = at.op('Expand', [at.scalar(0), turned]);
    const sum = addRows(at, zeros, toInt64(at, indices), updates);
    return new Map([[0, transpose(at, sum, back)]]);
  },
};

/** One place along an axis, with zeros before and after it. */
function padAround(at: RuleContext, dY: string, axis: number, index: number, indexRank: number): string {
  const rank = at.shapeOf(at.x[0]!).length;
  const value = indexRank === 0 ? unsqueeze(at, dY, [axis]) : dY;
  const before = Array.from({ length: rank }, (_, i) => (i === axis && index >= 0 ? index : 0));
  const after = before.map((_, i) => (i === axis && index < 0 ? -1 - index : 0));
  // The side that is not known: what is missing of the axis.
  const only = before.map((_, i) => (i === axis ? 1 : 0));
  const known = index >= 0 ? before : after;
  const size = at.op('Mul', [at.shape(at.x[0]!), at.builder.ints(only)]);
  const other = at.op('Sub', [size, at.builder.ints(known.map((amount, i) => amount + only[i]!))]);
  const sides = index >= 0 ? [at.builder.ints(before), other] : [other, at.builder.ints(after)];
  return at.op('Pad', [value, at.op('Concat', sides, { axis: 0 })]);
}

/** Before a scatter could add: one-hot rows of the indices, transposed, times the updates. */
function gatheredRows(
  at: RuleContext,
  updates: string,
  indices: string,
  size: string,
  rest: readonly number[],
): string {
  const width = rest.reduce((product, length) => product * length, 1);
  const flat = at.op('Reshape', [toInt64(at, indices), at.builder.ints([-1])]);
  const values = at.op(
    'Concat',
    [
      at.op('Reshape', [at.scalar(0), at.builder.ints([1])]),
      at.op('Reshape', [at.scalar(1), at.builder.ints([1])]),
    ],
    { axis: 0 },
  );
  const hot = at.op('OneHot', [flat, size, values]);
  // As many as there are indices in the run; the batch may be in their width.
  const shape = at.op('Concat', [at.shape(flat), at.builder.ints([width === 0 ? 0 : -1])], { axis: 0 });
  const rows = at.op('Reshape', [updates, shape]);
  return gemm(at, hot, rows, { transA: 1 });
}

export const indexing: readonly GradientRule[] = [
  slice,
  gather,
  {
    opTypes: ['GatherElements'],
    differentiable: [0],
    backward(at) {
      requireAddition(at);
      const axis = intAttribute(at.node, 'axis', 0);
      const zeros = zerosLike(at, at.x[0]!);
      return new Map([
        [0, at.op('ScatterElements', [zeros, at.x[1]!, at.dY[0]!], { axis, reduction: 'add' })],
      ]);
    },
  },
  {
    opTypes: ['GatherND'],
    differentiable: [0],
    backward: (at) => new Map([[0, moveBackByIndex(at, at.dY[0]!)]]),
  },
  {
    opTypes: ['ScatterND', 'ScatterElements'],
    differentiable: [0, 2],
    backward(at) {
      const reduction = stringAttribute(at.node, 'reduction', 'none');
      if (!['none', 'add'].includes(reduction)) {
        throw new GraftError(
          'NO_GRADIENT_RULE',
          `${at.node.opType} "${at.node.name || at.y[0]}" has reduction ${reduction}, for which there is no gradient rule.`,
        );
      }
      const [, indices, updates] = at.x as [string, string, string];
      const isElements = at.node.opType === 'ScatterElements';
      const axis = isElements ? { axis: intAttribute(at.node, 'axis', 0) } : {};
      const dY = at.dY[0]!;
      const gradients = new Map<number, string>();
      if (at.needs(0)) {
        const zeros = (): string => at.op(at.node.opType, [dY, indices, zerosLike(at, updates)], axis);
        gradients.set(0, reduction === 'add' ? dY : zeros());
      }
      if (at.needs(2))
        gradients.set(2, at.op(isElements ? 'GatherElements' : 'GatherND', [dY, indices], axis));
      return gradients;
    },
  },
  {
    opTypes: ['TopK'],
    differentiable: [0],
    backward(at) {
      const axis = intAttribute(at.node, 'axis', -1);
      const zeros = zerosLike(at, at.x[0]!);
      // The same operator under its first name.
      const opType = at.opset < 11 ? 'Scatter' : 'ScatterElements';
      return new Map([
        [
          0,
          at.op(opType, [zeros, at.forwardOutput(1), at.dY[0]!], {
            axis: positiveAxis(axis, at.shapeOf(at.x[0]!).length),
          }),
        ],
      ]);
    },
  },
];
