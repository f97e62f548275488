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
  FusedMatMul: [0, 1],
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
  RNN: [1, 2, 3],
  LSTM: [1, 2, 3],
  GRU: [1, 2, 3],
};

/** A bias or a scale along one axis: [C], [1,C,1,1], … */
const alongOneAxis = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Names of the float32 initializers of the graph that stand where weights stand, in the order they are first read. */
export function weightsOf(graph: Graph): string[] {
  const { initializers } = graph;
  return [...standingAsWeights(graph, initializers)].filter(
    (name) => initializers.get(name)!.dtype === 'float32',
  );
}

/** Which of these tensors, by the names of their values in the graph, stand where weights stand. */
export function standingAsWeights(
  { nodes }: Graph,
  tensors: ReadonlyMap<string, Pick<Initializer, 'dims'>>,
): Set<string> {
  const found = new Set<string>();
  for (const node of nodes) {
    node.inputs.forEach((input, i) => {
      const tensor = tensors.get(input);
      if (tensor && isWeight(node, i, tensor.dims)) found.add(input);
    });
  }
  return found;
}

function isWeight({ opType }: Node, input: number, dims: readonly number[]): boolean {
  if (alongOneAxis.has(opType)) return dims.filter((dim) => dim !== 1).length === 1;
  return weightInputs[opType]?.includes(input) ?? false;
}
