/** From a feature layer to one vector an example. */
import { GraftError } from '../errors.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import { type DType, dtypeInfo } from '../tensor/dtype.js';
import { cutModel } from './cut-model.js';
import { poolTokens, type TokenMask } from './pool-tokens.js';
import { valueDtype } from './value-dtype.js';

/**
 * avg, max: over all positions of [N, C, …]; mean: over the tokens of [N, T, C] or the
 * positions of [N, H, W, C]; cls, last: the first or last token; none: flattened. Of the tokens of a text those that it
 * was filled up with do not count, and avg and max are over tokens too.
 */
export type Pool = 'avg' | 'max' | 'mean' | 'cls' | 'last' | 'none';

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
  /** Of a text model: what tells which tokens are real. */
  readonly mask?: TokenMask | undefined;
}

/**
 * Cuts the model at `value` and pools it.
 * @param shape - the value's real shape, batch first
 * @throws GraftError UNSUPPORTED_MODEL where the pooling does not suit the shape.
 */
export function poolFeatures(model: Model, value: string, pooling: Omit<LayerPooling, 'value'>): PooledModel {
  const { model: pooled, outputs } = poolLayers(model, [{ value, ...pooling }]);
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
    ...model.graph.inputs.map(({ name }) => name),
    ...graph.nodes.flatMap(({ outputs, name }) => [...outputs, name]),
  ];
  const builder = new GraphBuilder({ opset: cut.opsets.get('') ?? 17, taken });
  const outputs = layers.map((layer) => {
    const dtype = valueDtype(model.graph, layer.value);
    return appendPooling(builder, layer, dtype);
  });
  // Pooling may read an input that the layer itself does not depend on.
  const read = new Set(builder.nodes.flatMap(({ inputs }) => inputs));
  const inputs = model.graph.inputs.filter(
    (input) => read.has(input.name) || graph.inputs.some(({ name }) => name === input.name),
  );
  return {
    model: {
      ...cut,
      graph: {
        ...graph,
        inputs,
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
  { value: layer, pool, shape, mask }: LayerPooling,
  dtype: DType,
): { name: string; dim: number } {
  const rank = shape.length;
  // Features are float32 whatever the backbone computes in; the scale of quantised ones is the head's to learn.
  const value =
    dtype === 'float32'
      ? layer
      : builder.op('Cast', [layer], {
          name: 'features/float32',
          attributes: { to: dtypeInfo('float32').code },
        });
  if (mask && rank === 3 && shape[1] === mask.length && pool !== 'none') {
    return { name: poolTokens(builder, value, pool, mask), dim: shape[2]! };
  }
  let pooled: string;
  let dim: number;
  if (pool === 'none') {
    if (mask && !mask.isFixed && rank > 2 && shape[1] === mask.length) {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `--pool none does not suit layer "${layer}": it has as many tokens as a text, and features are of one length; take mean, max, cls or last.`,
      );
    }
    dim = shape.slice(1).reduce((product, size) => product * size, 1);
    pooled = builder.op('Flatten', [value], { name: 'features', attributes: { axis: 1 } });
  } else if ((pool === 'avg' || pool === 'max') && rank >= 3) {
    dim = shape[1]!;
    const mean = builder.op(pool === 'avg' ? 'GlobalAveragePool' : 'GlobalMaxPool', [value], {
      name: 'features/pool',
    });
    pooled = builder.op('Flatten', [mean], { name: 'features', attributes: { axis: 1 } });
  } else if (pool === 'mean' && rank >= 3) {
    dim = shape.at(-1)!;
    const axes = Array.from({ length: rank - 2 }, (_, i) => i + 1);
    // The axes of ReduceMean moved from attribute to input with opset 18.
    const attributes = { keepdims: 0 };
    pooled =
      builder.opset < 18
        ? builder.op('ReduceMean', [value], { name: 'features', attributes: { ...attributes, axes } })
        : builder.op('ReduceMean', [value, builder.ints(axes)], { name: 'features', attributes });
  } else if ((pool === 'cls' || pool === 'last') && rank === 3) {
    dim = shape[2]!;
    const first = builder.op('Gather', [value, builder.ints([pool === 'cls' ? 0 : -1])], {
      name: `features/${pool}`,
      attributes: { axis: 1 },
    });
    pooled = builder.op('Flatten', [first], { name: 'features', attributes: { axis: 1 } });
  } else {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `--pool ${pool} does not suit layer "${layer}" of shape ${formatShape(shape)}: avg and max take [N,C,…], ` +
        'mean takes [N,…,C], cls and last take [N,T,C], none takes any.',
    );
  }
  return { name: pooled, dim };
}
