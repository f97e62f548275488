/**
 * y = Loop(3, , x) { (i, c, v) → c, w = Mul(v, s) }  becomes  w = Mul(x, s); w_1 = Mul(w, s); y = Mul(w_1, s)
 *
 * Only where the number of rounds is a constant and no round can end the loop.
 */
import { toAttribute } from '../onnx/attributes.js';
import { capturedValues } from '../onnx/graph-index.js';
import { toInitializer } from '../onnx/initializer.js';
import { type Graph, type Initializer, type Node, node } from '../onnx/ir.js';
import { checked, int64 } from '../tensor/tensor.js';
import { countRounds, countRuns } from './loop-rounds.js';
import { namesOf } from './names-of.js';
import { renameScoped } from './rename-scoped.js';
import { UniqueNames } from './unique-names.js';
import { factsOf, type ValueFacts } from './value-facts.js';

/** Most nodes that the rounds of one loop may come to. */
const mostNodes = 20_000;

/** The graph with its countable loops written out, also those inside them; the same if there is none. */
export function unrollLoops(graph: Graph, opset: number): Graph {
  let unrolled = graph;
  for (let next = unrollOnce(unrolled, opset); next !== unrolled; next = unrollOnce(unrolled, opset)) {
    unrolled = next;
  }
  return unrolled;
}

function unrollOnce(graph: Graph, opset: number): Graph {
  const facts = factsOf(graph);
  const rounds = new Map(graph.nodes.map((row) => [row, countable(row, facts)] as const));
  if ([...rounds.values()].every((count) => count === undefined)) return graph;
  const taken = namesOf(graph);
  const values = new UniqueNames({ taken: taken.values });
  const names = new UniqueNames({ taken: taken.nodes });
  const initializers = new Map<string, Initializer>(graph.initializers);
  const nodes = graph.nodes.flatMap((row) => {
    const count = rounds.get(row);
    if (count === undefined) return [row];
    return unroll(row, { count, opset, initializers, values, names });
  });
  return { ...graph, nodes, initializers };
}

/** Undefined where that is not known before the model runs, or too many. */
function countable(row: Node, facts: ValueFacts): number | undefined {
  const count = countRounds(row, facts);
  if (count === undefined || count === 0) return undefined;
  const { value: body } = row.attributes.get('body') as { readonly value: Graph };
  if (body.sparseInitializers.length + body.quantization.length > 0) return undefined;
  const given = Math.max(2, row.inputs.length);
  const isWhole =
    body.inputs.length === given && body.outputs.length > Math.max(given - 2, row.outputs.length);
  // With the loops inside, which will be written out next.
  return isWhole && count * Math.max(1, countRuns(body, facts)) <= mostNodes ? count : undefined;
}

interface Place {
  readonly count: number;
  readonly opset: number;
  readonly initializers: Map<string, Initializer>;
  readonly values: UniqueNames;
  readonly names: UniqueNames;
}

function unroll(row: Node, { count, opset, initializers, values, names }: Place): Node[] {
  const body = (row.attributes.get('body') as { readonly value: Graph }).value;
  const prefix = row.name || row.outputs.find((output) => output !== '')!;
  const naming = {
    value: (name: string) => values.take(`${prefix}/${name}`),
    node: (name: string) => names.take(`${prefix}/${name}`),
  };
  const add = (initializer: Initializer, wanted: string): string => {
    const name = naming.value(wanted);
    initializers.set(name, { ...initializer, name });
    return name;
  };
  const common = new Map([...capturedValues(body)].map((name) => [name, name]));
  for (const [name, weight] of body.initializers) common.set(name, add(weight, name));
  const going = add(toInitializer('', checked('bool', [], Uint8Array.of(1))), 'condition');
  const carried = row.inputs.slice(2);
  const nodes: Node[] = [];
  const slices: string[][] = [];
  let states: readonly string[] = carried;
  for (let round = 0; round < count; round++) {
    const index = add(toInitializer('', int64([], [round])), 'round');
    const renamed = new Map(common);
    body.inputs.forEach(({ name }, i) => renamed.set(name, [index, going, ...states][i]!));
    nodes.push(...renameScoped(body.nodes, renamed, naming));
    const results = body.outputs.slice(1).map(({ name }) => renamed.get(name)!);
    states = results.slice(0, carried.length);
    slices.push(results.slice(carried.length));
  }
  const give = (opType: string, inputs: readonly string[], output: string, axis?: number): void =>
    void nodes.push(
      node({
        opType,
        name: names.take(output),
        inputs,
        outputs: [output],
        ...(axis !== undefined && { attributes: new Map([['axis', toAttribute(axis)]]) }),
      }),
    );
  row.outputs.forEach((output, i) => {
    if (output === '') return;
    if (i < carried.length) return give('Identity', [states[i]!], output);
    const rows = slices.map((results) => {
      const unsqueezed = naming.value(`${output}/row`);
      const data = results[i - carried.length]!;
      const axes =
        opset < 13
          ? { inputs: [data], attributes: new Map([['axes', toAttribute([0])]]) }
          : { inputs: [data, add(toInitializer('', int64([1], [0])), 'axes')] };
      nodes.push(node({ opType: 'Unsqueeze', name: names.take(unsqueezed), outputs: [unsqueezed], ...axes }));
      return unsqueezed;
    });
    return give('Concat', rows, output, 0);
  });
  return nodes;
}
