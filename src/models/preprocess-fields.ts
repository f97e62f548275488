/** Checked access to the fields of a preprocessing file; every refusal names the file and the field. */
import { GraftError } from '../errors.js';
import { showJson } from '../shorten-text.js';

export type Json = Readonly<Record<string, unknown>>;

/** Most pixels of a preprocessed image, and the longest side: what is larger is a mistake or an attack. */
const mostPixels = 2 ** 24;
const longestSide = 16384;

export class Fields {
  readonly #json: Json;
  readonly #where: string;
  /** Name of the object itself, as a prefix of its fields' names. */
  readonly #name: string;

  /** @throws GraftError INVALID_PREPROCESS where `json` is no object. */
  constructor(json: unknown, where: string, name = '') {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw refuse(name || 'the spec', 'an object', json, where);
    }
    this.#json = json as Json;
    this.#where = where;
    this.#name = name;
  }

  has(field: string): boolean {
    return this.raw(field) !== undefined;
  }

  /** The value as it stands; null counts as absent. */
  raw(field: string): unknown {
    return Object.hasOwn(this.#json, field) ? (this.#json[field] ?? undefined) : undefined;
  }

  object(field: string): Fields {
    return new Fields(this.raw(field), this.#where, this.#path(field));
  }

  flag(field: string, usual: boolean): boolean {
    const value = this.raw(field) ?? usual;
    if (typeof value === 'boolean') return value;
    throw this.refuse(field, 'true or false');
  }

  text(field: string): string | undefined {
    const value = this.raw(field);
    if (value === undefined || typeof value === 'string') return value;
    throw this.refuse(field, 'a text');
  }

  oneOf<T extends string>(field: string, allowed: readonly T[], usual?: T): T {
    const value = this.raw(field) ?? usual;
    if (allowed.includes(value as T)) return value as T;
    throw this.refuse(field, `one of ${allowed.join(', ')}`);
  }

  number(
    field: string,
    usual: number,
    accepts: (value: number) => boolean = () => true,
    expected = 'a number',
  ): number {
    const value = this.raw(field) ?? usual;
    if (typeof value === 'number' && Number.isFinite(value) && accepts(value)) return value;
    throw this.refuse(field, expected);
  }

  positive(field: string, usual: number): number {
    return this.number(field, usual, (value) => value > 0, 'a number above 0');
  }

  /** A side in pixels. */
  side(field: string): number {
    const value = this.raw(field);
    if (typeof value === 'number' && Number.isInteger(value) && value > 0 && value <= longestSide)
      return value;
    throw this.refuse(field, `a whole number from 1 to ${longestSide}`);
  }

  /** The sides of this object. */
  sides(): { width: number; height: number } {
    return this.bounded({ width: this.side('width'), height: this.side('height') });
  }

  bounded(sides: { width: number; height: number }): { width: number; height: number } {
    if (Math.max(sides.width, sides.height) <= longestSide && sides.width * sides.height <= mostPixels)
      return sides;
    throw refuse(this.#name || 'the size', `at most ${mostPixels} pixels`, sides, this.#where);
  }

  /** One number a channel; a single number stands for all. */
  perChannel(
    field: string,
    channels: number,
    usual: number | readonly number[],
    accepts: (value: number) => boolean = () => true,
    kind = 'numbers',
  ): number[] {
    const value = this.raw(field) ?? usual;
    const list: unknown[] = Array.isArray(value) ? value : new Array<unknown>(channels).fill(value);
    if (
      list.length === channels &&
      list.every((item) => typeof item === 'number' && Number.isFinite(item) && accepts(item))
    ) {
      return list as number[];
    }
    throw this.refuse(field, `${channels} ${kind}, one a channel`);
  }

  deviations(field: string, channels: number, usual: number | readonly number[]): number[] {
    return this.perChannel(field, channels, usual, (value) => value > 0, 'numbers above 0');
  }

  refuse(field: string, expected: string): GraftError {
    return refuse(this.#path(field), expected, this.#json[field], this.#where);
  }

  #path(field: string): string {
    return this.#name ? `${this.#name}.${field}` : field;
  }
}

function refuse(field: string, expected: string, received: unknown, where: string): GraftError {
  return new GraftError(
    'INVALID_PREPROCESS',
    `Expected ${expected} for ${field} in ${where} but received ${showJson(received, 200)}.`,
  );
}
