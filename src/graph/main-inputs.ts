import { indexGraph } from '../onnx/graph-index.js';
import type { Graph, ValueInfo } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import type { Shapes } from './value-layout.js';
import { weightDims } from './weight-dims.js';

/**
 * The inputs that hold the example itself: images where there are any, else token ids, else everything but masks.
 * @param shapes - with the shapes that were fed
 */
export function mainInputs(graph: Graph, shapes: Shapes): string[] {
  const inputs = withoutDecoders(graph.inputs.filter(({ name }) => !graph.initializers.has(name)));
  const rankOf = ({ name }: ValueInfo): number => shapes.get(name)?.length ?? -1;
  const dtypeOf = ({ type }: ValueInfo): string => (type?.kind === 'tensor' ? type.dtype : '');
  const images = inputs.filter((input) => rankOf(input) >= 4 && dtypeOf(input) !== 'bool');
  const vocabulary = new Map(inputs.map(({ name }) => [name, vocabularySize(graph, name)]));
  const ids = inputs.filter(({ name }) => vocabulary.get(name)! > 0);
  if (images.length > 0) {
    // Caches of keys and values have 4 axes too: beside token ids, an image is one with few channels.
    const isImage = (input: ValueInfo) =>
      [1, 2, 3, 4, 6].includes(shapes.get(input.name)![1]!) || isLast(input);
    const isLast = ({ name }: ValueInfo) => [1, 3, 4].includes(shapes.get(name)!.at(-1)!);
    const real = ids.length > 0 ? images.filter((input) => rankOf(input) === 4 && isImage(input)) : images;
    if (real.length > 0) return real.map(({ name }) => name);
  }
  if (ids.length > 0) {
    const largest = Math.max(...vocabulary.values());
    return ids.filter(({ name }) => vocabulary.get(name) === largest).map(({ name }) => name);
  }
  const floats = inputs.filter(
    (input) => /^(b?float|u?int8|double)/.test(dtypeOf(input)) && rankOf(input) >= 1,
  );
  return (floats.length > 0 ? floats : inputs).map(({ name }) => name);
}

/** Of a model that reads a text and writes another: without what it has written so far, where that is an input of its own. */
export function withoutDecoders(inputs: readonly ValueInfo[]): readonly ValueInfo[] {
  const others = inputs.filter(({ name }) => !/^decoder_/i.test(name));
  return others.length > 0 ? others : inputs;
}

/** Rows of the table that the input's ids are looked up in; 0 where it is looked up in none. */
export function vocabularySize(graph: Graph, input: string): number {
  const { users } = indexGraph(graph);
  const tableDims = weightDims(graph);
  const pending = [input];
  let largest = 0;
  for (let steps = 0; steps < 32; steps++) {
    const value = pending.pop();
    if (value === undefined) break;
    for (const node of users(value)) {
      if (['Cast', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'].includes(node.opType))
        for (const output of node.outputs) pending.push(output);
      if (node.opType === 'EmbedLayerNormalization' && node.inputs[0] === value)
        return Number.MAX_SAFE_INTEGER;
      if (!/Gather/.test(node.opType)) continue;
      const [table, indices] = node.inputs;
      const dims = tableDims(table);
      if (indices === value && dims) largest = Math.max(largest, dims[0] ?? 0, Math.min(1, sizeOf(dims)));
    }
  }
  return largest;
}
