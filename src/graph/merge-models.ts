/** Two models in one: what the first computes, the second goes on with. */
import { invalidArgument } from '../errors.js';
import { toAttribute } from '../onnx/attributes.js';
import { type Graph, type Model, type Node, node, type ValueInfo, type ValueType } from '../onnx/ir.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { alignOpsets } from './align-opsets.js';
import { EqualDimensions } from './equal-dimensions.js';
import { type Connections, castTarget, findSeams, joinSeams, type Seam } from './find-seams.js';
import { mergeFunctions } from './merge-functions.js';
import { type NamePlan, planNames } from './plan-names.js';
import { renameGraph } from './rename-graph.js';

export interface MergeOptions {
  /** An output (or input) of the first model → the input, or inputs, of the second that take it. */
  readonly connect: Connections;
  /** Connected outputs of the first model that stay outputs of the whole. */
  readonly keep?: readonly string[];
  /** Put before the names inside a model: its values, nodes and weights, not its inputs and outputs. */
  readonly prefix?: { readonly first?: string; readonly second?: string };
  /** Converts where the two sides of a seam are of different float types, which is an error otherwise. */
  readonly castFloats?: boolean;
}

/**
 * The merged model. Inputs: the first model's, then those of the second that nothing is connected to. Outputs: those of
 * the first that are not connected, or are kept; then the second's.
 *
 * - Names stay where they can. One that both models use stays with an input or output before an inner value, and with
 *   the first model before the second; the other gets a number: `x` becomes `x_1`. Nodes, weights, what is inside
 *   subgraphs, functions and symbolic dimensions alike.
 * - The model of the older operator set is upgraded to the newer one.
 * - Sizes and symbols that meet at a seam become equal in the whole model, so declared shapes stay right.
 * - Metadata of both; where both have a key, the second's.
 *
 * @throws GraftError UNKNOWN_VALUE for a name in `connect` that is not there, INVALID_ARGUMENT where the types at a
 *   seam differ, UNSUPPORTED_MODEL where the operator sets cannot be reconciled.
 * @example mergeModels(backbone, head, { connect: { features: 'x' } })
 */
export function mergeModels(first: Model, second: Model, options: MergeOptions): Model {
  const { keep = [], prefix = {}, castFloats = false } = options;
  [first, second] = alignOpsets(first, second);
  const seams = findSeams(first, second, options.connect);
  const unconnected = keep.filter((name) => !seams.some(({ from }) => from.name === name));
  if (unconnected.length > 0) throw invalidArgument('keep', 'connected outputs', unconnected.join(', '));
  const dimensions = new EqualDimensions();
  const types = joinSeams(seams, dimensions, castFloats);

  const consumed = new Set(seams.map(({ from }) => from.name).filter((name) => !keep.includes(name)));
  const connected = new Map(seams.map(({ from, to }) => [to.name, from.name]));
  const front = withSeamTypes(first.graph, types, consumed);
  const back = withoutDefaults(second.graph, connected);
  const namesOfInterface = ({ inputs, outputs }: Graph): string[] =>
    [...inputs, ...outputs].map(({ name }) => name);
  const plan = planNames(first, second, {
    connected,
    interfaces: {
      first: namesOfInterface(front),
      second: namesOfInterface(back).filter((name) => !connected.has(name)),
    },
    dimensions,
    prefix,
  });
  const casts = castNodes(seams, plan);
  const functions = mergeFunctions(first, second);
  const a = renameGraph(front, { ...plan.first, operator: functions.first });
  const b = renameGraph(back, {
    ...plan.second,
    value: (name) => casts.get(name)?.outputs[0] ?? plan.second.value(name),
    operator: functions.second,
  });
  const { outputs, copies } = distinctOutputs([...a.outputs, ...b.outputs], a.inputs, plan);
  return {
    // Below IR version 4 every weight had to be an input as well.
    irVersion: Math.max(first.irVersion, second.irVersion, 4),
    opsets: new Map([...first.opsets, ...second.opsets]),
    producerName: 'onnx-graft',
    producerVersion: '',
    domain: first.domain,
    modelVersion: first.modelVersion,
    docString: joinTexts(first.docString, second.docString, '\n'),
    metadata: new Map([...first.metadata, ...second.metadata]),
    functions: functions.functions,
    // The second model's unknown fields may hold names that have changed.
    ...(first.unknownFields && { unknownFields: first.unknownFields }),
    graph: {
      ...a,
      name: joinTexts(a.name, b.name, '_'),
      docString: joinTexts(a.docString, b.docString, '\n'),
      nodes: [...a.nodes, ...casts.values(), ...b.nodes, ...copies],
      inputs: [...a.inputs, ...b.inputs],
      outputs,
      initializers: new Map([...a.initializers, ...b.initializers]),
      sparseInitializers: [...a.sparseInitializers, ...b.sparseInitializers],
      valueInfo: new Map([...a.valueInfo, ...b.valueInfo]),
      quantization: [...a.quantization, ...b.quantization],
      metadata: new Map([...a.metadata, ...b.metadata]),
    },
  };
}

/** The first graph as it is in the whole: what the seams tell is noted, and consumed outputs are inner values. */
function withSeamTypes(
  graph: Graph,
  types: ReadonlyMap<string, ValueType>,
  consumed: ReadonlySet<string>,
): Graph {
  const typed = (info: ValueInfo): ValueInfo => {
    const type = types.get(info.name);
    return type ? { ...info, type } : info;
  };
  const inputs = graph.inputs.map(typed);
  const outputs = graph.outputs.map(typed);
  // Inputs, and weights that are outputs, are no inner values.
  const declared = new Set([...inputs.map(({ name }) => name), ...graph.initializers.keys()]);
  const inner = outputs.filter(({ name }) => consumed.has(name) && !declared.has(name));
  return {
    ...graph,
    inputs,
    outputs: outputs.filter(({ name }) => !consumed.has(name)),
    valueInfo: new Map([...graph.valueInfo, ...inner.map((info) => [info.name, info] as const)]),
  };
}

/** The second graph without the inputs that are given, and without the defaults that they had. */
function withoutDefaults(graph: Graph, connected: ReadonlyMap<string, string>): Graph {
  return {
    ...graph,
    inputs: graph.inputs.filter(({ name }) => !connected.has(name)),
    initializers: new Map([...graph.initializers].filter(([name]) => !connected.has(name))),
    sparseInitializers: graph.sparseInitializers.filter(({ values }) => !connected.has(values.name)),
    valueInfo: new Map([...graph.valueInfo].filter(([name]) => !connected.has(name))),
    quantization: graph.quantization.filter(({ tensorName }) => !connected.has(tensorName)),
  };
}

/** By the second model's input: the node that converts what it is given. */
function castNodes(seams: readonly Seam[], plan: NamePlan): Map<string, Node> {
  const casts = new Map<string, Node>();
  for (const seam of seams) {
    const dtype = castTarget(seam);
    if (!dtype) continue;
    const source = plan.first.value(seam.from.name);
    const wanted = `${source}/${dtype}`;
    casts.set(
      seam.to.name,
      node({
        opType: 'Cast',
        name: plan.freshNode(wanted),
        inputs: [source],
        outputs: [plan.freshValue(wanted)],
        attributes: new Map([['to', toAttribute(dtypeInfo(dtype).code)]]),
      }),
    );
  }
  return casts;
}

/** Outputs that the second model passes through would be the first's values again: those become copies. */
function distinctOutputs(
  outputs: readonly ValueInfo[],
  inputs: readonly ValueInfo[],
  plan: NamePlan,
): { outputs: ValueInfo[]; copies: Node[] } {
  const seen = new Set(inputs.map(({ name }) => name));
  const copies: Node[] = [];
  const distinct = outputs.map((info) => {
    if (!seen.has(info.name)) {
      seen.add(info.name);
      return info;
    }
    const copy = plan.freshValue(info.name);
    copies.push(
      node({ opType: 'Identity', name: plan.freshNode(copy), inputs: [info.name], outputs: [copy] }),
    );
    seen.add(copy);
    return { ...info, name: copy };
  });
  return { outputs: distinct, copies };
}

function joinTexts(first: string, second: string, separator: string): string {
  return [first, second].filter((text) => text !== '').join(separator);
}
