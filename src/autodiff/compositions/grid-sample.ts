/**
 * Bilinear samples of images [N, C, H, W] at the places of a grid [N, H', W', 2] that holds x before y, −1 and 1 being the
 * ends of the image:
 *
 *   column = (x + 1)(W − 1)/2 with align_corners, else ((x + 1)W − 1)/2; the row likewise
 *   Y = Σ (1 − |column − c|)(1 − |row − r|) X[r, c] over the four pixels (r, c) around
 *
 * Pixels outside are zeros; with padding_mode border a place outside is moved to the edge.
 */
import { intAttribute, stringAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import type { Composition, CompositionContext } from './composition.js';
import { cut } from './cut.js';
import { sizeAlong } from './size-along.js';

export const gridSample: Composition = (at) => {
  const [X, grid] = at.x as [string, string];
  const mode = stringAttribute(at.node, 'mode', 'linear');
  if (mode !== 'bilinear' && mode !== 'linear') at.refuse(`mode ${mode}`);
  const padding = stringAttribute(at.node, 'padding_mode', 'zeros');
  if (padding === 'reflection') at.refuse('padding_mode reflection');
  const dims = at.shapeOf(X);
  if (dims.length !== 4) at.refuse(`an input of ${dims.length} axes`);
  const channels = dims[1]!;
  const isBorder = padding === 'border';
  const [height, width] = [2, 3].map((axis) => sizeAlong(at, X, axis)) as [string, string];
  const [x, y] = cut(at, at.op('Reshape', [grid, at.ints([0, -1, 2])]), [1, 1]).map((coordinates) =>
    at.op('Reshape', [coordinates, at.ints([0, 1, -1])]),
  ) as [string, string];
  const columns = pixelsAround(at, x, width, isBorder);
  const rows = pixelsAround(at, y, height, isBorder);
  const pixels = at.op('Reshape', [X, at.ints([0, 0, -1])]);
  const [batch, , count] = at.shapeOf(x) as [number, number, number];
  const shape = [batch, channels, count];
  const parts = rows.flatMap((row) =>
    columns.map((column) => {
      const place = at.op('Add', [at.op('Mul', [row.index, width]), column.index]);
      const places = at.op('Expand', [place, at.ints([1, channels, 1])], { shape });
      const values = at.op('GatherElements', [pixels, places], { attributes: { axis: 2 }, shape });
      return at.op('Mul', [values, at.op('Mul', [row.weight, column.weight])]);
    }),
  );
  const samples = parts.reduce((sum, part) => at.op('Add', [sum, part]));
  const places = at.op('Gather', [at.op('Shape', [grid], { shape: [4] }), at.ints([1, 2])], { shape: [2] });
  const target = at.op('Concat', [at.ints([0, 0]), places], { attributes: { axis: 0 } });
  return at.op('Reshape', [samples, target], { shape: at.shapeOf(at.node.outputs[0]!) });
};

interface Pixel {
  /** int64 [N, 1, places], inside the image. */
  readonly index: string;
  readonly weight: string;
}

/**
 * The two pixels around each coordinate [N, 1, places] along an axis.
 * @param length - its pixels, an int64 scalar
 */
function pixelsAround(
  at: CompositionContext,
  coordinate: string,
  length: string,
  isBorder: boolean,
): Pixel[] {
  const isAligned = intAttribute(at.node, 'align_corners', 0) === 1;
  const shape = at.shapeOf(coordinate);
  const size = at.op('Cast', [length], { attributes: { to: dtypeInfo(at.dtypeOf(at.x[0]!)).code } });
  const last = at.op('Sub', [size, at.scalar(1)]);
  const inside = (value: string): string => at.op('Clip', [value, at.scalar(0), last]);
  const fromStart = at.op('Add', [coordinate, at.scalar(1)]);
  const scaled = at.op('Mul', [at.op('Mul', [fromStart, at.scalar(0.5)]), isAligned ? last : size]);
  const place = isAligned ? scaled : at.op('Sub', [scaled, at.scalar(0.5)]);
  const moved = isBorder ? inside(place) : place;
  const low = at.op('Floor', [moved], { shape });
  const beyond = at.op('Sub', [moved, low]);
  const pixels = [
    { pixel: low, weight: at.op('Sub', [at.scalar(1), beyond]) },
    { pixel: at.op('Add', [low, at.scalar(1)]), weight: beyond },
  ];
  return pixels.map(({ pixel, weight }) => {
    const nearest = inside(pixel);
    const isInside = at.op('Equal', [pixel, nearest], { shape });
    return {
      index: at.op('Cast', [nearest], { attributes: { to: dtypeInfo('int64').code } }),
      weight: at.op('Where', [isInside, weight, at.scalar(0)]),
    };
  });
}
