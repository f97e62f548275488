/** A data set of made-up pairs of texts that only both together tell apart: whether they praise and blame alike. */
import { createRng } from '../../src/rng.js';

const words = { praise: ['good', 'great'], blame: ['bad', 'awful'] } as const;
const filling = ['the', 'my', 'film', 'card', 'was', 'very'];

export interface LabelledPair {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: 'same' | 'other';
}

/** Of both labels each text praises as often as it blames: one text alone tells nothing. */
export function makePairs(count: number, seed = 1): LabelledPair[] {
  const rng = createRng(seed);
  const pick = (list: readonly string[]): string => list[rng.integer(list.length)]!;
  const text = (mood: keyof typeof words): string =>
    [pick(filling), pick(words[mood]), ...Array.from({ length: rng.integer(2) }, () => pick(filling))].join(
      ' ',
    );
  return Array.from({ length: count }, (_, i) => {
    const [first, second] = [i % 2, (i >> 1) % 2].map((bit) => (bit === 0 ? 'praise' : 'blame')) as [
      keyof typeof words,
      keyof typeof words,
    ];
    return {
      premise: text(first),
      hypothesis: text(second),
      label: first === second ? 'same' : 'other',
    };
  });
}

export function pairsCsv(pairs: readonly LabelledPair[]): string {
  const rows = pairs.map(({ premise, hypothesis, label }) => `${premise},${hypothesis},${label}`);
  return ['premise,hypothesis,label', ...rows].join('\n');
}
