/** The card of one stage: its values as a volume, its blocks as bars, its share of the parameters. */
import type { Block, Stage } from '../graph/find-blocks.js';
import type { Node } from '../onnx/ir.js';
import {
  accent,
  type BlockKind,
  card,
  colours,
  column,
  type DrawnModel,
  kindOf,
  margin,
  muted,
  width,
} from './block-layout.js';
import { drawVolume } from './draw-volume.js';
import { box, formatCount, line, shorten } from './svg-elements.js';

export interface StageContext {
  readonly model: DrawnModel;
  /** Parameters of the heaviest block. */
  readonly heaviest: number;
  readonly parameters: number;
}

/** A card, from `y` down. @returns where it ends */
export function drawStage(
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
export function summariseOperators(nodes: readonly Node[]): string {
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

function formatShare(share: number): string {
  return share > 0 && share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(1)} %`;
}
