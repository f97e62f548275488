/** ModelProto and what it holds to the model of `ir.ts`. */
import { GraftError } from '../errors.js';
import type { ExternalData } from './external-data.js';
import type { Attribute, AttributeValue, FunctionDefinition, Graph, Model, Node } from './ir.js';
import { DamagedMessage, type Message } from './message.js';
import { domainFrom, entriesFrom, opsetsFrom, safeNumber, unknownFieldsOf } from './proto-parts.js';
import { initializerFrom, sparseFrom } from './proto-to-tensor.js';
import { typeFrom, valueFrom } from './proto-to-type.js';
import { quoteName } from './quote-name.js';

/** @throws GraftError INVALID_MODEL, or DamagedMessage. */
export function modelFromProto(proto: Message, source: ExternalData): Model {
  const path = source.modelPath;
  const graph = proto.convert('graph', (child) => graphFrom(child, source));
  if (!graph) throw new DamagedMessage('it holds no graph');
  if (!proto.has('opsetImport')) {
    throw new GraftError(
      'INVALID_MODEL',
      `${path} names no operator set (opset_import is empty), so that its operators have no meaning; export it again, or add the one it was made for.`,
    );
  }
  return {
    irVersion: safeNumber(proto.int64('irVersion'), () => `The IR version of ${path}`),
    opsets: opsetsFrom(proto, path),
    producerName: proto.text('producerName'),
    producerVersion: proto.text('producerVersion'),
    domain: proto.text('domain'),
    modelVersion: proto.int64('modelVersion'),
    docString: proto.text('docString'),
    metadata: entriesFrom(proto, 'metadataProps'),
    graph,
    functions: proto.map('functions', (row) => functionFrom(row, source)),
    ...unknownFieldsOf(proto),
  };
}

function graphFrom(proto: Message, source: ExternalData): Graph {
  const path = source.modelPath;
  const name = proto.text('name');
  const named = (field: string) =>
    proto.map(field, (row) => {
      const value = valueFrom(row, path);
      if (value.name !== '') return value;
      throw new DamagedMessage('it has no name');
    });
  return {
    name,
    docString: proto.text('docString'),
    nodes: proto.map('node', (row) => nodeFrom(row, source)),
    inputs: named('input'),
    outputs: named('output'),
    initializers: uniquely(
      proto.map('initializer', (row) => initializerFrom(row, source)),
      (twice) => `Graph ${quoteName(name)} of ${path} defines the initializer ${twice} twice.`,
    ),
    sparseInitializers: proto.map('sparseInitializer', (row) => sparseFrom(row, source)),
    valueInfo: new Map(
      proto.map('valueInfo', (row) => valueFrom(row, path)).map((value) => [value.name, value]),
    ),
    quantization: proto.map('quantizationAnnotation', (row) => ({
      tensorName: row.text('tensorName'),
      parameters: entriesFrom(row, 'quantParameterTensorNames'),
      ...unknownFieldsOf(row),
    })),
    metadata: entriesFrom(proto, 'metadataProps'),
    ...unknownFieldsOf(proto),
  };
}

function uniquely<T extends { readonly name: string }>(
  rows: readonly T[],
  refusal: (name: string) => string,
): Map<string, T> {
  const byName = new Map<string, T>();
  for (const row of rows) {
    if (byName.has(row.name)) throw new GraftError('INVALID_MODEL', refusal(quoteName(row.name)));
    byName.set(row.name, row);
  }
  return byName;
}

const noNames: readonly string[] = [];
const noAttributes: ReadonlyMap<string, Attribute> = new Map();

function nodeFrom(proto: Message, source: ExternalData): Node {
  const opType = proto.text('opType');
  if (opType === '') throw new DamagedMessage('it names no operator');
  return {
    opType,
    domain: domainFrom(proto),
    overload: proto.text('overload'),
    name: proto.text('name'),
    docString: proto.text('docString'),
    inputs: proto.has('input') ? proto.texts('input') : noNames,
    outputs: proto.has('output') ? proto.texts('output') : noNames,
    attributes: proto.has('attribute') ? attributesFrom(proto, 'attribute', source) : noAttributes,
    metadata: entriesFrom(proto, 'metadataProps'),
    ...unknownFieldsOf(proto),
  };
}

function attributesFrom(proto: Message, field: string, source: ExternalData): Map<string, Attribute> {
  const attributes = new Map<string, Attribute>();
  for (const [name, attribute] of proto.map(field, (row) => attributeFrom(row, source))) {
    if (attributes.has(name)) throw new DamagedMessage(`it has two attributes ${quoteName(name)}`);
    attributes.set(name, attribute);
  }
  return attributes;
}

function attributeFrom(proto: Message, source: ExternalData): [string, Attribute] {
  const name = proto.text('name');
  if (name === '') throw new DamagedMessage('it has no name');
  const docString = proto.text('docString');
  const value = attributeValueFrom(proto, source);
  if (value.kind === 'unknown') return [name, value];
  return [name, { ...value, ...(docString !== '' && { docString }), ...unknownFieldsOf(proto) }];
}

/** The fields by AttributeProto.AttributeType, which files older than IR version 4 may leave out. */
const valueFields: readonly string[] = [
  'f',
  'i',
  's',
  't',
  'g',
  'floats',
  'ints',
  'strings',
  'tensors',
  'graphs',
  'sparseTensor',
  'sparseTensors',
  'tp',
  'typeProtos',
];

function attributeValueFrom(proto: Message, source: ExternalData): AttributeValue {
  const type = proto.int32('type') || valueFields.findIndex((field) => proto.has(field)) + 1;
  const reference = proto.text('refAttrName');
  if (reference !== '') return { kind: 'reference', value: reference, type };
  const one = <T>(field: string, convert: (child: Message) => T): T => {
    const value = proto.convert(field, convert);
    if (value === undefined) throw new DamagedMessage(`it holds no value of its type`);
    return value;
  };
  const tensor = (row: Message) => initializerFrom(row, source);
  const sparse = (row: Message) => sparseFrom(row, source);
  const graph = (row: Message) => graphFrom(row, source);
  const valueType = (row: Message) => typeFrom(row, () => `A type of ${source.modelPath}`);
  switch (type) {
    case 1:
      return { kind: 'float', value: proto.float('f') };
    case 2:
      return { kind: 'int', value: proto.int64('i') };
    case 3:
      return { kind: 'string', value: proto.blob('s') };
    case 4:
      return { kind: 'tensor', value: one('t', tensor) };
    case 5:
      return { kind: 'graph', value: one('g', graph) };
    case 6: {
      // A copy, because a view of floats has to begin at a multiple of four.
      const floats = new Uint8Array(proto.packedFloats('floats'));
      return { kind: 'floats', value: Array.from(new Float32Array(floats.buffer)) };
    }
    case 7:
      return { kind: 'ints', value: Array.from(proto.int64s('ints')) };
    case 8:
      return { kind: 'strings', value: proto.blobs('strings') };
    case 9:
      return { kind: 'tensors', value: proto.map('tensors', tensor) };
    case 10:
      return { kind: 'graphs', value: proto.map('graphs', graph) };
    case 11:
      return { kind: 'sparseTensor', value: one('sparseTensor', sparse) };
    case 12:
      return { kind: 'sparseTensors', value: proto.map('sparseTensors', sparse) };
    case 13:
      return { kind: 'type', value: one('tp', valueType) };
    case 14:
      return { kind: 'types', value: proto.map('typeProtos', valueType) };
    default:
      return { kind: 'unknown', value: proto.encoded };
  }
}

function functionFrom(proto: Message, source: ExternalData): FunctionDefinition {
  const name = proto.text('name');
  if (name === '') throw new DamagedMessage('it has no name');
  return {
    name,
    domain: domainFrom(proto),
    overload: proto.text('overload'),
    docString: proto.text('docString'),
    inputs: proto.texts('input'),
    outputs: proto.texts('output'),
    attributes: proto.texts('attribute'),
    attributeDefaults: attributesFrom(proto, 'attributeProto', source),
    nodes: proto.map('node', (row) => nodeFrom(row, source)),
    opsets: opsetsFrom(proto, `Function ${quoteName(name)} of ${source.modelPath}`),
    valueInfo: new Map(
      proto.map('valueInfo', (row) => valueFrom(row, source.modelPath)).map((value) => [value.name, value]),
    ),
    metadata: entriesFrom(proto, 'metadataProps'),
    ...unknownFieldsOf(proto),
  };
}
