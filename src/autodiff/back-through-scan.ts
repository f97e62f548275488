/**
 * The gradient of a Scan is a Scan in the other direction. Each step computes again what it did from the state that
 * entered it, and walks back:
 *
 *   states   the gradient of the state, and the sums that values from outside have been given so far
 *   rows     the states that entered, the rows that were read, the gradients of the rows of output
 */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { capturedValues } from '../onnx/graph-index.js';
import { subgraphs } from '../onnx/attributes.js';
import { graph, type Node, node as makeNode } from '../onnx/ir.js';
import { removeUnused } from '../graph/remove-unused.js';
import type { DType } from '../tensor/dtype.js';
import { type ScanBody, scanNode } from './compositions/index.js';
import { floatScalar } from './float-scalar.js';
import { findGradientPath, type GradientPath, type RuleTable } from './reachability.js';

/** @returns pairs of a value that the Scan reads and a gradient of it */
export function backThroughScan(
  { node, nodes, states, rows, nextStates, outputs, entering, isBackwards }: ScanBody,
  {
    builder,
    ruleOf,
    gradients,
    values,
    dtype,
    rankOf,
    walk,
  }: {
    /** Takes the nodes. */
    readonly builder: GraphBuilder;
    readonly ruleOf: RuleTable;
    /** Of the Scan's outputs. */
    readonly gradients: ReadonlyMap<string, string>;
    /** Those whose gradients are wanted. */
    readonly values: ReadonlySet<string>;
    readonly dtype: DType;
    /** Number of axes, of the body's values too. */
    readonly rankOf: (value: string) => number;
    /** Walks back through the body, adding to the gradients, and returns what that appended. */
    readonly walk: (path: GradientPath, gradients: Map<string, string>) => Node[];
  },
): [string, string][] {
  const prefix = `${node.outputs[0]!}/back`;
  const op = (opType: string, inputs: readonly string[], name: string): string =>
    builder.op(opType, inputs, { name: `${prefix}/${name}` });
  const zerosLike = (value: string): string =>
    op('Expand', [floatScalar(builder, 0, dtype), op('Shape', [value], 'shape')], 'zeros');
  const name = (wanted: string): string => builder.freshName(`${prefix}/${wanted}`);

  const outside = [...capturedValues(subgraphs(node)[0]!)].filter((value) => values.has(value));
  const sequences = node.inputs.slice(states.length);
  const read = rows.filter((_, i) => values.has(sequences[i]!));
  const given = outputs.flatMap((row, i) => {
    const gradient = gradients.get(node.outputs[states.length + i]!);
    return gradient === undefined ? [] : [{ row, gradient, name: name('row') }];
  });
  const after = states.map(() => name('state'));
  const sums = outside.map(() => name('sum'));
  const inner = new Map([
    ...nextStates.map((state, i): [string, string] => [state, after[i]!]),
    ...given.map(({ row, name: own }): [string, string] => [row, own]),
  ]);
  const path = findGradientPath({ nodes }, [...states, ...read, ...outside], [...inner.keys()], ruleOf);
  const body = [...nodes, ...walk(path, inner)];
  const emit = (opType: string, inputs: readonly string[]): string => {
    const output = name(opType);
    body.push(makeNode({ opType, name: output, inputs, outputs: [output] }));
    return output;
  };
  /** A value of its own: a body may not show one value twice, nor what it was given. */
  const shown = (value: string, like: string): string => {
    const gradient = inner.get(value);
    const zero = floatScalar(builder, 0, dtype);
    return gradient === undefined ? emit('Mul', [like, zero]) : emit('Identity', [gradient]);
  };
  const before = states.map((state) => shown(state, state));
  const added = outside.map((value, i) => {
    const gradient = inner.get(value);
    return gradient === undefined ? emit('Identity', [sums[i]!]) : emit('Add', [sums[i]!, gradient]);
  });
  const ofRows = read.map((row) => shown(row, row));
  const results = [...before, ...added, ...ofRows];
  const kept = removeUnused(graph({ nodes: body, inputs: [], outputs: results.map((value) => ({ name: value, docString: '', metadata: new Map() })) })); // prettier-ignore
  const targets = [
    ...node.inputs.slice(0, states.length),
    ...outside,
    ...sequences.filter((value) => values.has(value)),
  ];
  const found = targets.map(() => name('gradient'));
  builder.nodes.push(
    scanNode(kept.nodes, {
      states: [...after, ...sums],
      rows: [...states, ...rows, ...given.map((each) => each.name)],
      results,
      types: [...states, ...outside, ...read].map((value) => ({
        kind: 'tensor',
        dtype,
        shape: new Array<null>(rankOf(value)).fill(null),
      })),
      inputs: [
        ...states.map((_, i) => gradients.get(node.outputs[i]!) ?? zerosLike(node.outputs[i]!)),
        ...outside.map(zerosLike),
        ...entering,
        ...sequences,
        ...given.map(({ gradient }) => gradient),
      ],
      outputs: found,
      isBackwards: !isBackwards,
    }),
  );
  return targets.flatMap((value, i): [string, string][] => (values.has(value) ? [[value, found[i]!]] : []));
}
