/**
 * Makes the first dimension of inputs and outputs free, also where exporters baked batch 1 into constants.
 *
 * - A Reshape of computed data to a constant [1, …] means [batch, …]: its 1 becomes −1 (whatever is left over), or 0
 *   (as the input has it) where −1 is taken already.
 * - A Resize to constant sizes [1, …] gets its sizes computed: the first one from the shape of its input.
 */
import { tensorAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { valuesRead } from '../onnx/graph-index.js';
import { toTensor } from '../onnx/initializer.js';
import type { Graph, Initializer, Model, Node, ValueInfo } from '../onnx/ir.js';
import { int64 } from '../tensor/tensor.js';

export const batchDimension = 'batch';

export function freeBatch(model: Model): Model {
  const { graph } = model;
  const computed = valuesFromInputs(graph);
  const constants = constantsOf(graph);
  const builder = new GraphBuilder({
    opset: model.opsets.get('') ?? 17,
    taken: [...graph.initializers.keys(), ...computed, ...graph.nodes.flatMap(({ outputs }) => outputs)],
  });
  for (const node of graph.nodes) {
    const rule =
      node.domain === '' && computed.has(node.inputs[0] ?? '') ? rules.get(node.opType) : undefined;
    const shape = rule && bakedShape(constants.get(node.inputs[rule.shapeInput] ?? ''));
    if (!rule || !shape) builder.nodes.push(node);
    else {
      // A constant of its own: the old one may serve other nodes, for which the 1 is no batch.
      const freed = rule.free(builder, node, shape);
      builder.nodes.push({ ...node, inputs: node.inputs.with(rule.shapeInput, freed) });
    }
  }
  const initializers = new Map([...graph.initializers, ...builder.initializers]);
  return {
    ...model,
    graph: {
      ...graph,
      nodes: builder.nodes,
      initializers,
      inputs: graph.inputs.map((value) => (initializers.has(value.name) ? value : freedValue(value))),
      outputs: graph.outputs.map(freedValue),
      // Shapes noted for batch 1 would be wrong now; those of weights and constants stay.
      valueInfo: new Map([...graph.valueInfo].filter(([name]) => !computed.has(name))),
    },
  };
}

interface FreeingRule {
  /** Which input holds the constant shape. */
  readonly shapeInput: number;
  /** Returns the value to use in its place; may append nodes. */
  free(builder: GraphBuilder, node: Node, shape: readonly number[]): string;
}

const rules: ReadonlyMap<string, FreeingRule> = new Map<string, FreeingRule>([
  [
    'Reshape',
    {
      shapeInput: 1,
      free: (builder, { outputs }, [, ...rest]) => {
        const freed = [rest.includes(-1) ? 0 : -1, ...rest];
        return builder.constant(`${outputs[0]}/shape`, int64([freed.length], freed));
      },
    },
  ],
  [
    'Resize',
    {
      shapeInput: 3,
      free: (builder, { inputs, outputs }, [, ...rest]) => {
        const name = `${outputs[0]}/sizes`;
        const shape = builder.op('Shape', [inputs[0]!], { name: `${name}/shape` });
        const first = builder.op('Gather', [shape, builder.ints([0])], {
          name: `${name}/batch`,
          attributes: { axis: 0 },
        });
        return builder.op('Concat', [first, builder.ints(rest)], { name, attributes: { axis: 0 } });
      },
    },
  ],
]);

function valuesFromInputs(graph: Graph): Set<string> {
  const computed = new Set(
    graph.inputs.map(({ name }) => name).filter((name) => !graph.initializers.has(name)),
  );
  for (const node of graph.nodes) {
    // A shape is known data, not pixels: what is computed from it alone is not batched.
    if (node.opType === 'Shape' || node.opType === 'Size') continue;
    for (const input of valuesRead(node)) {
      if (!computed.has(input)) continue;
      for (const output of node.outputs) computed.add(output);
      break;
    }
  }
  return computed;
}

function constantsOf(graph: Graph): Map<string, Initializer> {
  const constants = new Map(graph.initializers);
  for (const node of graph.nodes) {
    const value = isConstant(node) ? tensorAttribute(node, 'value') : undefined;
    if (value) constants.set(node.outputs[0]!, value);
  }
  return constants;
}

function isConstant(node: Node): boolean {
  return node.opType === 'Constant' && node.domain === '' && node.attributes.has('value');
}

/** The constant's dimensions where the first one is a 1 to be freed. */
function bakedShape(shape: Initializer | undefined): number[] | undefined {
  if (shape?.dtype !== 'int64' || shape.dims.length !== 1 || shape.dims[0]! < 1) return undefined;
  const dims = Array.from(toTensor(shape).data, Number);
  return dims[0] === 1 ? dims : undefined;
}

function freedValue(value: ValueInfo): ValueInfo {
  const { type } = value;
  if (type?.kind !== 'tensor' || !type.shape?.length) return value;
  const [first, ...rest] = type.shape;
  if (typeof first === 'number' && first !== 1) return value;
  return { ...value, type: { ...type, shape: [batchDimension, ...rest] } };
}
