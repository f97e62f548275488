/**
 * The ONNX container's messages by field number (onnx.proto, IR version 14), as data. What a message holds beyond these
 * fields (training_info, device configurations, whatever a later version adds) is kept as unknown fields.
 * The format's documents: https://github.com/onnx/onnx/blob/main/docs/IR.md.
 */

/** A scalar of protobuf, or the name of a message. Enumerations are int32. */
type Kind = 'string' | 'bytes' | 'int32' | 'int64' | 'uint64' | 'float' | 'double' | (string & {});
type Row = readonly [name: string, id: number, kind: Kind, rule?: 'repeated'];

const rows: Readonly<Record<string, readonly Row[]>> = {
  ModelProto: [
    ['irVersion', 1, 'int64'],
    ['opsetImport', 8, 'OperatorSetIdProto', 'repeated'],
    ['producerName', 2, 'string'],
    ['producerVersion', 3, 'string'],
    ['domain', 4, 'string'],
    ['modelVersion', 5, 'int64'],
    ['docString', 6, 'string'],
    ['graph', 7, 'GraphProto'],
    ['metadataProps', 14, 'StringStringEntryProto', 'repeated'],
    ['functions', 25, 'FunctionProto', 'repeated'],
  ],
  OperatorSetIdProto: [
    ['domain', 1, 'string'],
    ['version', 2, 'int64'],
  ],
  StringStringEntryProto: [
    ['key', 1, 'string'],
    ['value', 2, 'string'],
  ],
  GraphProto: [
    ['node', 1, 'NodeProto', 'repeated'],
    ['name', 2, 'string'],
    ['initializer', 5, 'TensorProto', 'repeated'],
    ['sparseInitializer', 15, 'SparseTensorProto', 'repeated'],
    ['docString', 10, 'string'],
    ['input', 11, 'ValueInfoProto', 'repeated'],
    ['output', 12, 'ValueInfoProto', 'repeated'],
    ['valueInfo', 13, 'ValueInfoProto', 'repeated'],
    ['quantizationAnnotation', 14, 'TensorAnnotation', 'repeated'],
    ['metadataProps', 16, 'StringStringEntryProto', 'repeated'],
  ],
  NodeProto: [
    ['input', 1, 'string', 'repeated'],
    ['output', 2, 'string', 'repeated'],
    ['name', 3, 'string'],
    ['opType', 4, 'string'],
    ['domain', 7, 'string'],
    ['overload', 8, 'string'],
    ['attribute', 5, 'AttributeProto', 'repeated'],
    ['docString', 6, 'string'],
    ['metadataProps', 9, 'StringStringEntryProto', 'repeated'],
  ],
  AttributeProto: [
    ['name', 1, 'string'],
    ['refAttrName', 21, 'string'],
    ['docString', 13, 'string'],
    ['type', 20, 'int32'],
    ['f', 2, 'float'],
    ['i', 3, 'int64'],
    ['s', 4, 'bytes'],
    ['t', 5, 'TensorProto'],
    ['g', 6, 'GraphProto'],
    ['sparseTensor', 22, 'SparseTensorProto'],
    ['tp', 14, 'TypeProto'],
    ['floats', 7, 'float', 'repeated'],
    ['ints', 8, 'int64', 'repeated'],
    ['strings', 9, 'bytes', 'repeated'],
    ['tensors', 10, 'TensorProto', 'repeated'],
    ['graphs', 11, 'GraphProto', 'repeated'],
    ['sparseTensors', 23, 'SparseTensorProto', 'repeated'],
    ['typeProtos', 15, 'TypeProto', 'repeated'],
  ],
  TensorProto: [
    ['dims', 1, 'int64', 'repeated'],
    ['dataType', 2, 'int32'],
    ['floatData', 4, 'float', 'repeated'],
    ['int32Data', 5, 'int32', 'repeated'],
    ['stringData', 6, 'bytes', 'repeated'],
    ['int64Data', 7, 'int64', 'repeated'],
    ['name', 8, 'string'],
    ['docString', 12, 'string'],
    ['rawData', 9, 'bytes'],
    ['externalData', 13, 'StringStringEntryProto', 'repeated'],
    ['dataLocation', 14, 'int32'],
    ['doubleData', 10, 'double', 'repeated'],
    ['uint64Data', 11, 'uint64', 'repeated'],
    ['metadataProps', 16, 'StringStringEntryProto', 'repeated'],
  ],
  SparseTensorProto: [
    ['values', 1, 'TensorProto'],
    ['indices', 2, 'TensorProto'],
    ['dims', 3, 'int64', 'repeated'],
  ],
  ValueInfoProto: [
    ['name', 1, 'string'],
    ['type', 2, 'TypeProto'],
    ['docString', 3, 'string'],
    ['metadataProps', 4, 'StringStringEntryProto', 'repeated'],
  ],
  TypeProto: [
    ['tensorType', 1, 'TensorTypeProto'],
    ['sequenceType', 4, 'ElementTypeProto'],
    ['mapType', 5, 'MapTypeProto'],
    ['optionalType', 9, 'ElementTypeProto'],
    ['sparseTensorType', 8, 'TensorTypeProto'],
    ['opaqueType', 7, 'OpaqueTypeProto'],
    ['denotation', 6, 'string'],
  ],
  TensorTypeProto: [
    ['elemType', 1, 'int32'],
    ['shape', 2, 'TensorShapeProto'],
  ],
  ElementTypeProto: [['elemType', 1, 'TypeProto']],
  MapTypeProto: [
    ['keyType', 1, 'int32'],
    ['valueType', 2, 'TypeProto'],
  ],
  OpaqueTypeProto: [
    ['domain', 1, 'string'],
    ['name', 2, 'string'],
  ],
  TensorShapeProto: [['dim', 1, 'DimensionProto', 'repeated']],
  DimensionProto: [
    ['dimValue', 1, 'int64'],
    ['dimParam', 2, 'string'],
    ['denotation', 3, 'string'],
  ],
  TensorAnnotation: [
    ['tensorName', 1, 'string'],
    ['quantParameterTensorNames', 2, 'StringStringEntryProto', 'repeated'],
  ],
  FunctionProto: [
    ['name', 1, 'string'],
    ['input', 4, 'string', 'repeated'],
    ['output', 5, 'string', 'repeated'],
    ['attribute', 6, 'string', 'repeated'],
    ['attributeProto', 11, 'AttributeProto', 'repeated'],
    ['node', 7, 'NodeProto', 'repeated'],
    ['docString', 8, 'string'],
    ['opsetImport', 9, 'OperatorSetIdProto', 'repeated'],
    ['domain', 10, 'string'],
    ['overload', 13, 'string'],
    ['valueInfo', 12, 'ValueInfoProto', 'repeated'],
    ['metadataProps', 14, 'StringStringEntryProto', 'repeated'],
  ],
};

export interface Field {
  readonly name: string;
  readonly id: number;
  readonly kind: Kind;
  readonly isRepeated: boolean;
  /** How a single value is encoded: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes. */
  readonly wireType: number;
  /** The message's fields, where the kind is a message. */
  readonly message: MessageType | undefined;
}

export interface MessageType {
  /** In the order of their numbers, as they are written. */
  readonly fields: readonly Field[];
  readonly byId: ReadonlyMap<number, Field>;
  readonly byName: ReadonlyMap<string, Field>;
}

const wireTypes: Readonly<Record<string, number>> = { int32: 0, int64: 0, uint64: 0, double: 1, float: 5 };

interface OpenMessageType {
  fields: Field[];
  byId: Map<number, Field>;
  byName: Map<string, Field>;
}

const messageTypes = new Map<string, OpenMessageType>(
  Object.keys(rows).map((name) => [name, { fields: [], byId: new Map(), byName: new Map() }]),
);
for (const [message, type] of messageTypes) {
  type.fields = rows[message]!.map(([name, id, kind, rule]) => ({
    name,
    id,
    kind,
    isRepeated: rule === 'repeated',
    wireType: wireTypes[kind] ?? 2,
    message: messageTypes.get(kind),
  })).sort((a, b) => a.id - b.id);
  type.byId = new Map(type.fields.map((field) => [field.id, field]));
  type.byName = new Map(type.fields.map((field) => [field.name, field]));
}

export const modelType: MessageType = messageTypes.get('ModelProto')!;
