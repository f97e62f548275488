import { valueDtype } from '../graph/value-dtype.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { float32 } from '../tensor/tensor.js';

/** Masks add −∞, or a number that stands for it, to scores that shall not count; no row may hold it. */
const leastScore = -1e30;
/** The least float16, as rows may be stored so: softmax makes 0 of it all the same. */
const hiddenScore = -65504;

/** All values at the cut, flattened, one after another, as float32; what masks hide by as the least float16. */
export function packActivations(
  frozen: Model,
  crossing: readonly string[],
  dim: number,
  hasMasks: boolean,
): { readonly model: Model; readonly output: string } {
  const { graph } = frozen;
  const taken = [
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(({ name, outputs }) => [name, ...outputs]),
  ];
  const builder = new GraphBuilder({ opset: frozen.opsets.get('') ?? 17, taken });
  const rows = crossing.map((name) => {
    const flat = builder.op('Flatten', [name], { name: `activations/${name}`, attributes: { axis: 1 } });
    if (valueDtype(graph, name) === 'float32') return flat;
    return builder.op('Cast', [flat], { name: `activations/${name}/float32`, attributes: { to: 1 } });
  });
  const joined =
    rows.length === 1
      ? rows[0]!
      : builder.op('Concat', rows, { name: 'activations', attributes: { axis: 1 } });
  const output = hasMasks ? withoutInfinities(builder, joined) : joined;
  return {
    output,
    model: {
      ...frozen,
      graph: {
        ...graph,
        nodes: [...graph.nodes, ...builder.nodes],
        initializers: new Map([...graph.initializers, ...builder.initializers]),
        outputs: [tensorValue(output, 'float32', ['batch', dim])],
      },
    },
  };
}

function withoutInfinities(builder: GraphBuilder, rows: string): string {
  const scalar = (name: string, value: number): string =>
    builder.shared(`activations/${name}`, float32([], [value]));
  const isHidden = builder.op('Less', [rows, scalar('least', leastScore)]);
  return builder.op('Where', [isHidden, scalar('hidden', hiddenScore), rows]);
}
