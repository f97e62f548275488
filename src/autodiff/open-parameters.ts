/** A model whose parameters can be varied: they become inputs. */
import { type Model, node as makeNode, tensorValue } from '../onnx/ir.js';

export interface OpenedModel {
  readonly model: Model;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Inputs that are added to a value of the graph, 0 at the point, with that value. */
  readonly shiftOf: ReadonlyMap<string, string>;
}

/**
 * Initializers become inputs of their names. A value in between has an input added to it: the slope along that is the value's
 * gradient, also where another of the parameters depends on it.
 */
export function openParameters(
  model: Model,
  parameters: readonly string[],
  shapes: ReadonlyMap<string, readonly number[]>,
): OpenedModel {
  const initializers = new Map(model.graph.initializers);
  const all = new Map(shapes);
  const shiftOf = new Map<string, string>();
  let { nodes, inputs } = model.graph;
  for (const name of parameters) {
    const shape = shapes.get(name);
    const initializer = initializers.get(name);
    if (initializer) {
      initializers.delete(name);
      inputs = [...inputs, tensorValue(name, initializer.dtype, shape)];
    } else if (!inputs.some((input) => input.name === name)) {
      const [before, shift] = [uniqueName(`${name}/before`, all), uniqueName(`${name}/shift`, all)];
      for (const added of [before, shift]) all.set(added, shape!);
      shiftOf.set(shift, name);
      inputs = [...inputs, tensorValue(shift, 'float32', shape)];
      nodes = nodes.flatMap((node) => {
        const at = node.outputs.indexOf(name);
        if (at < 0) return [node];
        const sum = makeNode({ opType: 'Add', inputs: [before, shift], outputs: [name] });
        return [{ ...node, outputs: node.outputs.with(at, before) }, sum];
      });
    }
  }
  return {
    model: { ...model, graph: { ...model.graph, nodes, inputs, initializers } },
    shapes: all,
    shiftOf,
  };
}

export function uniqueName(wanted: string, taken: ReadonlyMap<string, unknown>): string {
  return taken.has(wanted) ? uniqueName(`${wanted}_`, taken) : wanted;
}
