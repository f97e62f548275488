/** A Scan of our own: steps over a sequence of any length, whose body the gradient can be walked back through. */
import { toAttribute } from '../../onnx/attributes.js';
import { graph, node as makeNode, type Node, type ValueInfo, type ValueType } from '../../onnx/ir.js';

export interface Steps {
  /** Before the first step. */
  readonly states: readonly string[];
  /** [steps, ...]; each step reads one row of each. */
  readonly inputs: readonly string[];
  /** The last row comes first, and rows of output lie where their input lay. */
  readonly isBackwards: boolean;
  /** Appends the nodes of one step. It may read values from outside too. */
  readonly step: (
    states: readonly string[],
    rows: readonly string[],
  ) => {
    /** The next states, of the same shapes. */
    readonly states: readonly string[];
    /** Rows of the outputs. */
    readonly outputs: readonly string[];
  };
}

/** What a step is made of. Names of its body, but for `node` and `entering`. */
export interface ScanBody {
  /** Inputs: first states, sequences. Outputs: last states, sequences of outputs, `entering`. */
  readonly node: Node;
  readonly nodes: readonly Node[];
  readonly states: readonly string[];
  readonly rows: readonly string[];
  readonly nextStates: readonly string[];
  readonly outputs: readonly string[];
  /** The states before each step, [steps, ...]. */
  readonly entering: readonly string[];
  readonly isBackwards: boolean;
}

/** What writes down the values and the nodes of a scan. */
export interface ScanWriter {
  /** A value that is new, of these dims, called somewhat like that. */
  name(like: string, dims: readonly number[]): string;
  shape(value: string): readonly number[];
  /** Appends a node that gives the value once more. */
  copy(value: string): string;
  /** The nodes that are appended meanwhile, which are not among the others. */
  record(write: () => void): readonly Node[];
}

/** The scan and what it gives. Of its nodes the one of `body` is yet to be appended. */
export function scanOf(
  { states, inputs, isBackwards, step }: Steps,
  { name, shape, copy, record }: ScanWriter,
): {
  readonly body: ScanBody;
  /** After the last step. */
  readonly states: readonly string[];
  /** [steps, ...] */
  readonly outputs: readonly string[];
} {
  const own = states.map((state) => name('state', shape(state)));
  const rows = inputs.map((input) => name('row', shape(input).slice(1)));
  let nextStates: readonly string[] = [];
  let outputs: readonly string[] = [];
  let before: readonly string[] = [];
  const nodes = record(() => {
    const done = step(own, rows);
    // A body may not show one value twice, nor what it was given.
    nextStates = done.states.map(copy);
    outputs = done.outputs.map(copy);
    before = own.map(copy);
  });
  const length = shape(inputs[0]!)[0]!;
  const sequence = (value: string): string => name('sequence', [length, ...shape(value)]);
  const last = nextStates.map((value) => name('last', shape(value)));
  const sequences = outputs.map(sequence);
  const entering = before.map(sequence);
  const node = scanNode(nodes, {
    states: own,
    rows,
    results: [...nextStates, ...outputs, ...before],
    inputs: [...states, ...inputs],
    outputs: [...last, ...sequences, ...entering],
    isBackwards,
  });
  const body = { node, nodes, states: own, rows, nextStates, outputs, entering, isBackwards };
  return { body, states: last, outputs: sequences };
}

/** @param outputs - last states, then sequences */
export function scanNode(
  nodes: readonly Node[],
  {
    states,
    rows,
    results,
    types,
    inputs,
    outputs,
    isBackwards,
  }: {
    readonly states: readonly string[];
    readonly rows: readonly string[];
    /** Of the body: next states, then rows of output. */
    readonly results: readonly string[];
    /** Of these. ONNX Runtime wants to know their ranks, and before opset 13 does not follow a Reshape to what Shape gives. */
    readonly types?: readonly ValueType[];
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
    readonly isBackwards: boolean;
  },
): Node {
  const value = (name: string): ValueInfo => ({ name, docString: '', metadata: new Map() });
  const body = graph({
    name: 'step',
    nodes,
    inputs: [...states, ...rows].map(value),
    outputs: results.map((name, i) => (types ? { ...value(name), type: types[i]! } : value(name))),
  });
  const directions = (count: number) => toAttribute(new Array<number>(count).fill(isBackwards ? 1 : 0));
  return makeNode({
    opType: 'Scan',
    name: outputs[0]!,
    inputs,
    outputs,
    attributes: new Map([
      ['body', toAttribute(body)],
      ['num_scan_inputs', toAttribute(rows.length)],
      ['scan_input_directions', directions(rows.length)],
      ['scan_output_directions', directions(results.length - states.length)],
    ]),
  });
}
