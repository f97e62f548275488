/** What the numbers of a model say, by its task. */
import type { ServedModel } from '../serve/served-model.js';

export interface RankedRow {
  readonly label: string;
  /** The probability or number as the model gave it. */
  readonly value: number;
  /** As it is shown: `96.3 %`, or the number. */
  readonly text: string;
  /** Length of the bar, 0 to 1; numbers of a regression have none. */
  readonly share?: number;
  readonly isChosen: boolean;
}

export interface Ranking {
  /** The answer in a few words. */
  readonly answer: string;
  /** What is beside the answer, as `96.3 %`. */
  readonly detail?: string;
  readonly rows: readonly RankedRow[];
  /** A label is chosen from here on. */
  readonly threshold?: number;
}

const shown = 5;
/** From here on a label of several is taken to be there, as in `graft predict`. */
const threshold = 0.5;

export function rankOutputs({ task, labels }: ServedModel, outputs: Float32Array): Ranking {
  if (!outputs.every(Number.isFinite)) {
    throw new Error('The model gave something that is no number for this input.');
  }
  const byValue = [...labels.keys()].sort((a, b) => outputs[b]! - outputs[a]!);
  const best = byValue[0] ?? 0;
  const row = (index: number, isChosen: boolean): RankedRow => {
    const share = outputs[index]!;
    return { label: labels[index]!, value: share, text: percent(share), share, isChosen };
  };
  switch (task) {
    case 'single':
      return {
        answer: labels[best]!,
        detail: percent(outputs[best]!),
        rows: byValue.slice(0, shown).map((index) => row(index, index === best)),
      };
    case 'ordered': {
      // In their order, so that a doubt between neighbours looks like one.
      const first = Math.max(0, Math.min(best - (shown >> 1), labels.length - shown));
      const window = [...labels.keys()].slice(first, first + shown);
      return {
        answer: labels[best]!,
        detail: percent(outputs[best]!),
        rows: window.map((index) => row(index, index === best)),
      };
    }
    case 'multi': {
      const chosen = byValue.filter((index) => outputs[index]! >= threshold);
      return {
        answer: chosen.map((index) => labels[index]!).join(', ') || 'no label',
        rows: byValue
          .slice(0, Math.max(shown, chosen.length))
          .map((index) => row(index, outputs[index]! >= threshold)),
        threshold,
      };
    }
    case 'regression': {
      const number = (index: number): string => outputs[index]!.toPrecision(5);
      if (labels.length === 1) return { answer: number(0), detail: labels[0]!, rows: [] };
      return {
        answer: `${labels.length} numbers`,
        rows: labels.map((label, index) => ({
          label,
          value: outputs[index]!,
          text: number(index),
          isChosen: false,
        })),
      };
    }
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
