/**
 * The end of a model, from a cut to the features, on rows of cached activations: what is fine-tuned.
 *
 *   activations [batch, A] → the values at the cut → features [batch, D]
 */
import { namesOf } from '../graph/names-of.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, node, tensorValue } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';

/** A part of a model that can be trained: from the values at the cut to one vector an example. */
export interface Tail {
  /** Inputs: the values at the cut, batch first and free; one output, `features` [batch, dim] float32. */
  readonly model: Model;
  /** The values at the cut as they lie one after another in a row of activations; dims without the batch. */
  readonly crossing: readonly { readonly name: string; readonly dims: readonly number[] }[];
  readonly output: string;
  readonly dim: number;
  /** Weights that must stay as they are, since the frozen part reads them too. */
  readonly frozenWeights?: ReadonlySet<string>;
}

/**
 * The tail as a model of its own: activations [batch, A] → features [batch, dim].
 * @returns the model and the names of its input and output
 */
export function packTail(tail: Tail): {
  readonly model: Model;
  readonly activations: string;
} {
  const { graph } = tail.model;
  const taken = namesOf(graph);
  const builder = new GraphBuilder({
    opset: tail.model.opsets.get('') ?? 17,
    taken: [...taken.values, ...taken.nodes],
  });
  const activations = appendUnpacking(builder, tail);
  const { initializers } = builder;
  return {
    activations,
    model: {
      ...tail.model,
      graph: {
        ...graph,
        nodes: [...builder.nodes, ...graph.nodes],
        inputs: builder.inputs,
        outputs: [tensorValue(tail.output, 'float32', ['batch', tail.dim])],
        initializers: new Map([...graph.initializers, ...initializers]),
      },
    },
  };
}

/** Values in a row of activations. */
export function activationSize({ crossing }: Tail): number {
  return crossing.reduce((sum, { dims }) => sum + sizeOf(dims), 0);
}

/** From one row of activations to the values at the cut. */
function appendUnpacking(builder: GraphBuilder, tail: Tail): string {
  const activations = builder.input('activations', 'float32', ['batch', activationSize(tail)]);
  let at = 0;
  for (const { name, dims } of tail.crossing) {
    const size = sizeOf(dims);
    const part =
      tail.crossing.length === 1
        ? activations
        : builder.op('Slice', [activations, ...[[at], [at + size], [1]].map((v) => builder.ints(v))], {
            name: `activations/${name}`,
          });
    const reshape = builder.ints([-1, ...dims]);
    builder.nodes.push(
      node({
        opType: 'Reshape',
        name: `activations/${name}/shaped`,
        inputs: [part, reshape],
        outputs: [name],
      }),
    );
    at += size;
  }
  return activations;
}
