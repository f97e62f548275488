/** A model's blocks as a picture: one card a stage, from the input down to what a new head replaces. */
import type { FeatureLayer } from '../graph/feature-layers.js';
import type { Block, BlockStructure, Stage } from '../graph/find-blocks.js';
import type { Shapes } from '../graph/value-layout.js';
import type { Node } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import { drawVolume } from './draw-volume.js';
import { box, element, formatCount, line, shorten } from './svg-elements.js';

export interface DrawnModel {
  readonly title: string;
  /** Facts below the title. */
  readonly facts: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly parameters: number;
  readonly layers: readonly FeatureLayer[];
  readonly shapes: Shapes;
  readonly blocks?: BlockStructure;
}

const colours = {
  attention: '#7c5cbf',
  residual: '#2f6fb5',
  plain: '#2a9d8f',
  pool: '#8794a3',
} as const;
type BlockKind = keyof typeof colours;
const accent = '#d9480f';
const muted = '#667585';

const width = 940;
const margin = 28;
const card = { x: margin, width: width - 2 * margin };
const column = { volume: margin + 18, text: margin + 118, numbers: width - margin - 168 };
const gap = 30;

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

interface StageContext {
  readonly model: DrawnModel;
  /** Parameters of the heaviest block. */
  readonly heaviest: number;
  readonly parameters: number;
}

function drawStage(
  parts: string[],
  y: number,
  stage: Stage,
  { model, heaviest, parameters }: StageContext,
): number {
  const layer = new Map(model.layers.map((found) => [found.name, found]));
  const end = layer.get(stage.end.end);
  const shape = model.shapes.get(stage.end.end) ?? [];
  const kind =
    shape.length <= 2 || stage.end.positions === 1 ? 'vector' : shape.length === 3 ? 'tokens' : 'maps';
  const isRecommended = end?.recommended === true;
  const height = 122;
  parts.push(
    box(card.x, y, card.width, height, {
      rx: 10,
      fill: '#ffffff',
      stroke: isRecommended ? accent : '#d5dce3',
      'stroke-width': isRecommended ? 2.5 : 1,
    }),
    drawVolume(column.volume, y + 21, 80, {
      kind,
      positions: stage.end.positions,
      channels: stage.end.channels,
      colour: colours[mainKind(stage)],
    }),
    line(column.text, y + 27, titleOf(stage, kind), { size: 15, weight: 600 }),
    line(column.text, y + 46, summariseOperators(stage.blocks.flatMap(({ nodes }) => nodes)), {
      size: 12,
      fill: muted,
    }),
    ...drawCells(column.text, y + 98, column.numbers - column.text - 24, stage, heaviest),
    line(column.text, y + 114, shorten(stage.end.end, 68), {
      size: 11,
      fill: isRecommended ? accent : muted,
      mono: true,
      title: stage.end.end,
    }),
  );
  const own = stage.blocks.reduce((sum, block) => sum + block.parameters, 0);
  const share = parameters > 0 ? own / parameters : 0;
  const barWidth = width - margin - 18 - column.numbers;
  parts.push(
    line(column.numbers, y + 32, shape.slice(1).join(' × '), { size: 17, weight: 600 }),
    line(
      column.numbers,
      y + 50,
      end ? `${formatCount(end.dim)} features${end.pool === 'none' ? '' : ` by ${end.pool}`}` : '',
      {
        size: 12,
        fill: muted,
      },
    ),
    box(column.numbers, y + 78, barWidth, 6, { rx: 3, fill: '#e9edf1' }),
    box(column.numbers, y + 78, share === 0 ? 0 : Math.max(2, barWidth * share), 6, {
      rx: 3,
      fill: colours[mainKind(stage)],
    }),
    line(column.numbers, y + 102, `${formatCount(own)} parameters`, { size: 12 }),
    line(width - margin - 18, y + 71, `${formatShare(share)}`, { size: 12, fill: muted, anchor: 'end' }),
  );
  return y + height;
}

function titleOf({ blocks, end }: Stage, kind: 'vector' | 'maps' | 'tokens'): string {
  const weighted = blocks.filter(({ isWeighted }) => isWeighted).length;
  if (kind === 'vector') {
    if (weighted > 0) return count(weighted, 'dense layer');
    const isGathered = blocks.some(({ nodes }) => nodes.some(({ opType }) => opType === 'Gather'));
    return isGathered ? 'One token' : 'Pooling';
  }
  const attentive = blocks.filter(({ hasAttention }) => hasAttention).length;
  if (attentive === 0) return count(weighted, 'block');
  const places = `${end.positions} ${kind === 'tokens' ? 'tokens' : 'places'}`;
  const others = weighted > attentive ? ' and their embedding' : '';
  return `${count(attentive, 'transformer block')}${others}, ${places}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** The blocks as bars on one line, the taller the more parameters; like neighbours share a bar where there are many. */
function drawCells(x: number, bottom: number, room: number, { blocks }: Stage, heaviest: number): string[] {
  const groups = groupCells(blocks);
  const pitch = Math.min(58, room / groups.length);
  return groups.flatMap(({ members }, i) => {
    const [first] = members as [Block];
    const parameters = Math.max(...members.map((block) => block.parameters));
    const height = 14 + 30 * Math.sqrt(parameters / heaviest);
    const left = x + i * pitch;
    const size = members.length > 1 ? `×${members.length}` : formatCount(first.channels);
    const title = `${members.at(-1)!.end}: ${members.length > 1 ? `${members.length} blocks of ` : ''}${formatCount(first.parameters)} parameters, ${first.channels} channels; ${summariseOperators(first.nodes)}`;
    const wide = pitch - 4;
    return [
      box(
        left,
        bottom - height,
        wide,
        height,
        { rx: 3, fill: colours[kindOf(first)], 'fill-opacity': 0.82 },
        title,
      ),
      ...(members.length > 1
        ? [
            box(left + 3, bottom - height - 3, wide - 6, 2, {
              fill: colours[kindOf(first)],
              'fill-opacity': 0.5,
            }),
          ]
        : []),
      ...(wide >= size.length * 6.2 + 4
        ? [
            line(left + wide / 2, bottom - 3, size, {
              size: 10,
              fill: '#ffffff',
              anchor: 'middle',
              weight: 600,
            }),
          ]
        : []),
    ];
  });
}

const mostCells = 24;

function groupCells(blocks: readonly Block[]): { members: Block[] }[] {
  if (blocks.length <= mostCells) return blocks.map((block) => ({ members: [block] }));
  const groups: { members: Block[] }[] = [];
  const signature = (block: Block): string => `${kindOf(block)} ${block.channels} ${block.nodes.length}`;
  for (const block of blocks) {
    const last = groups.at(-1);
    if (last && signature(last.members[0]!) === signature(block)) last.members.push(block);
    else groups.push({ members: [block] });
  }
  // Blocks that all differ are taken together by place.
  const size = Math.ceil(groups.length / mostCells);
  if (size === 1) return groups;
  return Array.from({ length: Math.ceil(groups.length / size) }, (_, i) => ({
    members: groups.slice(i * size, (i + 1) * size).flatMap(({ members }) => members),
  }));
}

function kindOf(block: Block): BlockKind {
  if (block.hasAttention) return 'attention';
  if (!block.isWeighted) return 'pool';
  return block.isResidual ? 'residual' : 'plain';
}

function mainKind({ blocks }: Stage): BlockKind {
  const kinds = blocks.map(kindOf);
  return (
    (['attention', 'residual', 'plain', 'pool'] as const).find((kind) => kinds.includes(kind)) ?? 'plain'
  );
}

const uninteresting: ReadonlySet<string> = new Set([
  'Constant',
  'Identity',
  'Shape',
  'Gather',
  'Unsqueeze',
  'Cast',
  'Concat',
  'Slice',
]);

/** "12 Conv · 8 Relu · 4 Add", the most frequent first; what only computes shapes is left out where more is there. */
function summariseOperators(nodes: readonly Node[]): string {
  const counts = new Map<string, number>();
  for (const { opType } of nodes) counts.set(opType, (counts.get(opType) ?? 0) + 1);
  const all = [...counts].sort(([, a], [, b]) => b - a);
  const telling = all.filter(([opType]) => !uninteresting.has(opType));
  const computing = all.filter(([opType]) => opType !== 'Constant' && opType !== 'Identity');
  const shown = [telling, computing, all].find((list) => list.length > 0) ?? [];
  const texts = shown
    .slice(0, 5)
    .map(([opType, count]) => (count === 1 ? shorten(opType, 24) : `${count} ${shorten(opType, 24)}`));
  const more = shown.length - 5;
  if (more > 0) texts.push(`${more} more ${more === 1 ? 'kind' : 'kinds'}`);
  return texts.join('  ·  ');
}

/** The flag at the recommended layer. */
function banner(parts: string[], y: number, { name, shape, dim, pool, reason }: FeatureLayer): number {
  const numbers = `${formatShape(shape)} → ${dim} features${pool === 'none' ? '' : ` by ${pool}`}`;
  parts.push(
    box(card.x, y, card.width, 50, { rx: 10, fill: accent }),
    element('path', { d: star(card.x + 26, y + 25, 11), fill: '#ffffff' }),
    line(card.x + 48, y + 22, `A new head stands here: ${shorten(name, 56)}`, {
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

const kindNames: Readonly<Record<BlockKind, string>> = {
  attention: 'attention',
  residual: 'branches or a way around',
  plain: 'one layer after another',
  pool: 'no weights',
};

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
      line(width - margin, y + 10.5, 'bars: blocks, the taller the more parameters; number: channels', {
        size: 11,
        fill: muted,
        anchor: 'end',
      }),
    );
  }
  return y + 14;
}

function formatShare(share: number): string {
  return share > 0 && share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}
