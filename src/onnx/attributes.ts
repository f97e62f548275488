/** Typed attribute readers with the operator's default, and makers. Integers come as numbers, clamped to ±2^53. */
import { GraftError } from '../errors.js';
import type { Attribute, AttributeValue, Graph, Initializer, Node } from './ir.js';

const utf8 = new TextDecoder();
const encode = new TextEncoder();
const largest = BigInt(Number.MAX_SAFE_INTEGER);

/** An int64 as a number. The clamp keeps "until the end" (INT64_MAX in Slice) meaning just that. */
function toNumber(value: bigint): number {
  return Number(value > largest ? largest : value < -largest ? -largest : value);
}

function read<K extends AttributeValue['kind']>(node: Node, name: string, kind: K) {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return undefined;
  if (attribute.kind !== kind) {
    throw new GraftError(
      'INVALID_MODEL',
      `Expected attribute "${name}" of ${node.opType} "${node.name}" to be of kind ${kind} but it is ${attribute.kind}.`,
    );
  }
  return attribute as Extract<Attribute, { kind: K }>;
}

export function floatAttribute(node: Node, name: string, fallback: number): number {
  return read(node, name, 'float')?.value ?? fallback;
}

export function intAttribute(node: Node, name: string, fallback: number): number {
  const value = read(node, name, 'int')?.value;
  return value === undefined ? fallback : toNumber(value);
}

export function intsAttribute(node: Node, name: string): number[] | undefined {
  return read(node, name, 'ints')?.value.map(toNumber);
}

export function floatsAttribute(node: Node, name: string): readonly number[] | undefined {
  return read(node, name, 'floats')?.value;
}

export function stringAttribute(node: Node, name: string, fallback: string): string {
  const value = read(node, name, 'string')?.value;
  return value === undefined ? fallback : utf8.decode(value);
}

export function stringsAttribute(node: Node, name: string): string[] | undefined {
  return read(node, name, 'strings')?.value.map((value) => utf8.decode(value));
}

/** The graphs nested in a node's attributes (bodies of If, Loop, Scan). */
export function subgraphs(node: Node): Graph[] {
  const found: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') found.push(attribute.value);
    else if (attribute.kind === 'graphs') for (const inner of attribute.value) found.push(inner);
  }
  return found;
}

/** What a builder accepts: integers stay `int`, a number that must be a float is written { float: 1 }. */
export type AttributeInput =
  | number
  | string
  | readonly number[]
  | Initializer
  | Graph
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] };

/** A number is an int, a text a string, a list ints, a graph a body, and { float }, { floats } or { strings } what they say. */
export function toAttribute(input: AttributeInput): Attribute {
  if (typeof input === 'number') return { kind: 'int', value: BigInt(input) };
  if (typeof input === 'string') return { kind: 'string', value: encode.encode(input) };
  if ('float' in input) return { kind: 'float', value: input.float };
  if ('floats' in input) return { kind: 'floats', value: input.floats };
  if ('strings' in input) return { kind: 'strings', value: input.strings.map((text) => encode.encode(text)) };
  if ('content' in input) return { kind: 'tensor', value: input };
  if ('nodes' in input) return { kind: 'graph', value: input };
  return { kind: 'ints', value: input.map(BigInt) };
}
