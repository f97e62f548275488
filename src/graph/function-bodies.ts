/** What a call of a model's local function stands for: its nodes with the call's attributes, on the model's operator sets. */
import { GraftError } from '../errors.js';
import { subgraphs } from '../onnx/attributes.js';
import { type Attribute, type FunctionDefinition, graph, type Model, model, type Node } from '../onnx/ir.js';
import { raiseOpset } from './opset/raise-opset.js';
import { mapSubgraphs } from './rename-graph.js';

export class FunctionBodies {
  /** On the newest standard operator set that it or a function has, where it can be raised, and with all their imports. */
  readonly model: Model;
  readonly #definitions: ReadonlyMap<string, FunctionDefinition>;
  /** Bodies that are the same for every call; undefined for what cannot be written out. */
  readonly #alike = new Map<FunctionDefinition, FunctionDefinition | undefined>();
  readonly #strange = new Set<FunctionDefinition>();

  constructor(source: Model) {
    const raised = toNewest(source);
    this.#definitions = new Map(source.functions.map((row) => [keyOf({ ...row, opType: row.name }), row]));
    const opsets = new Map(raised.opsets);
    for (const row of source.functions) {
      for (const [domain, version] of row.opsets) {
        const known = opsets.get(domain);
        if (known === undefined) opsets.set(domain, version);
        // The standard one can be raised.
        else if (known !== version && domain !== '' && this.#uses(row.nodes, domain)) this.#strange.add(row);
      }
    }
    this.model = { ...raised, opsets };
  }

  definitionOf(call: Node): FunctionDefinition | undefined {
    return this.#definitions.get(keyOf(call));
  }

  /** The definition without attributes of its own; undefined where the call must stay a call. */
  called(definition: FunctionDefinition, call: Node): FunctionDefinition | undefined {
    if (this.#strange.has(definition) || subgraphs(call).length > 0) return undefined;
    const hasAttributes = definition.attributes.length > 0 || definition.attributeDefaults.size > 0;
    if (hasAttributes) return this.#raise(bindAttributes(definition, call));
    if (!this.#alike.has(definition)) this.#alike.set(definition, this.#raise(definition));
    return this.#alike.get(definition);
  }

  #raise(definition: FunctionDefinition): FunctionDefinition | undefined {
    const target = this.model.opsets.get('');
    const version = definition.opsets.get('');
    if (target === undefined || version === undefined || version === target) return definition;
    const alone = model({
      graph: graph({ nodes: [], inputs: [], outputs: [] }),
      opsets: new Map([['', target]]),
      functions: [definition],
    });
    // Newer than the model, which could not be raised.
    if (version > target) return undefined;
    return orUndefined(() => raiseOpset(alone, target).functions[0]);
  }

  /** Whether nodes are of an operator set, and not functions of it. */
  #uses(nodes: readonly Node[], domain: string): boolean {
    return nodes.some(
      (row) =>
        (row.domain === domain && !this.definitionOf(row)) ||
        subgraphs(row).some((body) => this.#uses(body.nodes, domain)),
    );
  }
}

const keyOf = ({ domain, opType, overload }: Pick<Node, 'domain' | 'opType' | 'overload'>): string =>
  `${domain}\n${opType}\n${overload}`;

function toNewest(source: Model): Model {
  const versions = source.functions.map(({ opsets }) => opsets.get('') ?? 0);
  const target = versions.reduce((a, b) => Math.max(a, b), source.opsets.get('') ?? 0);
  if (target === (source.opsets.get('') ?? 0)) return source;
  if (!source.opsets.has('')) return { ...source, opsets: new Map(source.opsets).set('', target) };
  // Functions are raised at their calls, where their attributes are known.
  return (
    orUndefined(() => ({
      ...raiseOpset({ ...source, functions: [] }, target),
      functions: source.functions,
    })) ?? source
  );
}

function orUndefined<T>(attempt: () => T): T | undefined {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof GraftError) return undefined;
    throw error;
  }
}

/** References become what the call or else the definition says; where neither does, the attribute is absent. */
function bindAttributes(definition: FunctionDefinition, call: Node): FunctionDefinition {
  const bind = (row: Node): Node => {
    const bound = new Map<string, Attribute>();
    for (const [name, attribute] of row.attributes) {
      if (attribute.kind !== 'reference') bound.set(name, attribute);
      else {
        const { value } = attribute;
        const given = call.attributes.get(value) ?? definition.attributeDefaults.get(value);
        if (given) bound.set(name, given);
      }
    }
    const attributes = mapSubgraphs(bound, (body) => ({ ...body, nodes: body.nodes.map(bind) }));
    return { ...row, attributes };
  };
  return { ...definition, nodes: definition.nodes.map(bind) };
}
