/**
 * Which initializers are weights, told by where they stand: the operands that training adjusts in the usual
 * operators. Running statistics, masks, position tables, epsilon and the like are not.
 */
import type { Graph, Initializer, Node } from '../onnx/ir.js';

/** Operands by operator; those of the `com.microsoft` kin have the same places. */
const weightInputs: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [0, 1, 2],
  MatMul: [0, 1],
  Einsum: [0, 1, 2],
  FusedMatMul: [0, 1],
  TransposeMatMul: [0, 1],
  FusedConv: [1, 2],
  FusedGemm: [0, 1, 2],
  BatchNormalization: [1, 2],
  LayerNormalization: [1, 2],
  SimplifiedLayerNormalization: [1],
  SkipLayerNormalization: [2, 3, 4],
  RMSNormalization: [1],
  InstanceNormalization: [1, 2],
  GroupNormalization: [1, 2],
  PRelu: [1],
  BiasGelu: [1],
  FastGelu: [1],
  SkipSimplifiedLayerNormalization: [2, 3],
  EmbedLayerNormalization: [5, 6],
  Attention: [1, 2],
  MultiHeadAttention: [3],
  RNN: [1, 2, 3],
  LSTM: [1, 2, 3],
  GRU: [1, 2, 3],
};

/** A bias or a scale along one axis: [C], [1,C,1,1], … */
const alongOneAxis = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Operators that hand numbers on as they are, in other places or of another type. */
const handingOn = new Set(
  'Cast Concat Flatten Identity Reshape Slice Split Squeeze Transpose Unsqueeze'.split(' '),
);

/**
 * Names of the float32 initializers of the graph that stand where weights stand, in the order they are first read.
 * @param nodes - by which they are to be read
 */
export function weightsOf(graph: Graph, nodes: readonly Node[] = graph.nodes): string[] {
  const { initializers } = graph;
  return [...standingAsWeights(graph, initializers, nodes)].filter(
    (name) => initializers.get(name)!.dtype === 'float32',
  );
}

type Tensors = ReadonlyMap<string, Pick<Initializer, 'dims'>>;

/** Which of these tensors, by the names of their values in the graph, stand where weights stand. */
export function standingAsWeights(
  graph: Graph,
  tensors: Tensors,
  nodes: readonly Node[] = graph.nodes,
): Set<string> {
  const found = new Set<string>();
  const behind = tensorsBehind(graph, tensors);
  for (const node of nodes) {
    node.inputs.forEach((input, i) => {
      for (const name of behind(input)) if (isWeight(node, i, tensors.get(name)!.dims)) found.add(name);
    });
  }
  return found;
}

/**
 * Which tensors a value is made of, where it is made of nothing else: exporters that fold no constants turn weights, cut
 * them and put them together in front of the node that reads them.
 */
export function tensorsBehind({ nodes }: Graph, tensors: Tensors): (value: string) => readonly string[] {
  const known = new Map<string, readonly string[]>([...tensors.keys()].map((name) => [name, [name]]));
  for (const { opType, domain, inputs, outputs } of nodes) {
    if (domain !== '' || !handingOn.has(opType)) continue;
    const sources = (opType === 'Concat' ? inputs : inputs.slice(0, 1)).map((name) => known.get(name));
    if (!sources.every((names) => names !== undefined)) continue;
    for (const output of outputs) known.set(output, [...new Set(sources.flat())]);
  }
  return (value) => known.get(value) ?? [];
}

function isWeight({ opType }: Node, input: number, dims: readonly number[]): boolean {
  if (alongOneAxis.has(opType)) return dims.filter((dim) => dim !== 1).length === 1;
  return weightInputs[opType]?.includes(input) ?? false;
}
