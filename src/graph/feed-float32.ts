import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Model, tensorValue } from '../onnx/ir.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { namesOf } from './names-of.js';

/**
 * The model with an input that takes float32 in place of `input`, which is cast to what the model wants (float16,
 * uint8 with the scaling inside the graph). Unchanged where it wants float32.
 * @param name - of the new input
 * @returns the name of the input to feed
 */
export function feedFloat32(
  model: Model,
  input: string,
  name = 'image',
): { readonly model: Model; readonly input: string } {
  const { graph } = model;
  const info = graph.inputs.find(({ name }) => name === input);
  if (info?.type?.kind !== 'tensor' || info.type.dtype === 'float32') return { model, input };
  const { dtype, shape } = info.type;
  const builder = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...namesOf(graph).values, ...namesOf(graph).nodes],
  });
  const fed = builder.freshName(name);
  const cast = builder.op('Cast', [fed], {
    name: `${input}/${dtype}`,
    attributes: { to: dtypeInfo(dtype).code },
  });
  // The cast takes the old input's name, so that nothing that reads it changes.
  const [node] = builder.nodes.map((made) => ({ ...made, name: cast, outputs: [input] }));
  return {
    input: fed,
    model: {
      ...model,
      graph: {
        ...graph,
        nodes: [node!, ...graph.nodes],
        inputs: graph.inputs.map((other) => (other === info ? tensorValue(fed, 'float32', shape) : other)),
      },
    },
  };
}
