import type { Attribute, ExternalContent, Graph, Initializer, Model, Node } from './ir.js';

/** Every place in side files that the model's tensors lie in, those of subgraphs, attributes and functions too, in the file's order. */
export function* externalContents({ graph, functions }: Model): Generator<ExternalContent> {
  yield* inGraph(graph);
  for (const { nodes, attributeDefaults } of functions) {
    yield* inNodes(nodes);
    for (const attribute of attributeDefaults.values()) yield* inAttribute(attribute);
  }
}

function* inGraph({ initializers, sparseInitializers, nodes }: Graph): Generator<ExternalContent> {
  for (const initializer of initializers.values()) yield* inTensor(initializer);
  for (const { values, indices } of sparseInitializers) {
    yield* inTensor(values);
    yield* inTensor(indices);
  }
  yield* inNodes(nodes);
}

function* inNodes(nodes: readonly Node[]): Generator<ExternalContent> {
  for (const { attributes } of nodes) {
    for (const attribute of attributes.values()) yield* inAttribute(attribute);
  }
}

function* inAttribute({ kind, value }: Attribute): Generator<ExternalContent> {
  if (kind === 'tensor') yield* inTensor(value);
  else if (kind === 'tensors') for (const tensor of value) yield* inTensor(tensor);
  else if (kind === 'graph') yield* inGraph(value);
  else if (kind === 'graphs') for (const graph of value) yield* inGraph(graph);
}

function* inTensor({ content }: Initializer): Generator<ExternalContent> {
  if (content.kind === 'external') yield content;
}
