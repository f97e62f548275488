/** A data set of made-up reviews, two classes that some words tell apart, and a random backbone for them. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createRng } from '../../src/rng.js';
import { type BertOptions, randomBert, tinyTokenizer } from './random-bert.js';

const telling = { good: ['good', 'great', 'fine', 'love'], bad: ['bad', 'awful', 'poor', 'hate'] } as const;
const filling = ['the', 'a', 'my', 'is', 'was', 'very', 'and', 'it', 'this', 'film', 'card', '.', '!'];

export interface Review {
  readonly text: string;
  readonly label: 'good' | 'bad';
}

/** Of 3 to 14 words, three of them telling; no two the same. */
export function makeReviews(count: number, seed = 1): Review[] {
  const rng = createRng(seed);
  const pick = (list: readonly string[]): string => list[rng.integer(list.length)]!;
  return Array.from({ length: count }, (_, i) => {
    const label = i % 2 === 0 ? 'good' : 'bad';
    const words = Array.from({ length: 1 + rng.integer(10) }, () => pick(filling));
    for (let n = 0; n < 3; n++) words.splice(rng.integer(words.length + 1), 0, pick(telling[label]));
    return { text: `${words.join(' ')} ${'a'.repeat(1 + (i % 7))}${i}`, label };
  });
}

export function toCsv(reviews: readonly Review[]): string {
  return ['text,label', ...reviews.map(({ text, label }) => `"${text}",${label}`)].join('\n');
}

/** @returns the path of the model; its tokenizer lies beside it */
export function writeTextBackbone(folder: string, options: BertOptions = {}): string {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'model.onnx');
  writeFileSync(file, randomBert({ vocabulary: 59, ...options }));
  writeFileSync(path.join(folder, 'tokenizer.json'), tinyTokenizer());
  return file;
}
