/**
 * A model's local functions written out where they are called, so that what looks at nodes sees all of them.
 *
 *   y = F(a, '', b) {alpha: 2}  with  F(x, w, z) → out: t = Mul(x, z); out = Elu(t) {alpha: @alpha}
 *   becomes  y/t = Mul(a, b); y = Elu(y/t) {alpha: 2}
 *
 * A call's inputs stand for the formal ones (an absent one is absent inside too), its outputs keep their names, and what
 * is inside gets fresh ones.
 */
import { GraftError } from '../errors.js';
import {
  type FunctionDefinition,
  type Graph,
  type Initializer,
  type Model,
  type Node,
  node,
  tensorValue,
  type ValueInfo,
} from '../onnx/ir.js';
import { quoteName } from '../onnx/quote-name.js';
import { FunctionBodies } from './function-bodies.js';
import { namesOf } from './names-of.js';
import { removeUnusedFunctions } from './remove-unused-functions.js';
import { mapSubgraphs } from './rename-graph.js';
import { renameScoped } from './rename-scoped.js';
import { UniqueNames } from './unique-names.js';

export interface InlineLimits {
  /** Most that the written-out calls may come to, in nodes, inputs, outputs and attributes. */
  readonly mostParts?: number;
  /** How many calls and subgraphs may lie in one another. */
  readonly deepest?: number;
}

/** What a character of a made-up name, or a byte of a constant that a further call repeats, counts as parts. */
const [partsPerCharacter, partsPerByte] = [1 / 16, 1 / 64];

/**
 * The model without those functions that can be written out; their names in `graph` stay. A call stays a call where it
 * hands a graph over, or where the function is of another version of an operator set that it cannot be raised to.
 * @throws GraftError INVALID_MODEL for a function that calls itself, UNSUPPORTED_MODEL above the limits.
 */
export function inlineFunctions(model: Model, limits: InlineLimits = {}): Model {
  const used = removeUnusedFunctions(model);
  if (used.functions.length === 0) return used;
  const bodies = new FunctionBodies(used);
  const graph = new Inliner(bodies, limits).graph(bodies.model.graph, 0);
  return removeUnusedFunctions({ ...bodies.model, graph });
}

/** Where nodes go. */
interface Place {
  readonly nodes: Node[];
  readonly valueInfo: Map<string, ValueInfo>;
}

class Inliner {
  readonly #bodies: FunctionBodies;
  readonly #values: UniqueNames;
  readonly #nodes: UniqueNames;
  readonly #active = new Set<FunctionDefinition>();
  readonly #written = new Set<Initializer>();
  readonly #deepest: number;
  readonly #mostParts: number;
  #parts = 0;

  constructor(bodies: FunctionBodies, { mostParts = 4_000_000, deepest = 100 }: InlineLimits) {
    this.#bodies = bodies;
    const names = namesOf(bodies.model.graph);
    this.#values = new UniqueNames({ taken: names.values });
    this.#nodes = new UniqueNames({ taken: names.nodes });
    this.#mostParts = mostParts;
    this.#deepest = deepest;
  }

  graph(graph: Graph, depth: number): Graph {
    const place: Place = { nodes: [], valueInfo: new Map(graph.valueInfo) };
    for (const row of graph.nodes) this.#place(row, depth, place);
    return { ...graph, ...place };
  }

  #place(row: Node, depth: number, place: Place): void {
    if (depth > this.#deepest) this.#refuse(`lie in one another more than ${this.#deepest} deep`);
    this.#count(1 + row.inputs.length + row.outputs.length + row.attributes.size);
    const definition = this.#bodies.definitionOf(row);
    const called = definition && this.#bodies.called(definition, row);
    if (called) {
      this.#write(row, definition, called, depth, place);
      return;
    }
    for (const attribute of row.attributes.values()) {
      if (attribute.kind !== 'tensor') continue;
      const { content } = attribute.value;
      if (this.#written.has(attribute.value) && content.kind === 'raw')
        this.#count(content.bytes.length * partsPerByte);
      this.#written.add(attribute.value);
    }
    const attributes = mapSubgraphs(row.attributes, (body) => this.graph(body, depth + 1));
    place.nodes.push(attributes === row.attributes ? row : { ...row, attributes });
  }

  /** @param body - the definition's, as this call has it */
  #write(
    call: Node,
    definition: FunctionDefinition,
    { inputs, outputs, nodes, valueInfo }: FunctionDefinition,
    depth: number,
    place: Place,
  ): void {
    if (this.#active.has(definition)) {
      const trail = [...this.#active, definition].map(({ name }) => quoteName(name));
      throw new GraftError('INVALID_MODEL', `A function of the model calls itself: ${trail.join(' → ')}.`);
    }
    this.#count(inputs.length + outputs.length + nodes.length);
    const names = new Map<string, string>();
    inputs.forEach((name, i) => names.set(name, call.inputs[i] ?? ''));
    const copies: Node[] = [];
    outputs.forEach((name, i) => {
      const output = call.outputs[i] ?? '';
      if (output === '') return;
      const given = names.get(name);
      // An input that is handed on, or a result that is given twice.
      if (given === undefined) names.set(name, output);
      else copies.push(node({ opType: 'Identity', inputs: [given], outputs: [output] }));
    });
    const prefix = call.name || (call.outputs.find((output) => output !== '') ?? definition.name);
    const fresh = (names: UniqueNames, name: string): string => {
      const taken = names.take(`${prefix}/${name}`);
      this.#count(taken.length * partsPerCharacter);
      return taken;
    };
    const naming = {
      value: (name: string) => fresh(this.#values, name),
      node: (name: string) => fresh(this.#nodes, name),
    };
    this.#active.add(definition);
    for (const row of renameScoped(nodes, names, naming)) this.#place(row, depth + 1, place);
    this.#active.delete(definition);
    for (const copy of copies) place.nodes.push(copy);
    // Shapes differ from call to call.
    for (const [name, { type }] of valueInfo) {
      const renamed = names.get(name);
      if (renamed && type?.kind === 'tensor' && !place.valueInfo.has(renamed))
        place.valueInfo.set(renamed, tensorValue(renamed, type.dtype));
    }
  }

  #count(parts: number): void {
    this.#parts += parts;
    if (this.#parts > this.#mostParts) this.#refuse(`come to more than ${this.#mostParts} parts of nodes`);
  }

  #refuse(reason: string): never {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `Written out where they are called, the functions of the model ${reason}; export it without functions.`,
    );
  }
}
