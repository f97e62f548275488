/** Where a new head may stand, found by the structure of the graph and the shapes of a probe run. */
import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, Model, Node } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import type { Pool } from './pool-features.js';
import { removeUnused } from './remove-unused.js';

export interface FeatureLayer {
  readonly name: string;
  /** Shape for one example, batch first. */
  readonly shape: readonly number[];
  /** Numbers in a feature vector after `pool`. */
  readonly dim: number;
  readonly pool: Pool;
  readonly recommended: boolean;
  readonly reason: string;
  /** Numbers in the weights that only what follows needs. */
  readonly parametersAfter: number;
}

type Candidate = Pick<FeatureLayer, 'name' | 'shape' | 'dim' | 'pool' | 'reason'>;

/**
 * Candidates in the order of the graph. Recommended is what stood before the old classifier, else the last tokens of
 * a transformer, else the deepest stage of a convolutional network.
 * @param shapes - of every value, from a run on one example
 */
export function listFeatureLayers(
  model: Model,
  shapes: ReadonlyMap<string, readonly number[]>,
): FeatureLayer[] {
  const { graph } = model;
  const stages = stageEnds(graph, shapes);
  const tokens = blockEnds(graph, shapes);
  const before = beforeClassifier(graph, shapes);
  const candidates = [...stages, ...tokens, ...(before ? [before] : [])];
  const recommended = before ?? tokens.at(-1) ?? stages.at(-1);
  const order = new Map(graph.nodes.flatMap(({ outputs }, i) => outputs.map((name) => [name, i] as const)));
  const total = countParameters(graph);
  const unique = new Map(candidates.map((candidate) => [candidate.name, candidate]));
  return [...unique.values()]
    .sort((a, b) => order.get(a.name)! - order.get(b.name)!)
    .map((candidate) => ({
      ...candidate,
      recommended: candidate.name === recommended?.name,
      parametersAfter: total - parametersBefore(graph, candidate.name),
    }));
}

/** What enters the last Gemm or MatMul with weights: [1, D]. */
function beforeClassifier(
  graph: Graph,
  shapes: ReadonlyMap<string, readonly number[]>,
): Candidate | undefined {
  const { producer } = indexGraph(graph);
  const isWeight = (name: string): boolean =>
    graph.initializers.has(name) || producer(name)?.opType === 'Constant';
  const classifier = graph.nodes.findLast(
    ({ opType, inputs }) => (opType === 'Gemm' || opType === 'MatMul') && isWeight(inputs[1] ?? ''),
  );
  const name = classifier?.inputs[0];
  const shape = name === undefined ? undefined : shapes.get(name);
  const classes = classifier && shapes.get(classifier.outputs[0]!);
  if (!classifier || name === undefined || shape?.length !== 2 || classes?.length !== 2) return undefined;
  if (!producer(name)) return undefined;
  return {
    name,
    shape,
    dim: shape[1]!,
    pool: 'none',
    reason: `it enters the old classifier of ${classes[1]} classes`,
  };
}

/** The widest, then latest, value of each spatial size while the size still shrinks: the ends of a CNN's stages. */
function stageEnds(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>): Candidate[] {
  const ends: Candidate[] = [];
  let smallest = Number.POSITIVE_INFINITY;
  for (const { outputs, opType } of graph.nodes) {
    const name = outputs[0]!;
    const shape = shapes.get(name);
    if (shape?.length !== 4 || shape[0] !== 1 || opType === 'Constant' || opType === 'Transpose') continue;
    const [, channels, height, width] = shape as [number, number, number, number];
    const area = height * width;
    if (area <= 1 || area > smallest) continue;
    const size = `${height}x${width}`;
    const candidate: Candidate = {
      name,
      shape,
      dim: channels,
      pool: 'avg',
      reason: `end of the stage of ${channels} channels at ${size}`,
    };
    if (area < smallest) ends.push(candidate);
    else if (channels >= ends.at(-1)!.dim) ends[ends.length - 1] = candidate;
    smallest = area;
  }
  return ends.slice(-5);
}

/** Tokens [1, T, D] where a residual connection ends, or that a last normalisation makes of them. */
function blockEnds(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>): Candidate[] {
  const isTokens = (name: string): boolean => {
    const shape = shapes.get(name);
    return shape?.length === 3 && shape[0] === 1 && shape[2]! > 1;
  };
  const { producer } = indexGraph(graph);
  const isResidual = ({ opType, inputs }: Node): boolean =>
    opType === 'Add' &&
    inputs.every(
      (input) => isTokens(input) && producer(input) !== undefined && sizeOf(shapes.get(input)!) > 1,
    );
  const residuals = graph.nodes.filter((node) => isResidual(node) && isTokens(node.outputs[0]!));
  const last = graph.nodes.findLast(
    ({ opType, inputs }) => opType === 'LayerNormalization' && isTokens(inputs[0]!),
  );
  // Every second residual ends a block: attention first, then the feed-forward part.
  const ends = residuals.filter((_, i) => i % 2 === 1).slice(-4);
  return [...ends, ...(last && residuals.length > 0 ? [last] : [])].map(({ outputs, opType }) => {
    const name = outputs[0]!;
    const shape = shapes.get(name)!;
    return {
      name,
      shape,
      dim: shape[2]!,
      pool: 'mean',
      reason: opType === 'Add' ? 'end of a transformer block' : 'the last normalised tokens',
    };
  });
}

function countParameters({ initializers }: Graph): number {
  return [...initializers.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0);
}

function parametersBefore(graph: Graph, name: string): number {
  return countParameters(removeUnused({ ...graph, outputs: [{ name, docString: '', metadata: new Map() }] }));
}
