/** The model of `ir.ts` to messages, the inverse of `proto-to-model.ts`. Absent and empty fields are left out. */
import { dtypeInfo } from '../tensor/dtype.js';
import type { Fields } from './encode-message.js';
import type {
  Attribute,
  AttributeValue,
  Dimension,
  FunctionDefinition,
  Graph,
  Initializer,
  Model,
  Node,
  SparseInitializer,
  ValueInfo,
  ValueType,
} from './ir.js';

/** Drops what is empty: '' and [] mean absent. */
function compact(fields: Fields): Fields {
  const message: Record<string, Fields[string]> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) continue;
    message[name] = value;
  }
  return message;
}

const entries = (map: ReadonlyMap<string, string>): Fields[] =>
  [...map].map(([key, value]) => ({ key, value }));

const opsets = (map: ReadonlyMap<string, number>): Fields[] =>
  [...map].map(([domain, version]) => ({ domain, version }));

/** The external_data of an initializer whose bytes are to lie in a side file; undefined for one to be kept inside. */
export type Placement = (initializer: Initializer) => ReadonlyMap<string, string> | undefined;

export function modelToProto(model: Model, place: Placement = () => undefined): Fields {
  return compact({
    irVersion: model.irVersion,
    opsetImport: opsets(model.opsets),
    producerName: model.producerName,
    producerVersion: model.producerVersion,
    domain: model.domain,
    ...(model.modelVersion !== 0n && { modelVersion: model.modelVersion }),
    docString: model.docString,
    graph: graphTo(model.graph, place),
    metadataProps: entries(model.metadata),
    functions: model.functions.map((definition) => functionTo(definition, place)),
    unknownFields: model.unknownFields,
  });
}

function graphTo(graph: Graph, place: Placement): Fields {
  return compact({
    node: graph.nodes.map((node) => nodeTo(node, place)),
    name: graph.name,
    initializer: [...graph.initializers.values()].map((initializer) =>
      initializerTo(initializer, place(initializer)),
    ),
    sparseInitializer: graph.sparseInitializers.map(sparseTo),
    docString: graph.docString,
    input: graph.inputs.map(valueTo),
    output: graph.outputs.map(valueTo),
    valueInfo: [...graph.valueInfo.values()].map(valueTo),
    quantizationAnnotation: graph.quantization.map(({ tensorName, parameters, unknownFields }) =>
      compact({ tensorName, quantParameterTensorNames: entries(parameters), unknownFields }),
    ),
    metadataProps: entries(graph.metadata),
    unknownFields: graph.unknownFields,
  });
}

function nodeTo(node: Node, place: Placement): Fields {
  return compact({
    input: node.inputs,
    output: node.outputs,
    name: node.name,
    opType: node.opType,
    domain: node.domain,
    overload: node.overload,
    attribute: [...node.attributes].map(([name, attribute]) => attributeTo(name, attribute, place)),
    docString: node.docString,
    metadataProps: entries(node.metadata),
    unknownFields: node.unknownFields,
  });
}

function attributeTo(name: string, attribute: Attribute, place: Placement): Fields | Uint8Array {
  if (attribute.kind === 'unknown') return attribute.value;
  const { docString, unknownFields } = attribute;
  return { ...compact({ name, docString, unknownFields }), ...attributeValueTo(attribute, place) };
}

function attributeValueTo(attribute: Exclude<AttributeValue, { kind: 'unknown' }>, place: Placement): Fields {
  const { kind, value } = attribute;
  switch (kind) {
    case 'float':
      return { type: 1, f: value };
    case 'int':
      return { type: 2, i: value };
    case 'string':
      return { type: 3, s: value };
    case 'tensor':
      return { type: 4, t: initializerTo(value) };
    case 'graph':
      return { type: 5, g: graphTo(value, place) };
    case 'floats':
      return { type: 6, floats: value };
    case 'ints':
      return { type: 7, ints: value };
    case 'strings':
      return { type: 8, strings: value };
    case 'tensors':
      return { type: 9, tensors: value.map((tensor) => initializerTo(tensor)) };
    case 'graphs':
      return { type: 10, graphs: value.map((graph) => graphTo(graph, place)) };
    case 'sparseTensor':
      return { type: 11, sparseTensor: sparseTo(value) };
    case 'sparseTensors':
      return { type: 12, sparseTensors: value.map(sparseTo) };
    case 'type':
      return { type: 13, tp: typeTo(value) };
    case 'types':
      return { type: 14, typeProtos: value.map(typeTo) };
    case 'reference':
      return { type: attribute.type, refAttrName: value };
  }
}

function initializerTo(initializer: Initializer, externalData?: ReadonlyMap<string, string>): Fields {
  const { content } = initializer;
  const fields = compact({
    dims: initializer.dims,
    dataType: dtypeInfo(initializer.dtype).code,
    name: initializer.name,
    docString: initializer.docString,
    metadataProps: entries(initializer.metadata),
    unknownFields: initializer.unknownFields,
  });
  if (externalData) return { ...fields, externalData: entries(externalData), dataLocation: 1 };
  if (content.kind === 'strings') return { ...fields, stringData: content.values };
  return { ...fields, rawData: content.kind === 'raw' ? content.bytes : content };
}

function sparseTo({ values, indices, dims, unknownFields }: SparseInitializer): Fields {
  return { values: initializerTo(values), indices: initializerTo(indices), dims, unknownFields };
}

function valueTo({ name, type, docString, metadata, unknownFields }: ValueInfo): Fields {
  return {
    ...compact({ docString, metadataProps: entries(metadata), unknownFields }),
    name,
    ...(type && { type: typeTo(type) }),
  };
}

function typeTo(type: ValueType): Fields | Uint8Array {
  if (type.kind === 'unknown') return type.encoded;
  const note = { denotation: type.denotation, unknownFields: type.unknownFields };
  switch (type.kind) {
    case 'tensor':
    case 'sparseTensor': {
      const { shape, dimensionDenotations: denotations } = type;
      const tensor = {
        elemType: dtypeInfo(type.dtype).code,
        ...(shape && { shape: { dim: shape.map((dim, axis) => dimensionTo(dim, denotations?.[axis])) } }),
      };
      return type.kind === 'tensor' ? { tensorType: tensor, ...note } : { sparseTensorType: tensor, ...note };
    }
    case 'sequence':
      return { sequenceType: { elemType: typeTo(type.element) }, ...note };
    case 'optional':
      return { optionalType: { elemType: typeTo(type.element) }, ...note };
    case 'map':
      return { mapType: { keyType: dtypeInfo(type.key).code, valueType: typeTo(type.value) }, ...note };
    case 'opaque':
      return { opaqueType: { domain: type.domain, name: type.name }, ...note };
  }
}

function dimensionTo(dim: Dimension, denotation = ''): Fields {
  const note = denotation === '' ? {} : { denotation };
  if (dim === null) return note;
  return typeof dim === 'number' ? { dimValue: dim, ...note } : { dimParam: dim, ...note };
}

function functionTo(definition: FunctionDefinition, place: Placement): Fields {
  return compact({
    name: definition.name,
    input: definition.inputs,
    output: definition.outputs,
    attribute: definition.attributes,
    attributeProto: [...definition.attributeDefaults].map(([name, value]) => attributeTo(name, value, place)),
    node: definition.nodes.map((node) => nodeTo(node, place)),
    docString: definition.docString,
    opsetImport: opsets(definition.opsets),
    domain: definition.domain,
    overload: definition.overload,
    valueInfo: [...definition.valueInfo.values()].map(valueTo),
    metadataProps: entries(definition.metadata),
    unknownFields: definition.unknownFields,
  });
}
