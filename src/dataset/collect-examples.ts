/** Examples as readers meet them become a data set: classes are numbered in the order of their names at the end. */
import type { Located } from '../sources/source.js';
import type { Dataset, Example, Split } from './dataset.js';

type Mutable<T> = { -readonly [field in keyof T]: T[field] };

export class ExampleCollector {
  readonly #examples: Mutable<Example>[] = [];
  /** Number of each label, in the order in which they were met. */
  readonly #numbers = new Map<string, number>();
  readonly #groups = new Map<string, number>();

  get size(): number {
    return this.#examples.length;
  }

  hasClass(label: string): boolean {
    return this.#numbers.has(label);
  }

  add(label: string, { path, source }: Located, split?: Split, group?: string): void {
    let number = this.#numbers.get(label);
    if (number === undefined) this.#numbers.set(label, (number = this.#numbers.size));
    // One shape of object for the common case, which a list of millions consists of.
    const example: Mutable<Example> = { path: source ? path : compact(path), label: number };
    if (source) example.source = source;
    if (split) example.split = split;
    if (group !== undefined) example.group = this.#groupNumber(group);
    this.#examples.push(example);
  }

  /** Each label as it was written is a class: what they mean is for `interpretLabels`. */
  finish(root: string): Dataset {
    const met = [...this.#numbers.keys()];
    const classes = [...met].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const numberOf = new Map(classes.map((label, number) => [label, number]));
    const renumbered = Uint32Array.from(met, (label) => numberOf.get(label)!);
    for (const example of this.#examples) example.label = renumbered[example.label]!;
    return { root, task: 'single', classes, examples: this.#examples };
  }

  #groupNumber(group: string): number {
    let number = this.#groups.get(group);
    if (number === undefined) this.#groups.set(group, (number = this.#groups.size));
    return number;
  }
}

/** A text put together from pieces keeps all of them in memory: 300 bytes more for a path. */
function compact(text: string): string {
  return Buffer.from(text).toString();
}
