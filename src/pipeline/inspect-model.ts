/** `graft inspect`: what a model file holds, and where a new head may stand. */
import { dropInitializerInputs } from '../graph/drop-initializer-inputs.js';
import { type FeatureLayer, listFeatureLayers } from '../graph/feature-layers.js';
import type { Dimension } from '../onnx/ir.js';
import { readModel } from '../onnx/read-model.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { sizeOf } from '../tensor/shape.js';

export interface Inspection {
  readonly model: string;
  readonly irVersion: number;
  readonly producer: string;
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly Dimension[];
  }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly dtype: string;
    readonly shape: readonly Dimension[];
  }[];
  readonly opsets: Readonly<Record<string, number>>;
  /** Numbers in all initializers. */
  readonly parameters: number;
  readonly operators: Readonly<Record<string, number>>;
  readonly featureLayers: readonly FeatureLayer[];
}

export async function inspectModel(file: string): Promise<Inspection> {
  const model = dropInitializerInputs(await readModel(file));
  const { graph } = model;
  const describe = ({ name, type }: (typeof graph.inputs)[number]) =>
    type?.kind === 'tensor'
      ? { name, dtype: type.dtype as string, shape: type.shape ?? [] }
      : { name, dtype: type?.kind ?? 'unknown', shape: [] };
  const operators = new Map<string, number>();
  for (const { opType } of graph.nodes) operators.set(opType, (operators.get(opType) ?? 0) + 1);
  return {
    model: file,
    irVersion: model.irVersion,
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    inputs: graph.inputs.map(describe),
    outputs: graph.outputs.map(describe),
    opsets: Object.fromEntries([...model.opsets].map(([domain, version]) => [domain || 'ai.onnx', version])),
    parameters: [...graph.initializers.values()].reduce((sum, { dims }) => sum + sizeOf(dims), 0),
    operators: Object.fromEntries([...operators].sort(([, a], [, b]) => b - a)),
    featureLayers: listFeatureLayers(model, await probeShapes(model)),
  };
}
