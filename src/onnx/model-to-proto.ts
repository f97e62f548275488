/** The model of `ir.ts` to messages, the inverse of `proto-to-model.ts`. Absent and empty fields are left out. */
import { dtypeInfo } from '../tensor/dtype.js';
import { initializerBytes } from './initializer.js';
import type {
  Attribute,
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
import type { Message } from './onnx-schema.js';

/** protobufjs writes 64-bit integers from objects of two halves. */
function long(value: bigint | number): object {
  const wide = BigInt(value);
  return {
    low: Number(BigInt.asIntN(32, wide)),
    high: Number(BigInt.asIntN(32, wide >> 32n)),
    unsigned: false,
  };
}

/** Drops what is empty: '' and [] mean absent. */
function compact(fields: Record<string, unknown>): Message {
  const message: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0)) continue;
    message[name === 'unknownFields' ? '$unknowns' : name] = value;
  }
  return message;
}

const entries = (map: ReadonlyMap<string, string>): Message[] =>
  [...map].map(([key, value]) => ({ key, value }));

const opsets = (map: ReadonlyMap<string, number>): Message[] =>
  [...map].map(([domain, version]) => ({ domain, version: long(version) }));

export function modelToProto(model: Model): Message {
  return compact({
    irVersion: long(model.irVersion),
    opsetImport: opsets(model.opsets),
    producerName: model.producerName,
    producerVersion: model.producerVersion,
    domain: model.domain,
    ...(model.modelVersion !== 0n && { modelVersion: long(model.modelVersion) }),
    docString: model.docString,
    graph: graphTo(model.graph),
    metadataProps: entries(model.metadata),
    functions: model.functions.map(functionTo),
    unknownFields: model.unknownFields,
  });
}

function graphTo(graph: Graph): Message {
  return compact({
    node: graph.nodes.map(nodeTo),
    name: graph.name,
    initializer: [...graph.initializers.values()].map(initializerTo),
    sparseInitializer: graph.sparseInitializers.map(sparseTo),
    docString: graph.docString,
    input: graph.inputs.map(valueTo),
    output: graph.outputs.map(valueTo),
    valueInfo: [...graph.valueInfo.values()].map(valueTo),
    quantizationAnnotation: graph.quantization.map(({ tensorName, parameters }) =>
      compact({ tensorName, quantParameterTensorNames: entries(parameters) }),
    ),
    metadataProps: entries(graph.metadata),
    unknownFields: graph.unknownFields,
  });
}

function nodeTo(node: Node): Message {
  return compact({
    input: node.inputs,
    output: node.outputs,
    name: node.name,
    opType: node.opType,
    domain: node.domain,
    overload: node.overload,
    attribute: [...node.attributes].map(([name, attribute]) => attributeTo(name, attribute)),
    docString: node.docString,
    metadataProps: entries(node.metadata),
    unknownFields: node.unknownFields,
  });
}

function attributeTo(name: string, attribute: Attribute): Message {
  return { ...compact({ name, docString: attribute.docString }), ...attributeValueTo(attribute) };
}

function attributeValueTo(attribute: Attribute): Message {
  const { kind, value } = attribute;
  switch (kind) {
    case 'float':
      return { type: 1, f: value };
    case 'int':
      return { type: 2, i: long(value) };
    case 'string':
      return { type: 3, s: value };
    case 'tensor':
      return { type: 4, t: initializerTo(value) };
    case 'graph':
      return { type: 5, g: graphTo(value) };
    case 'floats':
      return { type: 6, floats: value };
    case 'ints':
      return { type: 7, ints: value.map(long) };
    case 'strings':
      return { type: 8, strings: value };
    case 'tensors':
      return { type: 9, tensors: value.map(initializerTo) };
    case 'graphs':
      return { type: 10, graphs: value.map(graphTo) };
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

function initializerTo(initializer: Initializer): Message {
  const { content } = initializer;
  return {
    ...compact({
      dims: initializer.dims.map(long),
      dataType: dtypeInfo(initializer.dtype).code,
      name: initializer.name,
      docString: initializer.docString,
      metadataProps: entries(initializer.metadata),
    }),
    ...(content.kind === 'strings'
      ? { stringData: content.values }
      : { rawData: initializerBytes(initializer) }),
  };
}

function sparseTo({ values, indices, dims }: SparseInitializer): Message {
  return { values: initializerTo(values), indices: initializerTo(indices), dims: dims.map(long) };
}

function valueTo({ name, type, docString, metadata }: ValueInfo): Message {
  return {
    ...compact({ docString, metadataProps: entries(metadata) }),
    name,
    ...(type && { type: typeTo(type) }),
  };
}

function typeTo(type: ValueType): Message {
  const note = type.denotation === undefined ? {} : { denotation: type.denotation };
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

function dimensionTo(dim: Dimension, denotation = ''): Message {
  const note = denotation === '' ? {} : { denotation };
  if (dim === null) return note;
  return typeof dim === 'number' ? { dimValue: long(dim), ...note } : { dimParam: dim, ...note };
}

function functionTo(definition: FunctionDefinition): Message {
  return compact({
    name: definition.name,
    input: definition.inputs,
    output: definition.outputs,
    attribute: definition.attributes,
    attributeProto: [...definition.attributeDefaults].map(([name, value]) => attributeTo(name, value)),
    node: definition.nodes.map(nodeTo),
    docString: definition.docString,
    opsetImport: opsets(definition.opsets),
    domain: definition.domain,
    overload: definition.overload,
    valueInfo: [...definition.valueInfo.values()].map(valueTo),
    metadataProps: entries(definition.metadata),
    unknownFields: definition.unknownFields,
  });
}
