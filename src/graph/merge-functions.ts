/** The model-local functions of two models in one, without one model's definition reaching the other's nodes. */
import { isDeepStrictEqual } from 'node:util';
import { subgraphs } from '../onnx/attributes.js';
import type { FunctionDefinition, Model, Node } from '../onnx/ir.js';
import { keepNames, renameNode } from './rename-graph.js';

type Operator = Pick<Node, 'domain' | 'opType' | 'overload'>;
type Rename = (operator: Operator) => Operator;

export interface MergedFunctions {
  readonly functions: readonly FunctionDefinition[];
  /** What a node's operator is called in the merged model. */
  readonly first: Rename;
  readonly second: Rename;
}

/**
 * Functions that are the same in both models are kept once. A second model's function changes its name where the
 * first has another of that name, or has nodes of an operator that it would take over; and the other way round.
 */
export function mergeFunctions(first: Model, second: Model): MergedFunctions {
  const used = { first: operatorsOf(first), second: operatorsOf(second) };
  const own = { first: definitions(first), second: definitions(second) };
  const clashing = {
    first: new Set([...own.first.keys()].filter((key) => used.second.has(key) && !own.second.has(key))),
    second: new Set(
      [...own.second].flatMap(([key, row]) => {
        const other = own.first.get(key);
        return (other ? !isDeepStrictEqual(other, row) : used.first.has(key)) ? [key] : [];
      }),
    ),
  };
  // The same text means something else where it calls a function that is something else.
  for (const model of ['first', 'second'] as const) addCallers(clashing[model], own[model]);

  const taken = new Set([...used.first, ...used.second, ...own.first.keys(), ...own.second.keys()]);
  const renamed = (model: 'first' | 'second'): Rename => {
    const names = new Map<string, string>();
    for (const key of clashing[model]) names.set(key, freshName(own[model].get(key)!, taken));
    return ({ domain, opType, overload }) => ({
      domain,
      opType: names.get(keyOf({ domain, opType, overload })) ?? opType,
      overload,
    });
  };
  const rename = { first: renamed('first'), second: renamed('second') };
  const functions = new Map<string, FunctionDefinition>();
  for (const model of ['first', 'second'] as const) {
    for (const row of own[model].values()) {
      const operator = rename[model](operatorOf(row));
      const nodes = row.nodes.map((node) => renameNode(node, { ...keepNames, operator: rename[model] }));
      functions.set(keyOf(operator), { ...row, name: operator.opType, nodes });
    }
  }
  return { functions: [...functions.values()], ...rename };
}

/** Adds the functions that call one of `keys`, and those that call these. */
function addCallers(keys: Set<string>, definitions: ReadonlyMap<string, FunctionDefinition>): void {
  const calls = new Map([...definitions].map(([key, row]) => [key, operatorsIn(row.nodes)]));
  for (let size = -1; size !== keys.size;) {
    size = keys.size;
    for (const [caller, called] of calls) {
      if ([...called].some((key) => keys.has(key))) keys.add(caller);
    }
  }
}

const keyOf = ({ domain, opType, overload }: Operator): string => `${domain}\n${opType}\n${overload}`;

const operatorOf = ({ domain, name, overload }: FunctionDefinition): Operator => ({
  domain,
  opType: name,
  overload,
});

function definitions(model: Model): Map<string, FunctionDefinition> {
  return new Map(model.functions.map((row) => [keyOf(operatorOf(row)), row]));
}

/** Every operator that the model's nodes are of, those in its functions included. */
function operatorsOf({ graph, functions }: Model): Set<string> {
  return operatorsIn([...graph.nodes, ...functions.flatMap(({ nodes }) => nodes)]);
}

function operatorsIn(nodes: readonly Node[]): Set<string> {
  const used = new Set<string>();
  const visit = (node: Node): void => {
    used.add(keyOf(node));
    for (const body of subgraphs(node)) body.nodes.forEach(visit);
  };
  nodes.forEach(visit);
  return used;
}

function freshName(row: FunctionDefinition, taken: Set<string>): string {
  for (let suffix = 1; ; suffix++) {
    const opType = `${row.name}_${suffix}`;
    const key = keyOf({ ...operatorOf(row), opType });
    if (taken.has(key)) continue;
    taken.add(key);
    return opType;
  }
}
