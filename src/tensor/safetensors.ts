/**
 * The safetensors container: 8 bytes header length (little-endian), a JSON header, then the tensors' bytes.
 * Format: https://huggingface.co/docs/safetensors. Reading gives views, not copies; files are hostile until checked.
 */
import { GraftError, invalidArgument, messageOf } from '../errors.js';
import { shortenText } from '../shorten-text.js';
import { byteLength, type DType, dtypeInfo } from './dtype.js';
import { sizeOf } from './shape.js';
import type { Tensor } from './tensor.js';

/** The format's own limit. */
const largestHeader = 100_000_000;

const names: readonly (readonly [string, DType])[] = [
  ['BOOL', 'bool'],
  ['U8', 'uint8'],
  ['I8', 'int8'],
  ['U16', 'uint16'],
  ['I16', 'int16'],
  ['U32', 'uint32'],
  ['I32', 'int32'],
  ['U64', 'uint64'],
  ['I64', 'int64'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F32', 'float32'],
  ['F64', 'float64'],
  ['C64', 'complex64'],
  ['F8_E4M3', 'float8e4m3fn'],
  ['F8_E5M2', 'float8e5m2'],
  ['F8_E8M0', 'float8e8m0'],
];
const dtypeOf = new Map(names);
const nameOf = new Map(names.map(([name, dtype]) => [dtype, name]));

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Where one tensor lies: `begin` and `end` count bytes from the start of the file. */
export interface SafetensorsEntry {
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** What a header says of one tensor. */
export interface SafetensorsField {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
}

/**
 * The bytes before the data, padded to whole words: for files that are written piece by piece. The data must follow in
 * the order of `fields`, widest element first, so that every tensor starts aligned.
 * @throws GraftError INVALID_ARGUMENT for a dtype the format does not hold.
 */
export function safetensorsHeader(
  fields: readonly SafetensorsField[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const texts: string[] = [];
  const metadataKeys = Object.keys(metadata).sort(byName);
  if (metadataKeys.length > 0) {
    const pairs = metadataKeys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    texts.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let end = 0;
  for (const { name, dtype, dims } of fields) {
    const shown = nameOf.get(dtype);
    if (shown === undefined || name === '__metadata__') {
      throw invalidArgument(
        `tensor ${JSON.stringify(name)}`,
        'a name and dtype that safetensors can hold',
        dtype,
      );
    }
    const begin = end;
    end += byteLength(dtype, sizeOf(dims));
    texts.push(
      `${JSON.stringify(name)}:{"dtype":"${shown}","shape":[${dims}],"data_offsets":[${begin},${end}]}`,
    );
  }
  const header = new TextEncoder().encode(`{${texts.join(',')}}`);
  const dataStart = 8 + Math.ceil(header.length / 8) * 8;
  const bytes = new Uint8Array(dataStart).fill(0x20, 8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  bytes.set(header, 8);
  return bytes;
}

/**
 * The file's bytes. Equal tensors and metadata give equal bytes, whatever order they were inserted in: tensors are
 * laid out widest element first, then by name, so that each starts aligned; metadata is sorted by key.
 * @throws GraftError INVALID_ARGUMENT for a dtype the format does not hold.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const ordered = [...tensors]
    .sort(
      ([a, left], [b, right]) => right.data.BYTES_PER_ELEMENT - left.data.BYTES_PER_ELEMENT || byName(a, b),
    )
    .map(([name, tensor]) => ({ name, ...tensor }));
  const header = safetensorsHeader(ordered, metadata);
  const dataBytes = ordered.reduce((sum, { data }) => sum + data.byteLength, 0);
  const bytes = new Uint8Array(header.length + dataBytes);
  bytes.set(header);
  let offset = header.length;
  for (const { data } of ordered) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * The tensors of a file as views into `bytes` (copied only where their start is not aligned for the element type).
 * @param where - the path or name that an error shows
 * @throws GraftError FILE_UNREADABLE for bytes that are not a whole, consistent safetensors file.
 */
export function decodeSafetensors(bytes: Uint8Array, where: string): Safetensors {
  const { entries, metadata } = decodeSafetensorsHeader(bytes, bytes.length, where);
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, dims, begin, end }] of entries) {
    const { array } = dtypeInfo(dtype);
    const view = bytes.subarray(begin, end);
    const { buffer, byteOffset } =
      view.byteOffset % array.BYTES_PER_ELEMENT === 0 ? view : new Uint8Array(view);
    tensors.set(name, {
      dtype,
      dims,
      data: new array(buffer, byteOffset, (end - begin) / array.BYTES_PER_ELEMENT),
    });
  }
  return { tensors, metadata };
}

/** Bytes that the header takes together with its length, told by the first 8 bytes; checked against the file's size. */
export function safetensorsDataStart(start: Uint8Array, fileSize: number, where: string): number {
  if (fileSize < 8 || start.length < 8) throw broken(where, `it is ${fileSize} bytes, too short to be one`);
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length < 2n || length > BigInt(Math.min(largestHeader, fileSize - 8))) {
    throw broken(where, `it claims a header of ${length} bytes in a file of ${fileSize}`);
  }
  return 8 + Number(length);
}

/**
 * Names, shapes and places of the tensors, from the first bytes of a file (at least its header).
 * @param fileSize - size in bytes of the whole file
 * @throws GraftError FILE_UNREADABLE as `decodeSafetensors`.
 */
export function decodeSafetensorsHeader(
  start: Uint8Array,
  fileSize: number,
  where: string,
): SafetensorsHeader {
  const dataStart = safetensorsDataStart(start, fileSize, where);
  if (start.length < dataStart) throw broken(where, 'its header is cut off');
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(start.subarray(8, dataStart)));
  } catch (error) {
    throw broken(where, `its header is not JSON (${messageOf(error)})`);
  }
  if (!isRecord(parsed)) throw broken(where, 'its header is not a JSON object');
  const entries = new Map<string, SafetensorsEntry>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') metadata = checkMetadata(value, where);
    else entries.set(name, checkEntry(name, value, dataStart, where));
  }
  // No gaps and no overlaps: a byte that belongs to no tensor, or to two, means the file was tampered with or cut.
  let covered = dataStart;
  for (const { begin, end } of [...entries.values()].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) throw broken(where, 'its tensors leave gaps or overlap');
    covered = end;
  }
  if (covered !== fileSize)
    throw broken(where, `its tensors end at byte ${covered} but the file at ${fileSize}`);
  return { entries, metadata };
}

function checkEntry(name: string, value: unknown, dataStart: number, where: string): SafetensorsEntry {
  const shown = JSON.stringify(shortenText(name, 80));
  if (!isRecord(value)) throw broken(where, `tensor ${shown} is not described by an object`);
  const { dtype: typeName, shape, data_offsets: offsets } = value;
  const dtype = dtypeOf.get(typeName as string);
  if (!dtype) throw broken(where, `tensor ${shown} has the unknown type ${JSON.stringify(typeName)}`);
  if (!isSizes(shape) || !Number.isSafeInteger(sizeOf(shape))) {
    throw broken(where, `tensor ${shown} has a shape that is not a list of sizes`);
  }
  if (!isSizes(offsets) || offsets.length !== 2) throw broken(where, `tensor ${shown} has no valid offsets`);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== byteLength(dtype, sizeOf(shape))) {
    throw broken(
      where,
      `tensor ${shown} of ${String(typeName)} [${shape}] does not fit its ${end - begin} bytes`,
    );
  }
  return { dtype, dims: shape, begin: dataStart + begin, end: dataStart + end };
}

function checkMetadata(value: unknown, where: string): Readonly<Record<string, string>> {
  if (!isRecord(value) || Object.values(value).some((text) => typeof text !== 'string')) {
    throw broken(where, 'its __metadata__ is not a map from text to text');
  }
  return value as Readonly<Record<string, string>>;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function broken(where: string, reason: string): GraftError {
  return new GraftError('FILE_UNREADABLE', `${where} is not a readable safetensors file: ${reason}.`);
}
