/**
 * Convolutions with 3 x 3 kernels as Winograd's minimal filtering, F(4x4, 3x3): Lavin & Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2016. With d a tile of 6 x 6 inputs, g a kernel and ∘ the product by elements,
 *
 *   4 x 4 outputs  Y = Aᵀ [ (G g Gᵀ) ∘ (Bᵀ d B) ] A
 *
 * 36 multiplications do what takes 144. Over channels ∘ becomes 36 matrix products, and B, G and A are constant matrices,
 * so that it is written with MatMul alone; the gradients by input and weights, which are MatMul too, save as much. Tiles
 * that overlap or reach over the border, padding with them, are in the entries of the matrix that stands for B:
 *
 *   V = E x [36·tiles, N·C]     U = (G ⊗ G) w [36, C, K]     Y = F (V U) [height·width, N·K]
 *
 * Results differ from the direct sum by some 1e-6 of its size: as much as float32 sums in another order.
 */
import { intAttribute, toAttribute } from '../onnx/attributes.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { type Graph, type Node, node as makeNode } from '../onnx/ir.js';
import { float32 } from '../tensor/tensor.js';
import { resolveWindow } from './rules/window.js';

// Interpolation at 0, 1, -1, 2, -2 and infinity.
const inputTransform = [
  [4, 0, -5, 0, 1, 0],
  [0, -4, -4, 1, 1, 0],
  [0, 4, -4, -1, 1, 0],
  [0, -2, -1, 2, 1, 0],
  [0, 2, -1, -2, 1, 0],
  [0, 4, 0, -5, 0, 1],
];
const kernelTransform = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];
const outputTransform = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];
const [tile, step, kernel] = [6, 4, 3];

/**
 * What E and F cost grows with the positions, as they know nothing of how far apart tiles are; the products grow with the
 * channels. Below so many channels a position the direct way is as fast.
 */
const channelsPerPosition = 4;

type Shapes = ReadonlyMap<string, readonly number[]>;

/**
 * Writes the float32 convolutions so that are many channels deep over few positions, as the last ones of a network.
 * @param shapes - of all values, in a probe run; the batch may be another at run time
 * @returns the graph, whose values keep their names, and the shapes with those of what was added
 */
export function winogradConvolutions(
  graph: Graph,
  shapes: Shapes,
  opset: number,
): { readonly graph: Graph; readonly shapes: Shapes } {
  const taken = new Set([...shapes.keys(), ...graph.initializers.keys()]);
  for (const { name, outputs } of graph.nodes) for (const each of [name, ...outputs]) taken.add(each);
  const builder = new GraphBuilder({ opset, taken });
  const added = new Map(shapes);
  const nodes = graph.nodes.flatMap((node) => {
    const sizes = sizesOf(node, shapes);
    return sizes ? rewrite(node, sizes, builder, added) : [node];
  });
  const initializers = new Map([...graph.initializers, ...builder.initializers]);
  for (const [name, { dims }] of builder.initializers) added.set(name, dims);
  return { graph: { ...graph, nodes, initializers }, shapes: added };
}

interface Sizes {
  readonly batch: number;
  /** Channels in and out. */
  readonly from: number;
  readonly to: number;
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  /** Rows above and columns to the left. */
  readonly pads: readonly [number, number];
}

/** Undefined for a node that stays. */
function sizesOf(node: Node, shapes: Shapes): Sizes | undefined {
  if (node.opType !== 'Conv' || node.domain !== '') return undefined;
  const [x, w, y] = [node.inputs[0]!, node.inputs[1]!, node.outputs[0]!].map((name) => shapes.get(name));
  if (x?.length !== 4 || w?.length !== 4 || y?.length !== 4) return undefined;
  const [batch, from, height, width] = x as [number, number, number, number];
  const [to, , ...sides] = w as [number, number, number, number];
  const [, , outHeight, outWidth] = y as [number, number, number, number];
  const { strides, dilations, pads } = resolveWindow(node, [height, width], sides);
  const isPlain =
    sides.every((side) => side === kernel) &&
    [...strides, ...dilations].every((value) => value === 1) &&
    intAttribute(node, 'group', 1) === 1;
  const isDeep = Math.min(from, to) >= channelsPerPosition * Math.max(height * width, outHeight * outWidth);
  if (!isPlain || !isDeep) return undefined;
  const [top, left] = pads as [number, number];
  return { batch, from, to, input: [height, width], output: [outHeight, outWidth], pads: [top, left] };
}

function rewrite(
  node: Node,
  { batch, from, to, input, output, pads }: Sizes,
  builder: GraphBuilder,
  shapes: Map<string, readonly number[]>,
): Node[] {
  const [x, w, bias] = node.inputs as [string, string, string?];
  const nodes: Node[] = [];
  const op = (
    opType: string,
    inputs: readonly string[],
    name: string,
    shape: readonly number[],
    attributes: Node['attributes'] = new Map(),
  ): string => {
    const value = builder.freshName(`${node.outputs[0]!}/${name}`);
    nodes.push(makeNode({ opType, name: value, inputs, outputs: [value], attributes }));
    shapes.set(value, shape);
    return value;
  };
  const reshape = (value: string, to: readonly number[], name: string, shape: readonly number[]) =>
    op('Reshape', [value, builder.ints(to)], name, shape);
  const transpose = (value: string, perm: readonly number[], name: string, shape: readonly number[]) =>
    op('Transpose', [value], name, shape, new Map([['perm', toAttribute(perm)]]));
  const matrix = (name: string, values: readonly (readonly number[])[]): string =>
    builder.shared(
      `winograd/${name}`,
      float32([values.length, values[0]!.length], Float32Array.from(values.flat())),
    );
  const tiles = output.map((size) => Math.ceil(size / step)) as [number, number];
  const count = tiles[0] * tiles[1];
  const [positions, outPositions, points] = [input[0] * input[1], output[0] * output[1], tile * tile];

  const flat = reshape(x, [-1, from, positions], 'flat', [batch, from, positions]);
  const byPosition = transpose(flat, [2, 0, 1], 'positions', [positions, batch, from]);
  const image = reshape(byPosition, [positions, -1], 'image', [positions, batch * from]);
  const gathering = matrix(
    `gather ${input.join()} ${output.join()} ${pads.join()}`,
    gather(input, tiles, pads),
  );
  const gathered = op('MatMul', [gathering, image], 'gathered', [points * count, batch * from]);
  const V = reshape(gathered, [points, -1, from], 'tiles', [points, count * batch, from]);

  const taps = kernel * kernel;
  const byChannel = reshape(w, [to, from, taps], 'taps', [to, from, taps]);
  const byTap = transpose(byChannel, [2, 0, 1], 'taps_first', [taps, to, from]);
  const kernels = reshape(byTap, [taps, to * from], 'kernels', [taps, to * from]);
  const transforming = matrix('kernel', kron(kernelTransform, kernelTransform));
  const transformed = op('MatMul', [transforming, kernels], 'filters', [points, to * from]);
  const U = reshape(transformed, [points, to, from], 'filters_apart', [points, to, from]);

  // U V' and not V U': so the gradient by U, the largest value of all, comes without a transpose.
  const turned = transpose(V, [0, 2, 1], 'tiles_turned', [points, from, count * batch]);
  const products = op('MatMul', [U, turned], 'products', [points, to, count * batch]);
  const byRow = transpose(products, [0, 2, 1], 'products_turned', [points, count * batch, to]);
  const byTile = reshape(byRow, [points * count, -1], 'product_tiles', [points * count, batch * to]);
  const scattering = matrix(`scatter ${output.join()}`, scatter(output, tiles));
  const scattered = op('MatMul', [scattering, byTile], 'scattered', [outPositions, batch * to]);
  const apart = reshape(scattered, [outPositions, -1, to], 'outputs', [outPositions, batch, to]);
  const channelsFirst = transpose(apart, [1, 2, 0], 'channels', [batch, to, outPositions]);
  const finish = (opType: string, inputs: readonly string[]): Node[] => [
    ...nodes,
    makeNode({ opType, name: node.name, inputs, outputs: node.outputs }),
  ];
  const maps = [-1, to, ...output];
  if (!bias) return finish('Reshape', [channelsFirst, builder.ints(maps)]);
  const unbiased = reshape(channelsFirst, maps, 'maps', [batch, to, ...output]);
  return finish('Add', [unbiased, reshape(bias, [1, to, 1, 1], 'bias', [1, to, 1, 1])]);
}

/** E: row (u, v, i, j) is what position (u, v) of the transformed tile (i, j) takes of each input. */
function gather(
  [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number],
  [top, left]: readonly [number, number],
): number[][] {
  const along = (size: number, tiles: number, pad: number) =>
    inputTransform.map((taps) =>
      Array.from({ length: tiles }, (_, i) =>
        Array.from({ length: size }, (_, at) => taps[at + pad - step * i] ?? 0),
      ),
    );
  const [vertical, horizontal] = [along(height, rows, top), along(width, columns, left)];
  return vertical.flatMap((v) =>
    horizontal.flatMap((h) => v.flatMap((a) => h.map((b) => a.flatMap((p) => b.map((q) => p * q))))),
  );
}

/** F: what each output takes of position (u, v) of the products' tile (i, j). */
function scatter(
  [height, width]: readonly [number, number],
  [rows, columns]: readonly [number, number],
): number[][] {
  const along = (size: number, tiles: number, at: number): number[][] =>
    Array.from({ length: tile }, (_, u) =>
      Array.from({ length: tiles }, (_, i) =>
        Math.floor(at / step) === i && at < size ? outputTransform[at % step]![u]! : 0,
      ),
    );
  return Array.from({ length: height * width }, (_, position) => {
    const v = along(height, rows, Math.floor(position / width));
    const h = along(width, columns, position % width);
    return v.flatMap((a) => h.flatMap((b) => a.flatMap((p) => b.map((q) => p * q))));
  });
}

/** The Kronecker product. */
function kron(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] {
  return a.flatMap((rowA) => b.map((rowB) => rowA.flatMap((p) => rowB.map((q) => p * q))));
}
