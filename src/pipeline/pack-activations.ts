import { valueDtype } from '../graph/value-dtype.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { float32 } from '../tensor/tensor.js';

/** What masks add to scores that shall not count is often −∞, which no row may hold; this does as well. */
const leastFloat = -3.4028234e38;

/** All values at the cut, flattened, one after another, as float32; −∞ as the least number. */
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
  const output = hasMasks
    ? builder.op('Max', [joined, builder.shared('activations/least', float32([], [leastFloat]))])
    : joined;
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
