/** TensorProto and SparseTensorProto to the initializers of `ir.ts`. */
import { GraftError } from '../errors.js';
import { byteLength, dtypeFromCode, type DTypeInfo } from '../tensor/dtype.js';
import { packBits } from '../tensor/pack-bits.js';
import type { ExternalData } from './external-data.js';
import type { Initializer, InitializerContent, SparseInitializer } from './ir.js';
import type { Message } from './message.js';
import { entriesFrom, unknownFieldsOf } from './proto-parts.js';
import { quoteName } from './quote-name.js';

/** Its bytes are a view into the file where the file holds them as bytes. @throws GraftError INVALID_MODEL */
export function initializerFrom(proto: Message, source: ExternalData): Initializer {
  const name = proto.text('name');
  const what = (): string => `Tensor ${quoteName(name)} of ${source.modelPath}`;
  const code = proto.int32('dataType');
  const info = dtypeFromCode(code);
  if (!info) throw new GraftError('INVALID_MODEL', `${what()} has the unknown element type ${code}.`);
  const { dtype } = info;
  const dims = dimsFrom(proto, what);
  const count = dims.includes(0) ? 0 : dims.reduce((product, dim) => product * dim, 1);
  if (!Number.isSafeInteger(count)) {
    throw new GraftError('INVALID_MODEL', `${what()} has a shape that overflows: [${shortList(dims)}].`);
  }
  const content = contentFrom(proto, info, count, what, source);
  const stored = sizeOfContent(content);
  const expected = dtype === 'string' ? count : byteLength(dtype, count);
  if (stored !== expected || (content.kind === 'strings') !== (dtype === 'string')) {
    const [needed, held] = [unit(dtype === 'string'), unit(content.kind === 'strings')];
    throw new GraftError(
      'INVALID_MODEL',
      `${what()} is ${dtype} [${shortList(dims)}] and needs ${expected} ${needed} but holds ${stored} ${held}.`,
    );
  }
  return {
    name,
    dtype,
    dims,
    content,
    docString: proto.text('docString'),
    metadata: entriesFrom(proto, 'metadataProps'),
    ...unknownFieldsOf(proto),
  };
}

/** @throws GraftError INVALID_MODEL */
export function sparseFrom(proto: Message, source: ExternalData): SparseInitializer {
  const part = (field: string): Initializer => {
    const initializer = proto.convert(field, (child) => initializerFrom(child, source));
    if (initializer) return initializer;
    throw new GraftError('INVALID_MODEL', `A sparse tensor of ${source.modelPath} holds no ${field}.`);
  };
  const values = part('values');
  return {
    values,
    indices: part('indices'),
    dims: dimsFrom(proto, () => `Sparse tensor ${quoteName(values.name)} of ${source.modelPath}`),
    ...unknownFieldsOf(proto),
  };
}

const unit = (isText: boolean): string => (isText ? 'strings' : 'bytes');

function sizeOfContent(content: InitializerContent): number {
  if (content.kind === 'raw') return content.bytes.length;
  return content.kind === 'external' ? content.length : content.values.length;
}

function contentFrom(
  proto: Message,
  { dtype, bits, array }: DTypeInfo,
  count: number,
  what: () => string,
  source: ExternalData,
): InitializerContent {
  if (proto.int32('dataLocation') === 1) {
    return source.resolve(entriesFrom(proto, 'externalData'), what(), byteLength(dtype, count));
  }
  const raw = proto.blob('rawData');
  // Some writers put an empty raw_data beside typed data.
  if (raw.length > 0) return { kind: 'raw', bytes: raw };
  switch (dtype) {
    case 'string':
      return { kind: 'strings', values: proto.blobs('stringData') };
    case 'float32':
    case 'complex64':
      return { kind: 'raw', bytes: proto.packedFloats('floatData') };
    case 'float64':
    case 'complex128':
      return { kind: 'raw', bytes: proto.packedFloats('doubleData') };
    case 'int64':
      return rawFrom(proto.int64s('int64Data'));
    case 'uint64':
      return rawFrom(proto.int64s('uint64Data'));
    case 'uint32':
      return rawFrom(Uint32Array.from(proto.int64s('uint64Data'), (value) => Number(value & 0xffffffffn)));
    case 'int32':
      return rawFrom(proto.int32s('int32Data'));
    default: {
      const values = proto.int32s('int32Data');
      // An entry holds an element of six bits, but a whole byte of smaller ones.
      if (bits === 6) return rawFrom(packBits(values, bits));
      return rawFrom(Reflect.construct(array, [values]) as ArrayBufferView);
    }
  }
}

function rawFrom({ buffer, byteOffset, byteLength: length }: ArrayBufferView): InitializerContent {
  return { kind: 'raw', bytes: new Uint8Array(buffer, byteOffset, length) };
}

function dimsFrom(proto: Message, what: () => string): number[] {
  const dims = proto.numbers('dims');
  const impossible = dims.find((dim) => !Number.isSafeInteger(dim) || dim < 0);
  if (impossible === undefined) return dims;
  throw new GraftError('INVALID_MODEL', `${what()} has the impossible dimension ${impossible}.`);
}

function shortList(dims: readonly number[]): string {
  return dims.length > 16 ? `${dims.slice(0, 16)},… ${dims.length} dimensions` : String(dims);
}
