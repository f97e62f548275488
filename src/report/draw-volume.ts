import { box, element } from './svg-elements.js';

/**
 * The form of a value as a little body in a square of `size`: maps as a block whose face is the map and whose depth the
 * channels, tokens as a sheet of rows, a vector as a bar. Sizes are logarithmic: each doubling is one step.
 */
export function drawVolume(
  x: number,
  y: number,
  size: number,
  {
    kind,
    positions,
    channels,
    colour,
  }: {
    readonly kind: 'vector' | 'maps' | 'tokens';
    readonly positions: number;
    readonly channels: number;
    readonly colour: string;
  },
): string {
  const depth = Math.min(size * 0.42, 3 + Math.log2(channels + 1) * 2.4);
  if (kind === 'vector') {
    const width = Math.min(size, 14 + Math.log2(channels + 1) * 6);
    return box(x + (size - width) / 2, y + size / 2 - 6, width, 12, {
      fill: colour,
      'fill-opacity': 0.75,
      stroke: colour,
      rx: 3,
    });
  }
  if (kind === 'tokens') {
    const rows = Math.max(3, Math.min(8, Math.round(Math.log2(positions + 1))));
    const width = Math.min(size, 14 + Math.log2(channels + 1) * 6);
    const pitch = (size * 0.8) / rows;
    return Array.from({ length: rows }, (_, i) =>
      box(x + (size - width) / 2, y + size * 0.1 + i * pitch, width, pitch - 2, {
        fill: colour,
        'fill-opacity': 0.35 + (0.5 * i) / rows,
        rx: 2,
      }),
    ).join('');
  }
  const side = Math.max(
    7,
    Math.min(size - depth * 0.8, (Math.log2(Math.sqrt(positions)) + 0.6) * size * 0.085),
  );
  const left = x + (size - side - depth * 0.7) / 2;
  const top = y + (size - side + depth * 0.5) / 2;
  const [dx, dy] = [depth * 0.7, -depth * 0.5];
  const face = (points: readonly (readonly [number, number])[], opacity: number): string =>
    element('polygon', {
      points: points.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join(' '),
      fill: colour,
      'fill-opacity': opacity,
      stroke: colour,
      'stroke-width': 1,
      'stroke-linejoin': 'round',
    });
  const right = left + side;
  const bottom = top + side;
  return [
    face(
      [
        [left, top],
        [left + dx, top + dy],
        [right + dx, top + dy],
        [right, top],
      ],
      0.2,
    ),
    face(
      [
        [right, top],
        [right + dx, top + dy],
        [right + dx, bottom + dy],
        [right, bottom],
      ],
      0.7,
    ),
    face(
      [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
      ],
      0.4,
    ),
  ].join('');
}
