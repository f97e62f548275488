/** A model's blocks as a picture: one card a stage, from the input down to what a new head replaces. */
import type { FeatureLayer } from '../graph/feature-layers.js';
import type { BlockStructure, Stage } from '../graph/find-blocks.js';
import { formatShape } from '../tensor/shape.js';
import {
  accent,
  type BlockKind,
  card,
  colours,
  column,
  type DrawnModel,
  gap,
  kindNames,
  kindOf,
  margin,
  muted,
  width,
} from './block-layout.js';
import { drawStage, summariseOperators } from './draw-stage.js';
import { box, element, formatCount, line, shorten } from './svg-elements.js';

/** A standalone SVG document. */
export function drawBlocks(model: DrawnModel): string {
  const { layers, blocks, parameters } = model;
  const parts: string[] = [];
  let y = 44;
  parts.push(line(margin, y, shorten(model.title, 60), { size: 22, weight: 650, title: model.title }));
  y += 24;
  parts.push(line(margin, y, model.facts.join('  ·  '), { fill: muted }));
  y += 22;
  y = pills(parts, y, model.inputs, 'in');
  const stages = blocks?.stages ?? [];
  const heaviest = Math.max(1, ...stages.flatMap((stage) => stage.blocks.map((block) => block.parameters)));
  for (const stage of stages) {
    parts.push(arrow(y));
    y = drawStage(parts, y + gap, stage, { model, heaviest, parameters });
  }
  const recommended = layers.find((layer) => layer.recommended);
  if (recommended) y = banner(parts, y + 12, recommended);
  if (blocks && blocks.rest.nodes.length > 0) {
    parts.push(arrow(y));
    y = drawRest(parts, y + gap, blocks.rest, recommended !== undefined);
  }
  if (!blocks) {
    parts.push(line(margin, y + 40, 'No layers were recognised.', { size: 15, fill: muted }));
    y += 60;
  }
  parts.push(arrow(y));
  y = pills(parts, y + gap, model.outputs, 'out');
  y = legend(parts, y + 16, stages);
  const height = y + 20;
  return `${element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `Blocks of ${model.title}`,
      'font-family': 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif',
    },
    [box(0, 0, width, height, { fill: '#fbfaf7' }), ...parts],
  )}\n`;
}

/** Inputs or outputs side by side, the most that fit. */
function pills(parts: string[], y: number, texts: readonly string[], kind: 'in' | 'out'): number {
  let x = margin;
  for (const [i, text] of texts.entries()) {
    const shown = shorten(text, 52);
    const long = shown.length * 7.3 + 24;
    const isLastThatFits = x + long > width - margin - (i < texts.length - 1 ? 90 : 0);
    if (isLastThatFits && i > 0) {
      parts.push(line(x + 4, y + 18, `and ${texts.length - i} more`, { fill: muted }));
      break;
    }
    parts.push(
      box(x, y, long, 28, { rx: 14, fill: kind === 'in' ? '#e8eef4' : '#eef0ea', stroke: '#cdd5dd' }),
      line(x + long / 2, y + 18.5, shown, { size: 12, anchor: 'middle', mono: true, title: text }),
    );
    x += long + 10;
  }
  return y + 28;
}

function arrow(y: number): string {
  const x = column.volume + 40;
  return (
    element('path', {
      d: `M${x},${y + 3} V${y + gap - 7}`,
      stroke: '#9aa7b4',
      'stroke-width': 2,
      fill: 'none',
    }) + element('path', { d: `M${x - 5},${y + gap - 10} l5,7 l5,-7 z`, fill: '#9aa7b4' })
  );
}

/** The flag at the recommended layer. */
function banner(parts: string[], y: number, { name, shape, dim, pool, reason }: FeatureLayer): number {
  const numbers = `${formatShape(shape)} → ${dim} features${pool === 'none' ? '' : ` by ${pool}`}`;
  parts.push(
    box(card.x, y, card.width, 50, { rx: 10, fill: accent }),
    element('path', { d: star(card.x + 26, y + 25, 11), fill: '#ffffff' }),
    line(card.x + 48, y + 22, `The new head goes here: ${shorten(name, 56)}`, {
      size: 15,
      weight: 600,
      fill: '#ffffff',
      title: name,
    }),
    line(card.x + 48, y + 40, `${numbers}  ·  ${reason}`, { size: 12, fill: '#ffe8dc' }),
  );
  return y + 50;
}

function star(x: number, y: number, radius: number): string {
  const points = Array.from({ length: 10 }, (_, i) => {
    const angle = -Math.PI / 2 + (i * Math.PI) / 5;
    const reach = i % 2 === 0 ? radius : radius * 0.42;
    return `${(x + reach * Math.cos(angle)).toFixed(1)},${(y + reach * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${points.join(' L')} Z`;
}

function drawRest(
  parts: string[],
  y: number,
  { nodes, parameters }: BlockStructure['rest'],
  isReplaced: boolean,
): number {
  parts.push(
    box(card.x, y, card.width, 64, { rx: 10, fill: 'none', stroke: '#b9c3cd', 'stroke-dasharray': '6 5' }),
    line(column.text, y + 27, isReplaced ? 'What the new head replaces' : 'The rest', {
      size: 15,
      weight: 600,
      fill: muted,
    }),
    line(column.text, y + 46, summariseOperators(nodes), { size: 12, fill: muted }),
    line(column.numbers, y + 27, `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}`, {
      size: 12,
      fill: muted,
    }),
    line(column.numbers, y + 46, `${formatCount(parameters)} parameters`, { size: 12, fill: muted }),
  );
  return y + 64;
}

function legend(parts: string[], y: number, stages: readonly Stage[]): number {
  const present = new Set(stages.flatMap(({ blocks }) => blocks.map(kindOf)));
  let x = margin;
  for (const kind of Object.keys(colours) as BlockKind[]) {
    if (!present.has(kind)) continue;
    parts.push(
      box(x, y, 12, 12, { rx: 3, fill: colours[kind] }),
      line(x + 18, y + 10.5, kindNames[kind], { size: 11, fill: muted }),
    );
    x += kindNames[kind].length * 6 + 44;
  }
  if (present.size > 0) {
    parts.push(
      line(width - margin, y + 10.5, 'bar: a block; height: parameters; number: channels', {
        size: 11,
        fill: muted,
        anchor: 'end',
      }),
    );
  }
  return y + 14;
}
