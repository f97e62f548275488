/** TypeProto and ValueInfoProto to the types of `ir.ts`. What cannot be told is kept as it came. */
import { dtypeFromCode } from '../tensor/dtype.js';
import { encodeField } from './encode-message.js';
import type { Dimension, ValueInfo, ValueType } from './ir.js';
import type { Message } from './message.js';
import { entriesFrom, safeNumber, unknownFieldsOf } from './proto-parts.js';
import { quoteName } from './quote-name.js';

/** @param path - the model file, for messages */
export function valueFrom(proto: Message, path: string): ValueInfo {
  const name = proto.text('name');
  const type = proto.convert('type', (child) => typeFrom(child, () => `Value ${quoteName(name)} of ${path}`));
  return {
    name,
    ...(type && { type }),
    docString: proto.text('docString'),
    metadata: entriesFrom(proto, 'metadataProps'),
    ...unknownFieldsOf(proto),
  };
}

export function typeFrom(proto: Message, what: () => string): ValueType {
  const denotation = proto.text('denotation');
  const notes = (inner: readonly Uint8Array[] = []) => {
    const unknown = [proto.unknownFields, ...inner].filter(({ length }) => length > 0);
    return {
      ...(denotation !== '' && { denotation }),
      ...(unknown.length > 0 && { unknownFields: new Uint8Array(Buffer.concat(unknown)) }),
    };
  };
  for (const kind of ['tensor', 'sparseTensor'] as const) {
    const field = `${kind}Type`;
    const tensor = proto.child(field);
    const info = tensor && dtypeFromCode(tensor.int32('elemType'));
    if (!info) continue;
    const { dtype } = info;
    const shape = tensor.child('shape');
    if (!shape) return { kind, dtype, ...notes([residue(proto, field, tensor.unknownFields)]) };
    const denotations = shape.map('dim', (dim) => dim.text('denotation'));
    return {
      kind,
      dtype,
      shape: shape.map('dim', (dim) => dimensionFrom(dim, what)),
      ...(denotations.some((name) => name !== '') && { dimensionDenotations: denotations }),
      ...notes([residue(proto, field, tensor.unknownFields, residue(tensor, 'shape', shape.unknownFields))]),
    };
  }
  for (const kind of ['sequence', 'optional'] as const) {
    const field = `${kind}Type`;
    const holder = proto.child(field);
    const element = holder?.convert('elemType', (child) => typeFrom(child, what));
    if (element) return { kind, element, ...notes([residue(proto, field, holder!.unknownFields)]) };
  }
  const map = proto.child('mapType');
  const key = map && dtypeFromCode(map.int32('keyType'))?.dtype;
  const value = map?.convert('valueType', (child) => typeFrom(child, what));
  if (key && value)
    return { kind: 'map', key, value, ...notes([residue(proto, 'mapType', map.unknownFields)]) };
  const opaque = proto.child('opaqueType');
  if (opaque) {
    const [domain, name] = [opaque.text('domain'), opaque.text('name')];
    return { kind: 'opaque', domain, name, ...notes([residue(proto, 'opaqueType', opaque.unknownFields)]) };
  }
  return { kind: 'unknown', encoded: proto.encoded };
}

/**
 * Unknown fields of a message inside the type, as an unknown field of the type: a second piece of that message, which
 * every reader adds to the first.
 */
function residue(proto: Message, field: string, ...unknown: readonly Uint8Array[]): Uint8Array {
  if (unknown.every(({ length }) => length === 0)) return unknown[0]!;
  return encodeField(proto.type, field, Buffer.concat(unknown));
}

function dimensionFrom(proto: Message, what: () => string): Dimension {
  if (proto.has('dimValue')) {
    const size = safeNumber(proto.int64('dimValue'), what);
    // Older exporters (PaddlePaddle's, Keras') write -1 for what is open; the runtime takes it so.
    return size < 0 ? null : size;
  }
  const name = proto.text('dimParam');
  return name === '' ? null : name;
}
