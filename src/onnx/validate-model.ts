/** What must hold of a model before anything works on it. */
import { GraftError } from '../errors.js';
import { subgraphs } from './attributes.js';
import type { Graph, Model, Node } from './ir.js';
import { quoteName } from './quote-name.js';

/** Names that may be used at a place: those defined so far in a graph, and what the graphs around it see there. */
class Scope {
  readonly #outer: Scope | undefined;
  readonly #names = new Set<string>();
  /** The graph or function, for messages. */
  readonly #what: string;

  constructor(what: string, outer?: Scope) {
    this.#what = what;
    this.#outer = outer;
  }

  has(name: string): boolean {
    return this.#names.has(name) || (this.#outer?.has(name) ?? false);
  }

  /** @param isShadowing - whether it may hide a value of a graph around this one */
  define(name: string, by: () => string, isShadowing: boolean): void {
    if (isShadowing ? this.#names.has(name) : this.has(name)) {
      throw new GraftError(
        'INVALID_MODEL',
        `${this.#what} defines the value ${quoteName(name)} twice, again by ${by()}.`,
      );
    }
    this.#names.add(name);
  }

  use(name: string, by: () => string): void {
    if (this.has(name)) return;
    throw new GraftError(
      'INVALID_MODEL',
      `${by()} of ${this.#what} uses the value ${quoteName(name)}, which nothing defines.`,
    );
  }
}

const anInput = (): string => 'an input';
const anInitializer = (): string => 'an initializer';
const anOutput = (): string => 'An output';

/**
 * Expects nodes in topological order.
 * @throws GraftError INVALID_MODEL for a value that is defined twice, or used without being defined.
 */
export function validateModel(model: Model, path: string): void {
  validateGraph(model.graph, path);
  for (const { name, inputs, outputs, nodes } of model.functions) {
    const scope = new Scope(`Function ${quoteName(name)} of ${path}`);
    for (const input of inputs) scope.define(input, anInput, false);
    for (const node of nodes) visitNode(node, scope, path);
    for (const output of outputs) scope.use(output, anOutput);
  }
}

function validateGraph(graph: Graph, path: string, outer?: Scope): void {
  const scope = new Scope(`Graph ${quoteName(graph.name)} of ${path}`, outer);
  const inputs = new Set<string>();
  for (const { name } of graph.inputs) {
    scope.define(name, anInput, true);
    inputs.add(name);
  }
  // An initializer of an input's name is its default.
  const constants = [
    ...graph.initializers.keys(),
    ...graph.sparseInitializers.map(({ values }) => values.name),
  ];
  for (const name of constants) if (!inputs.has(name)) scope.define(name, anInitializer, true);
  for (const node of graph.nodes) visitNode(node, scope, path);
  for (const { name } of graph.outputs) scope.use(name, anOutput);
}

function visitNode(node: Node, scope: Scope, path: string): void {
  const label = (): string => describeNode(node);
  for (const input of node.inputs) if (input !== '') scope.use(input, label);
  for (const body of subgraphs(node)) validateGraph(body, path, scope);
  for (const output of node.outputs) if (output !== '') scope.define(output, label, false);
}

/** A node for messages: nodes need no name, so one without is told by its output. */
export function describeNode({ opType, name, outputs }: Node): string {
  return `${quoteName(opType).slice(1, -1)} ${quoteName(name || (outputs[0] ?? ''))}`;
}
