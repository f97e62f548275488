/**
 * y = If(c) then { t = Mul(x, w); out = Relu(t) } else { … }  with c true  becomes  If/t = Mul(x, w); y = Relu(If/t)
 */
import { subgraphs } from '../onnx/attributes.js';
import { capturedValues } from '../onnx/graph-index.js';
import { type Graph, type Initializer, type Node, node, type ValueInfo } from '../onnx/ir.js';
import { namesOf } from './names-of.js';
import { keepNames, renameGraph } from './rename-graph.js';
import { renameScoped } from './rename-scoped.js';
import { UniqueNames } from './unique-names.js';

/** The graph with the nodes of one branch in the place of each If whose condition is known, or the same if there is none. */
export function takeBranches(graph: Graph, conditions: ReadonlyMap<string, boolean>): Graph {
  const taken = namesOf(graph);
  const [values, names] = [new UniqueNames({ taken: taken.values }), new UniqueNames({ taken: taken.nodes })];
  const nodes: Node[] = [];
  const initializers = new Map<string, Initializer>(graph.initializers);
  const valueInfo = new Map<string, ValueInfo>(graph.valueInfo);
  for (const row of graph.nodes) {
    const body = branchOf(row, conditions);
    if (!body) {
      nodes.push(row);
      continue;
    }
    const renamed = new Map([...capturedValues(body)].map((name) => [name, name]));
    const copies: Node[] = [];
    body.outputs.forEach(({ name }, i) => {
      const output = row.outputs[i] ?? '';
      if (output === '') return;
      const given = renamed.get(name);
      // A value from outside, a weight, or a result that is given twice.
      if (given === undefined && !body.initializers.has(name)) renamed.set(name, output);
      else copies.push(node({ opType: 'Identity', inputs: [name], outputs: [output] }));
    });
    const prefix = row.name || row.outputs[0]!;
    const naming = {
      value: (name: string) => values.take(within(prefix, name)),
      node: (name: string) => names.take(within(prefix, name)),
    };
    for (const row of renameScoped(body.nodes, renamed, naming)) nodes.push(row);
    const value = (name: string): string => {
      if (!renamed.has(name)) renamed.set(name, naming.value(name));
      return renamed.get(name)!;
    };
    const moved = renameGraph({ ...body, nodes: [], outputs: [] }, { ...keepNames, value });
    for (const [name, weight] of moved.initializers) initializers.set(name, weight);
    for (const [name, info] of moved.valueInfo) if (!valueInfo.has(name)) valueInfo.set(name, info);
    for (const copy of copies) nodes.push({ ...copy, inputs: copy.inputs.map(value) });
  }
  return nodes.some((row, i) => row !== graph.nodes[i])
    ? { ...graph, nodes, initializers, valueInfo }
    : graph;
}

/**
 * A branch of a branch that was taken has the outer one's name in its own already.
 * @example within('outer/inner', 'outer/w') // 'outer/inner/w'
 */
function within(prefix: string, name: string): string {
  const [before, own] = [prefix.split('/'), name.split('/')];
  const shared = own.findIndex((part, i) => part !== before[i]);
  return `${prefix}/${own.slice(shared < 0 ? own.length - 1 : shared).join('/')}`;
}

function branchOf(row: Node, conditions: ReadonlyMap<string, boolean>): Graph | undefined {
  const condition = row.opType === 'If' && row.domain === '' ? conditions.get(row.inputs[0]!) : undefined;
  if (condition === undefined) return undefined;
  const branch = row.attributes.get(condition ? 'then_branch' : 'else_branch');
  if (branch?.kind !== 'graph' || subgraphs(row).length !== 2) return undefined;
  const { sparseInitializers, quantization, inputs } = branch.value;
  return sparseInitializers.length + quantization.length + inputs.length === 0 ? branch.value : undefined;
}
