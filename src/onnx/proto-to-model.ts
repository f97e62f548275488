/** Decoded messages to the model of `ir.ts`. */
import { GraftError } from '../errors.js';
import { byteLength, dtypeFromCode, type dtypeInfo } from '../tensor/dtype.js';
import { resolveExternalData } from './external-data.js';
import type {
  Attribute,
  Dimension,
  FunctionDefinition,
  Graph,
  Initializer,
  InitializerContent,
  Model,
  Node,
  SparseInitializer,
  ValueInfo,
  ValueType,
} from './ir.js';
import type { Message } from './onnx-schema.js';

interface Long {
  readonly low: number;
  readonly high: number;
}

const list = (message: Message, field: string): readonly Message[] =>
  (message[field] as Message[] | undefined) ?? [];
const text = (message: Message, field: string): string => (message[field] as string | undefined) ?? '';
const has = (message: Message, field: string): boolean => Object.hasOwn(message, field);

function bigint(value: unknown): bigint {
  if (value === undefined || value === null) return 0n;
  if (typeof value === 'number') return BigInt(value);
  const { low, high } = value as Long;
  return BigInt.asIntN(64, (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0));
}

const entries = (rows: readonly Message[]): Map<string, string> =>
  new Map(rows.map((row) => [text(row, 'key'), text(row, 'value')]));

const unknown = (message: Message): { unknownFields?: readonly Uint8Array[] } =>
  message.$unknowns?.length ? { unknownFields: message.$unknowns } : {};

const opsets = (rows: readonly Message[]): Map<string, number> =>
  // 'ai.onnx' is the long name of the default domain.
  new Map(rows.map((row) => [text(row, 'domain').replace(/^ai\.onnx$/, ''), Number(bigint(row.version))]));

/** @throws GraftError INVALID_MODEL */
export function modelFromProto(proto: Message, path: string): Model {
  if (!has(proto, 'graph') || list(proto, 'opsetImport').length === 0) {
    throw new GraftError(
      'INVALID_MODEL',
      `${path} is not an ONNX model: it holds no graph with an operator set.`,
    );
  }
  return {
    irVersion: Number(bigint(proto.irVersion)),
    opsets: opsets(list(proto, 'opsetImport')),
    producerName: text(proto, 'producerName'),
    producerVersion: text(proto, 'producerVersion'),
    domain: text(proto, 'domain'),
    modelVersion: bigint(proto.modelVersion),
    docString: text(proto, 'docString'),
    metadata: entries(list(proto, 'metadataProps')),
    graph: graphFrom(proto.graph as Message, path),
    functions: list(proto, 'functions').map((row) => functionFrom(row, path)),
    ...unknown(proto),
  };
}

function graphFrom(proto: Message, path: string): Graph {
  const initializers = new Map<string, Initializer>();
  for (const row of list(proto, 'initializer')) {
    const initializer = initializerFrom(row, path);
    if (initializers.has(initializer.name)) {
      throw new GraftError('INVALID_MODEL', `${path} defines the initializer "${initializer.name}" twice.`);
    }
    initializers.set(initializer.name, initializer);
  }
  return {
    name: text(proto, 'name'),
    docString: text(proto, 'docString'),
    nodes: list(proto, 'node').map((row) => nodeFrom(row, path)),
    inputs: list(proto, 'input').map(valueFrom),
    outputs: list(proto, 'output').map(valueFrom),
    initializers,
    sparseInitializers: list(proto, 'sparseInitializer').map((row) => sparseFrom(row, path)),
    valueInfo: new Map(list(proto, 'valueInfo').map((row) => [text(row, 'name'), valueFrom(row)])),
    quantization: list(proto, 'quantizationAnnotation').map((row) => ({
      tensorName: text(row, 'tensorName'),
      parameters: entries(list(row, 'quantParameterTensorNames')),
    })),
    metadata: entries(list(proto, 'metadataProps')),
    ...unknown(proto),
  };
}

function nodeFrom(proto: Message, path: string): Node {
  return {
    opType: text(proto, 'opType'),
    domain: text(proto, 'domain').replace(/^ai\.onnx$/, ''),
    overload: text(proto, 'overload'),
    name: text(proto, 'name'),
    docString: text(proto, 'docString'),
    inputs: (proto.input as string[] | undefined) ?? [],
    outputs: (proto.output as string[] | undefined) ?? [],
    attributes: new Map(list(proto, 'attribute').map((row) => [text(row, 'name'), attributeFrom(row, path)])),
    metadata: entries(list(proto, 'metadataProps')),
    ...unknown(proto),
  };
}

function attributeFrom(proto: Message, path: string): Attribute {
  const docString = text(proto, 'docString');
  const note = docString === '' ? {} : { docString };
  const type = (proto.type as number | undefined) ?? impliedType(proto);
  const reference = text(proto, 'refAttrName');
  if (reference !== '') return { kind: 'reference', value: reference, type, ...note };
  switch (type) {
    case 1:
      return { kind: 'float', value: (proto.f as number | undefined) ?? 0, ...note };
    case 2:
      return { kind: 'int', value: bigint(proto.i), ...note };
    case 3:
      return { kind: 'string', value: (proto.s as Uint8Array | undefined) ?? new Uint8Array(), ...note };
    case 4:
      return { kind: 'tensor', value: initializerFrom(required(proto, 't', path), path), ...note };
    case 5:
      return { kind: 'graph', value: graphFrom(required(proto, 'g', path), path), ...note };
    case 6:
      return { kind: 'floats', value: (proto.floats as number[] | undefined) ?? [], ...note };
    case 7:
      return { kind: 'ints', value: ((proto.ints as unknown[] | undefined) ?? []).map(bigint), ...note };
    case 8:
      return { kind: 'strings', value: (proto.strings as Uint8Array[] | undefined) ?? [], ...note };
    case 9:
      return {
        kind: 'tensors',
        value: list(proto, 'tensors').map((row) => initializerFrom(row, path)),
        ...note,
      };
    case 10:
      return { kind: 'graphs', value: list(proto, 'graphs').map((row) => graphFrom(row, path)), ...note };
    case 11:
      return {
        kind: 'sparseTensor',
        value: sparseFrom(required(proto, 'sparseTensor', path), path),
        ...note,
      };
    case 12:
      return {
        kind: 'sparseTensors',
        value: list(proto, 'sparseTensors').map((row) => sparseFrom(row, path)),
        ...note,
      };
    case 13:
      return { kind: 'type', value: requiredType(required(proto, 'tp', path), path), ...note };
    case 14:
      return {
        kind: 'types',
        value: list(proto, 'typeProtos').map((row) => requiredType(row, path)),
        ...note,
      };
    default:
      throw new GraftError(
        'INVALID_MODEL',
        `Attribute "${text(proto, 'name')}" of ${path} has the unknown type ${type}.`,
      );
  }
}

/** Files older than IR version 4 may leave the type out. */
function impliedType(proto: Message): number {
  const fields = ['f', 'i', 's', 't', 'g', 'floats', 'ints', 'strings', 'tensors', 'graphs'];
  return fields.findIndex((field) => has(proto, field)) + 1;
}

function required(proto: Message, field: string, path: string): Message {
  const value = proto[field] as Message | undefined;
  if (!value) {
    throw new GraftError(
      'INVALID_MODEL',
      `Attribute "${text(proto, 'name')}" of ${path} holds no value of its type.`,
    );
  }
  return value;
}

function initializerFrom(proto: Message, path: string): Initializer {
  const name = text(proto, 'name');
  const what = `Tensor "${name}" of ${path}`;
  const info = dtypeFromCode((proto.dataType as number | undefined) ?? 0);
  if (!info)
    throw new GraftError('INVALID_MODEL', `${what} has the unknown element type ${String(proto.dataType)}.`);
  const { dtype } = info;
  const dims = dimsFrom(proto, what);
  const count = dims.reduce((product, dim) => product * dim, 1);
  if (!Number.isSafeInteger(count))
    throw new GraftError('INVALID_MODEL', `${what} has a shape that overflows: [${dims}].`);
  const content = contentFrom(proto, info, count, what, path);
  const stored =
    content.kind === 'raw'
      ? content.bytes.length
      : content.kind === 'external'
        ? content.length
        : content.values.length;
  const expected = dtype === 'string' ? count : byteLength(dtype, count);
  if (stored !== expected) {
    throw new GraftError(
      'INVALID_MODEL',
      `${what} is ${dtype} [${dims}] and needs ${expected} ${dtype === 'string' ? 'strings' : 'bytes'} but holds ${stored}.`,
    );
  }
  return {
    name,
    dtype,
    dims,
    content,
    docString: text(proto, 'docString'),
    metadata: entries(list(proto, 'metadataProps')),
  };
}

function contentFrom(
  proto: Message,
  { dtype, bits, array }: ReturnType<typeof dtypeInfo>,
  count: number,
  what: string,
  path: string,
): InitializerContent {
  if (proto.dataLocation === 1) {
    return resolveExternalData(entries(list(proto, 'externalData')), {
      what,
      path,
      size: byteLength(dtype, count),
    });
  }
  if (has(proto, 'rawData')) return rawFrom(proto.rawData as Uint8Array);
  if (dtype === 'string')
    return { kind: 'strings', values: (proto.stringData as Uint8Array[] | undefined) ?? [] };
  const field = typedField[dtype] ?? 'int32Data';
  const values = (proto[field] as readonly unknown[] | undefined) ?? [];
  if (field === 'int64Data' || field === 'uint64Data') {
    // uint32 is kept in uint64_data.
    const wide = BigUint64Array.from(values, (value) => BigInt.asUintN(64, bigint(value)));
    return rawFrom(dtype === 'uint32' ? Uint32Array.from(wide, Number) : wide);
  }
  // Types below a byte come packed, one byte an entry.
  if (bits < 8) return rawFrom(Uint8Array.from(values as number[]));
  return rawFrom(Reflect.construct(array, [values]) as Uint8Array);
}

const typedField: Readonly<Record<string, string>> = {
  float32: 'floatData',
  complex64: 'floatData',
  float64: 'doubleData',
  complex128: 'doubleData',
  int64: 'int64Data',
  uint64: 'uint64Data',
  uint32: 'uint64Data',
};

function rawFrom({ buffer, byteOffset, byteLength: length }: ArrayBufferView): InitializerContent {
  return { kind: 'raw', bytes: new Uint8Array(buffer, byteOffset, length) };
}

function dimsFrom(proto: Message, what: string): number[] {
  return ((proto.dims as unknown[] | undefined) ?? []).map((value) => {
    const dim = Number(bigint(value));
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new GraftError('INVALID_MODEL', `${what} has the impossible dimension ${bigint(value)}.`);
    }
    return dim;
  });
}

function sparseFrom(proto: Message, path: string): SparseInitializer {
  const part = (field: string): Initializer => {
    const value = proto[field] as Message | undefined;
    if (!value) throw new GraftError('INVALID_MODEL', `A sparse tensor of ${path} holds no ${field}.`);
    return initializerFrom(value, path);
  };
  return {
    values: part('values'),
    indices: part('indices'),
    dims: dimsFrom(proto, `A sparse tensor of ${path}`),
  };
}

function valueFrom(proto: Message): ValueInfo {
  const type = has(proto, 'type') ? typeFrom(proto.type as Message) : undefined;
  return {
    name: text(proto, 'name'),
    ...(type && { type }),
    docString: text(proto, 'docString'),
    metadata: entries(list(proto, 'metadataProps')),
  };
}

function requiredType(proto: Message, path: string): ValueType {
  const type = typeFrom(proto);
  if (!type) throw new GraftError('INVALID_MODEL', `A type in an attribute of ${path} is of no known kind.`);
  return type;
}

function typeFrom(proto: Message): ValueType | undefined {
  const denotation = text(proto, 'denotation');
  const note = denotation === '' ? {} : { denotation };
  for (const [field, kind] of [
    ['tensorType', 'tensor'],
    ['sparseTensorType', 'sparseTensor'],
  ] as const) {
    if (!has(proto, field)) continue;
    const tensor = proto[field] as Message;
    const dtype = dtypeFromCode((tensor.elemType as number | undefined) ?? 0)?.dtype;
    if (!dtype) return undefined;
    if (!has(tensor, 'shape')) return { kind, dtype, ...note };
    const dims = list(tensor.shape as Message, 'dim');
    const denotations = dims.map((dim) => text(dim, 'denotation'));
    return {
      kind,
      dtype,
      shape: dims.map(dimensionFrom),
      ...(denotations.some((name) => name !== '') && { dimensionDenotations: denotations }),
      ...note,
    };
  }
  for (const [field, kind] of [
    ['sequenceType', 'sequence'],
    ['optionalType', 'optional'],
  ] as const) {
    const element = (proto[field] as Message | undefined)?.elemType as Message | undefined;
    const type = element && typeFrom(element);
    if (type) return { kind, element: type, ...note };
  }
  if (has(proto, 'mapType')) {
    const map = proto.mapType as Message;
    const key = dtypeFromCode((map.keyType as number | undefined) ?? 0)?.dtype;
    const value = has(map, 'valueType') ? typeFrom(map.valueType as Message) : undefined;
    if (key && value) return { kind: 'map', key, value, ...note };
  }
  if (has(proto, 'opaqueType')) {
    const opaque = proto.opaqueType as Message;
    return { kind: 'opaque', domain: text(opaque, 'domain'), name: text(opaque, 'name'), ...note };
  }
  return undefined;
}

function dimensionFrom(proto: Message): Dimension {
  if (has(proto, 'dimValue')) return Number(bigint(proto.dimValue));
  const name = text(proto, 'dimParam');
  return name === '' ? null : name;
}

function functionFrom(proto: Message, path: string): FunctionDefinition {
  return {
    name: text(proto, 'name'),
    domain: text(proto, 'domain'),
    overload: text(proto, 'overload'),
    docString: text(proto, 'docString'),
    inputs: (proto.input as string[] | undefined) ?? [],
    outputs: (proto.output as string[] | undefined) ?? [],
    attributes: (proto.attribute as string[] | undefined) ?? [],
    attributeDefaults: new Map(
      list(proto, 'attributeProto').map((row) => [text(row, 'name'), attributeFrom(row, path)]),
    ),
    nodes: list(proto, 'node').map((row) => nodeFrom(row, path)),
    opsets: opsets(list(proto, 'opsetImport')),
    valueInfo: new Map(list(proto, 'valueInfo').map((row) => [text(row, 'name'), valueFrom(row)])),
    metadata: entries(list(proto, 'metadataProps')),
    ...unknown(proto),
  };
}
