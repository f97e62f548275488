/** A model for a newer operator set that computes the same. */
import { GraftError, invalidArgument } from '../../errors.js';
import { toAttribute } from '../../onnx/attributes.js';
import { valuesRead } from '../../onnx/graph-index.js';
import { toInitializer } from '../../onnx/initializer.js';
import {
  type FunctionDefinition,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  node,
} from '../../onnx/ir.js';
import { namesOf } from '../names-of.js';
import { mapSubgraphs } from '../rename-graph.js';
import { UniqueNames } from '../unique-names.js';
import { attributesToInputs } from './attributes-to-inputs.js';
import { changedMeaning } from './changed-meaning.js';
import type { Conversion, ConversionRule, RuleTable } from './conversion-rule.js';
import { isStandardOperator, newestOpset, oldestOpset } from './operators.js';
import { resizeRules } from './resize.js';
import { factsOf, noFacts, type ValueFacts } from '../value-facts.js';

const rules: ReadonlyMap<string, readonly ConversionRule[]> = collect([
  attributesToInputs,
  changedMeaning,
  resizeRules,
]);

function collect(tables: readonly RuleTable[]): Map<string, readonly ConversionRule[]> {
  const all = new Map<string, ConversionRule[]>();
  for (const [opType, rows] of tables.flatMap((table) => Object.entries(table))) {
    all.set(
      opType,
      [...(all.get(opType) ?? []), ...rows].sort((a, b) => a.version - b.version),
    );
  }
  return all;
}

/**
 * The model on version `target` of the standard operator set, its functions and subgraphs too. Operators of other
 * domains stay as they are.
 * @param target - from the model's own version to 26
 * @throws GraftError UNSUPPORTED_MODEL listing every node that cannot be converted, with the reason.
 */
export function raiseOpset(model: Model, target: number): Model {
  const current = model.opsets.get('') ?? target;
  if (current === target && model.functions.every(({ opsets }) => (opsets.get('') ?? target) >= target)) {
    return { ...model, opsets: new Map(model.opsets).set('', target) };
  }
  if (!Number.isInteger(target) || target < current || target > newestOpset) {
    throw invalidArgument('target', `an operator set version from ${current} to ${newestOpset}`, target);
  }
  const run = new Raise(target, model);
  const graph = run.graph(model.graph, current, noFacts);
  const functions = model.functions.map((row) => run.function(row));
  if (run.refusals.length > 0) {
    const shown = run.refusals.slice(0, 12);
    const more = run.refusals.length - shown.length;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The model cannot be raised from operator set ${current} to ${target}: ${shown.join('; ')}` +
        `${more > 0 ? `; and ${more} more` : ''}.`,
    );
  }
  return {
    ...model,
    // The new constants are no inputs, which IR version 3 demanded.
    irVersion: Math.max(4, model.irVersion),
    opsets: new Map(model.opsets).set('', target),
    graph,
    functions,
  };
}

/** Where the nodes of one graph or function go. */
interface Scope {
  readonly facts: ValueFacts;
  readonly nodes: Node[];
  readonly isUsed: (value: string) => boolean;
  addConstant(name: string, constant: Initializer): void;
}

class Raise {
  readonly refusals: string[] = [];
  readonly #target: number;
  readonly #functions: ReadonlySet<string>;
  readonly #values: UniqueNames;
  readonly #nodes: UniqueNames;

  constructor(target: number, model: Model) {
    this.#target = target;
    this.#functions = new Set(model.functions.map(({ domain, name }) => `${domain}:${name}`));
    const names = namesOf(model.graph);
    const inFunctions = model.functions.flatMap(({ inputs, outputs, nodes }) => [
      ...inputs,
      ...outputs,
      ...nodes.flatMap((row) => [...row.inputs, ...row.outputs]),
    ]);
    this.#values = new UniqueNames({ taken: [...names.values, ...inFunctions] });
    this.#nodes = new UniqueNames({ taken: names.nodes });
  }

  graph(graph: Graph, from: number, outer: ValueFacts): Graph {
    if (from < oldestOpset) this.refusals.push(`versions before ${oldestOpset} are not known here`);
    const used = new Set(graph.outputs.map(({ name }) => name));
    for (const row of graph.nodes) for (const name of valuesRead(row)) used.add(name);
    const initializers = new Map(graph.initializers);
    const scope: Scope = {
      facts: factsOf(graph, outer),
      nodes: [],
      isUsed: (value) => used.has(value),
      addConstant: (name, constant) => initializers.set(name, constant),
    };
    for (const row of graph.nodes) this.#convert(row, from, scope);
    const produced = new Set(scope.nodes.flatMap(({ outputs }) => outputs));
    for (const { name } of graph.inputs) produced.add(name);
    for (const name of graph.initializers.keys()) produced.add(name);
    const valueInfo = new Map([...graph.valueInfo].filter(([name]) => produced.has(name)));
    return { ...graph, nodes: scope.nodes, initializers, valueInfo };
  }

  function(definition: FunctionDefinition): FunctionDefinition {
    const from = definition.opsets.get('') ?? this.#target;
    if (from >= this.#target) return definition;
    const used = new Set([...definition.outputs, ...definition.nodes.flatMap((row) => [...valuesRead(row)])]);
    const nodes: Node[] = [];
    const scope: Scope = {
      facts: noFacts,
      nodes,
      isUsed: (value) => used.has(value),
      // A function has no initializers.
      addConstant: (name, constant) =>
        nodes.push(
          node({
            opType: 'Constant',
            inputs: [],
            outputs: [name],
            attributes: new Map([['value', { kind: 'tensor', value: constant }]]),
          }),
        ),
    };
    for (const row of definition.nodes) this.#convert(row, from, scope);
    return { ...definition, nodes, opsets: new Map(definition.opsets).set('', this.#target) };
  }

  /** Takes a node of version `from` through every change of its operator up to the target. */
  #convert(row: Node, from: number, scope: Scope): void {
    if (this.#isFunction(row) || row.domain !== '') {
      scope.nodes.push(this.#withSubgraphs(row, from, scope));
      return;
    }
    const rule = rules.get(row.opType)?.find(({ version }) => version > from && version <= this.#target);
    if (!rule) {
      if (!isStandardOperator(row.opType, this.#target)) {
        this.#refuse(row, `the operator sets up to ${newestOpset} have no such operator`);
      }
      scope.nodes.push(this.#withSubgraphs(row, from, scope));
      return;
    }
    if ([...row.attributes.values()].some(({ kind }) => kind === 'reference')) {
      this.#refuse(row, "its attributes come from the function's caller");
      return;
    }
    const converted = rule.convert(row, this.#conversion(row, rule.version, scope));
    if (typeof converted === 'string') this.#refuse(row, converted);
    else this.#convert(converted, rule.version, scope);
  }

  #isFunction({ domain, opType }: Node): boolean {
    return this.#functions.has(`${domain}:${opType}`);
  }

  #withSubgraphs(row: Node, from: number, scope: Scope): Node {
    const attributes = mapSubgraphs(row.attributes, (body) => this.graph(body, from, scope.facts));
    return attributes === row.attributes ? row : { ...row, attributes };
  }

  #refuse({ opType, name, outputs }: Node, reason: string): void {
    this.refusals.push(`${opType} "${name || outputs[0] || ''}": ${reason}`);
  }

  #conversion(row: Node, version: number, scope: Scope): Conversion {
    const fresh = (part: string): string => this.#values.take(`${row.outputs[0]}/${part}`);
    return {
      ...scope.facts,
      target: this.#target,
      isUsed: scope.isUsed,
      constant: (part, tensor) => {
        const name = fresh(part);
        scope.addConstant(name, toInitializer(name, tensor));
        return name;
      },
      op: (part, opType, inputs, attributes = {}) => {
        const output = fresh(part);
        const entries = Object.entries(attributes).map(([key, value]) => [key, toAttribute(value)] as const);
        const helper = node({
          opType,
          name: this.#nodes.take(output),
          inputs,
          outputs: [output],
          attributes: new Map(entries),
        });
        this.#convert(helper, version, scope);
        return output;
      },
    };
  }
}
