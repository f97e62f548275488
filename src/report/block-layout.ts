/** What the parts of a picture of blocks share: the model that is drawn, sizes, colours and names. */
import type { FeatureLayer } from '../graph/feature-layers.js';
import type { Block, BlockStructure } from '../graph/find-blocks.js';
import type { Shapes } from '../graph/value-layout.js';

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

export const colours = {
  attention: '#7c5cbf',
  residual: '#2f6fb5',
  plain: '#2a9d8f',
  pool: '#8794a3',
} as const;
export type BlockKind = keyof typeof colours;
export const accent = '#d9480f';
export const muted = '#667585';

export const width = 940;
export const margin = 28;
export const card = { x: margin, width: width - 2 * margin };
export const column = { volume: margin + 18, text: margin + 118, numbers: width - margin - 168 };
export const gap = 30;

export const kindNames: Readonly<Record<BlockKind, string>> = {
  attention: 'attention',
  residual: 'with branches or skip connections',
  plain: 'sequential',
  pool: 'no weights',
};

export function kindOf(block: Block): BlockKind {
  if (block.hasAttention) return 'attention';
  if (!block.isWeighted) return 'pool';
  return block.isResidual ? 'residual' : 'plain';
}
