/** From a feature layer to one vector an example. */
import { GraftError } from '../errors.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import { cutModel } from './cut-model.js';

/**
 * avg, max: over all positions of [N, C, …]; mean: over the tokens of [N, T, C]; cls: its first token; none: flattened.
 */
export type Pool = 'avg' | 'max' | 'mean' | 'cls' | 'none';

export interface PooledModel {
  readonly model: Model;
  /** The one output, float32 [batch, dim]. */
  readonly output: string;
  readonly dim: number;
}

export interface PooledLayers {
  /** Its outputs are those of `outputs`, in order. */
  readonly model: Model;
  readonly outputs: readonly { readonly name: string; readonly dim: number }[];
}

export interface LayerPooling {
  readonly value: string;
  readonly pool: Pool;
  /** The value's real shape, batch first. */
  readonly shape: readonly number[];
}

/**
 * Cuts the model at `value` and pools it.
 * @param shape - the value's real shape, batch first
 * @throws GraftError UNSUPPORTED_MODEL where the pooling does not suit the shape.
 */
export function poolFeatures(
  model: Model,
  value: string,
  { pool, shape }: { pool: Pool; shape: readonly number[] },
): PooledModel {
  const { model: pooled, outputs } = poolLayers(model, [{ value, pool, shape }]);
  const [{ name, dim }] = outputs as [{ name: string; dim: number }];
  return { model: pooled, output: name, dim };
}

/**
 * Cuts the model at several values and pools each.
 * @throws GraftError UNSUPPORTED_MODEL where a pooling does not suit its shape.
 */
export function poolLayers(model: Model, layers: readonly LayerPooling[]): PooledLayers {
  const cut = cutModel(model, [...new Set(layers.map(({ value }) => value))]);
  const { graph } = cut;
  const taken = [
    ...graph.initializers.keys(),
    ...graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs, name }) => [...outputs, name]),
  ];
  const builder = new GraphBuilder({ opset: cut.opsets.get('') ?? 17, taken });
  const outputs = layers.map((layer) => appendPooling(builder, layer));
  return {
    model: {
      ...cut,
      graph: {
        ...graph,
        nodes: [...graph.nodes, ...builder.nodes],
        initializers: new Map([...graph.initializers, ...builder.initializers]),
        outputs: outputs.map(({ name, dim }) => tensorValue(name, 'float32', ['batch', dim])),
      },
    },
    outputs,
  };
}

function appendPooling(
  builder: GraphBuilder,
  { value, pool, shape }: LayerPooling,
): { name: string; dim: number } {
  const rank = shape.length;
  let pooled: string;
  let dim: number;
  if (pool === 'none') {
    dim = shape.slice(1).reduce((product, size) => product * size, 1);
    pooled = builder.op('Flatten', [value], { name: 'features', attributes: { axis: 1 } });
  } else if ((pool === 'avg' || pool === 'max') && rank >= 3) {
    dim = shape[1]!;
    const mean = builder.op(pool === 'avg' ? 'GlobalAveragePool' : 'GlobalMaxPool', [value], {
      name: 'features/pool',
    });
    pooled = builder.op('Flatten', [mean], { name: 'features', attributes: { axis: 1 } });
  } else if (pool === 'mean' && rank === 3) {
    dim = shape[2]!;
    // The axes of ReduceMean moved from attribute to input with opset 18.
    const attributes = { keepdims: 0 };
    pooled =
      builder.opset < 18
        ? builder.op('ReduceMean', [value], { name: 'features', attributes: { ...attributes, axes: [1] } })
        : builder.op('ReduceMean', [value, builder.ints([1])], { name: 'features', attributes });
  } else if (pool === 'cls' && rank === 3) {
    dim = shape[2]!;
    const first = builder.op('Gather', [value, builder.ints([0])], {
      name: 'features/cls',
      attributes: { axis: 1 },
    });
    pooled = builder.op('Flatten', [first], { name: 'features', attributes: { axis: 1 } });
  } else {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `--pool ${pool} does not suit layer "${value}" of shape ${formatShape(shape)}: avg and max take [N,C,…], ` +
        'mean and cls take [N,T,C], none takes any.',
    );
  }
  return { name: pooled, dim };
}
