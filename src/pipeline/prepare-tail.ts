/** Cuts a prepared backbone once more, where training is to begin: what is cached, and what is trained on it. */
import { halfToFloat32 } from '../graph/half-to-float32.js';
import { raiseOpset } from '../graph/opset/raise-opset.js';
import { splitAfter } from '../graph/split-after.js';
import { factsOf } from '../graph/value-facts.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tail } from '../train/tail-step.js';
import type { Backbone } from './prepare-backbone.js';
import { exampleDims } from '../models/input-spec.js';
import { GraftError } from '../errors.js';

export interface UnfrozenBackbone {
  /** As it was given: up to the pooled features. */
  readonly backbone: Backbone;
  /** Computes the activations at the cut as one row, [batch, activations], in place of the features. */
  readonly frozen: Backbone;
  readonly tail: Tail;
}

/**
 * @param unfreeze - value of the backbone after which everything is trained
 * @throws GraftError UNKNOWN_VALUE, USAGE for a text backbone, or UNSUPPORTED_MODEL where the cut leaves nothing to train or values that are not
 *   float32 cross it.
 */
export async function prepareTail(backbone: Backbone, unfreeze: string): Promise<UnfrozenBackbone> {
  if (backbone.input.kind === 'tokens') {
    throw new GraftError(
      'USAGE',
      '--unfreeze is for images; the layers of a text backbone stay as they are. Leave --unfreeze away.',
    );
  }
  const split = splitAfter(backbone.features, unfreeze);
  const shapes = await probeShapes(split.frozen, {
    inputDims: exampleDims(backbone.input),
    names: split.crossing,
  });
  const crossing = split.crossing.map((name) => {
    const shape = shapes.get(name);
    if (shape?.[0] !== 1) {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        `The layers after "${unfreeze}" also read "${name}", which has no batch axis, so its values cannot be cached ` +
          'an example each; unfreeze another layer.',
      );
    }
    return { name, dims: shape.slice(1) };
  });
  const dim = crossing.reduce((sum, { dims }) => sum + sizeOf(dims), 0);
  const packed = packActivations(split.frozen, split.crossing, dim);
  const trainable = newestRules(halfToFloat32(split.tail));
  const shared = new Set(
    [...split.tail.graph.initializers.keys()].filter((name) => split.frozen.graph.initializers.has(name)),
  );
  return {
    backbone,
    frozen: {
      ...backbone,
      layer: split.crossing.join(' + '),
      pool: 'none',
      dim,
      features: packed.model,
      outputName: packed.output,
    },
    tail: {
      model: trainable,
      crossing,
      output: backbone.outputName,
      dim: backbone.dim,
      frozenWeights: shared,
    },
  };
}

/** Losses and gradients are written for this operator set or a newer one. */
const trainingOpset = 17;

/** The tail on a newer operator set, where every operator can be raised; otherwise as it is. */
function newestRules(tail: Model): Model {
  if ((tail.opsets.get('') ?? trainingOpset) >= trainingOpset) return tail;
  try {
    return raiseOpset(tail, trainingOpset);
  } catch (error) {
    if (error instanceof GraftError) return tail;
    throw error;
  }
}

/** All values at the cut, flattened, one after another, as float32. */
function packActivations(
  frozen: Model,
  crossing: readonly string[],
  dim: number,
): { readonly model: Model; readonly output: string } {
  const { graph } = frozen;
  const taken = [
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
  ];
  const builder = new GraphBuilder({ opset: frozen.opsets.get('') ?? 17, taken });
  const { dtypeOf } = factsOf(graph);
  const rows = crossing.map((name) => {
    const flat = builder.op('Flatten', [name], { name: `activations/${name}`, attributes: { axis: 1 } });
    if (dtypeOf(name) !== 'float16') return flat;
    return builder.op('Cast', [flat], { name: `activations/${name}/float32`, attributes: { to: 1 } });
  });
  const output =
    rows.length === 1
      ? rows[0]!
      : builder.op('Concat', rows, { name: 'activations', attributes: { axis: 1 } });
  return {
    output,
    model: {
      ...frozen,
      graph: {
        ...graph,
        nodes: [...graph.nodes, ...builder.nodes],
        outputs: [tensorValue(output, 'float32', ['batch', dim])],
      },
    },
  };
}
