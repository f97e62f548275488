/** What two models' values, nodes and symbols are called once they are one. */
import type { Model } from '../onnx/ir.js';
import type { EqualDimensions } from './equal-dimensions.js';
import { type GraphNames, namesOf } from './names-of.js';
import type { Renaming } from './rename-graph.js';
import { UniqueNames } from './unique-names.js';

type ModelNames = Omit<Renaming, 'operator'>;

export interface NamePlan {
  readonly first: ModelNames;
  readonly second: ModelNames;
  /** Names for what the merge adds. */
  readonly freshValue: (wanted: string) => string;
  readonly freshNode: (wanted: string) => string;
}

export interface Joint {
  /** The second model's inputs that are given → the first model's values that they are given. */
  readonly connected: ReadonlyMap<string, string>;
  /** Inputs and outputs that the merged model keeps. */
  readonly interfaces: { readonly first: readonly string[]; readonly second: readonly string[] };
  readonly dimensions: EqualDimensions;
  readonly prefix: { readonly first?: string; readonly second?: string };
}

/** Inputs and outputs come before inner values, the first model before the second. */
export function planNames(first: Model, second: Model, joint: Joint): NamePlan {
  const { connected, interfaces, dimensions, prefix } = joint;
  const names = { first: namesOf(first.graph), second: namesOf(second.graph) };
  const kinds = <K extends keyof GraphNames>(kind: K): string[] => [
    ...names.first[kind],
    ...names.second[kind],
  ];

  const value = new UniqueNames({ wanted: kinds('values') });
  const values = { first: new Map<string, string>(), second: new Map<string, string>() };
  for (const side of ['first', 'second'] as const) {
    for (const name of interfaces[side]) {
      if (!values[side].has(name)) values[side].set(name, value.take(name));
    }
  }
  for (const side of ['first', 'second'] as const) {
    for (const name of names[side].values) {
      if (values[side].has(name) || (side === 'second' && connected.has(name))) continue;
      values[side].set(name, value.take((prefix[side] ?? '') + name));
    }
  }
  for (const [input, source] of connected) values.second.set(input, values.first.get(source)!);

  const node = new UniqueNames({ wanted: kinds('nodes') });
  const nodes = { first: new Map<string, string>(), second: new Map<string, string>() };
  for (const side of ['first', 'second'] as const) {
    for (const name of names[side].nodes) nodes[side].set(name, node.take((prefix[side] ?? '') + name));
  }

  const symbol = new UniqueNames({ wanted: kinds('dimensions') });
  for (const name of names.first.dimensions) symbol.take(name);
  const symbols = new Map<string, string>();
  const freshSymbol = (wanted: string): string => {
    const known = symbols.get(wanted) ?? symbol.take(wanted);
    symbols.set(wanted, known);
    return known;
  };
  const modelNames = (side: 'first' | 'second'): ModelNames => ({
    value: (name) => values[side].get(name) ?? name,
    node: (name) => nodes[side].get(name) ?? name,
    dimension: (name) => dimensions.resolve(side, name, freshSymbol),
  });
  return {
    first: modelNames('first'),
    second: modelNames('second'),
    freshValue: (wanted) => value.take(wanted),
    freshNode: (wanted) => node.take(wanted),
  };
}
