/** Examples as readers meet them become a data set: classes are numbered in the order of their names at the end. */
import { nameSome } from '../errors.js';
import { type Logger, silentLogger } from '../logger.js';
import type { Located, Source } from '../sources/source.js';
import { GrowingArray } from '../tensor/growing-array.js';
import type { Dataset, ExampleKind, Split } from './dataset.js';
import { ExampleList, type SourceColumns, type SourcePlace, splitNames } from './example-list.js';
import { NameNumbers } from './name-numbers.js';
import { sortNames } from './sort-names.js';
import { TextColumn } from './text-column.js';

/** Columns that most data sets do not fill end with the last example that has something in them. */
export class ExampleCollector {
  readonly #paths = new TextColumn();
  readonly #labels = new GrowingArray(Uint32Array);
  readonly #splits = new GrowingArray(Uint8Array);
  readonly #groups = new GrowingArray(Uint32Array);
  readonly #sources = new SourceCollector();
  readonly #labelNumbers = new NameNumbers();
  readonly #groupNumbers = new NameNumbers();

  get size(): number {
    return this.#labels.length;
  }

  hasClass(label: string): boolean {
    return this.#labelNumbers.has(label);
  }

  add(label: string, { path, source }: Located, split?: Split, group?: string): void {
    const row = this.size;
    this.#paths.push(path);
    this.#labels.push(this.#labelNumbers.numberOf(label));
    if (split) {
      this.#splits.extendTo(row);
      this.#splits.push(splitNames.indexOf(split) + 1);
    }
    if (group !== undefined) {
      this.#groups.extendTo(row);
      this.#groups.push(this.#groupNumbers.numberOf(group) + 1);
    }
    if (source) this.#sources.add(row, source);
  }

  /** Each label as it was written is a class: what they mean is for `interpretLabels`. */
  finish(root: string, kind: ExampleKind = 'images', logger: Logger = silentLogger): Dataset {
    const { names: met, spelledTwice } = this.#labelNumbers;
    if (spelledTwice.length > 0) {
      logger.warn(
        `${nameSome(spelledTwice)} of ${root} ${spelledTwice.length === 1 ? 'is' : 'are'} spelled in two ways that look alike ` +
          '(in Unicode, composed and decomposed): taken as one class each.',
      );
    }
    const classes = sortNames(met);
    const numberOf = new Map(classes.map((label, number) => [label, number]));
    const list = new ExampleList({
      paths: this.#paths,
      labels: this.#labels.values,
      splits: this.#splits.values,
      groups: this.#groups.values,
      sources: this.#sources.finish(),
    });
    return {
      root,
      kind,
      task: 'single',
      classes,
      examples: list.relabel(met.map((label) => numberOf.get(label)!)),
    };
  }
}

class SourceCollector {
  readonly #place = new GrowingArray(Uint32Array);
  readonly #start = new GrowingArray(Float64Array);
  readonly #length = new GrowingArray(Float64Array);
  readonly #size = new GrowingArray(Float64Array);
  readonly #checksum = new GrowingArray(Uint32Array);
  readonly #texts = new TextColumn();
  readonly #places: SourcePlace[] = [];
  readonly #placeNumbers = new Map<string, number>();

  add(row: number, source: Source): void {
    const place = placeFor(source);
    for (const column of [this.#place, this.#start, this.#length]) column.extendTo(row);
    this.#place.push(this.#numberOf(place));
    this.#start.push(this.#startOf(source));
    this.#length.push('length' in source ? source.length : 0);
    if (source.kind !== 'zip') return;
    for (const column of [this.#size, this.#checksum]) column.extendTo(row);
    this.#size.push(source.size);
    this.#checksum.push(source.checksum);
  }

  finish(): SourceColumns {
    const [place, start, length] = [this.#place.values, this.#start.values, this.#length.values];
    const [size, checksum] = [this.#size.values, this.#checksum.values];
    return { place, places: this.#places, start, length, size, checksum, texts: this.#texts };
  }

  #startOf(source: Source): number {
    switch (source.kind) {
      case 'slice':
      case 'zip':
        return source.start;
      case 'parquet':
        return source.row;
      case 'text':
        this.#texts.push(source.text);
        return this.#texts.length - 1;
      case 'pair':
        for (const text of source.texts) this.#texts.push(text);
        return this.#texts.length - 2;
      case 'url':
        return 0;
    }
  }

  #numberOf(place: SourcePlace): number {
    const name = JSON.stringify(place);
    let number = this.#placeNumbers.get(name);
    if (number === undefined) {
      this.#placeNumbers.set(name, (number = this.#places.length));
      this.#places.push(place);
    }
    return number + 1;
  }
}

/** What it has in common with others. */
function placeFor(source: Source): SourcePlace {
  switch (source.kind) {
    case 'slice':
    case 'zip':
      return { kind: source.kind, file: source.file };
    case 'parquet': {
      const { kind, file, column, second } = source;
      return { kind, file, column, ...(second !== undefined && { second }) };
    }
    default:
      return { kind: source.kind };
  }
}
