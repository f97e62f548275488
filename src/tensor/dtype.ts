/** One table of element types: ONNX code, name, size and the typed array that holds it. */

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export type TypedArrayConstructor = {
  new (length: number): TypedArray;
  new (buffer: ArrayBufferLike, byteOffset?: number, length?: number): TypedArray;
  readonly BYTES_PER_ELEMENT: number;
};

export type DType =
  | 'float32'
  | 'uint8'
  | 'int8'
  | 'uint16'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'string'
  | 'bool'
  | 'float16'
  | 'float64'
  | 'uint32'
  | 'uint64'
  | 'complex64'
  | 'complex128'
  | 'bfloat16'
  | 'float8e4m3fn'
  | 'float8e4m3fnuz'
  | 'float8e5m2'
  | 'float8e5m2fnuz'
  | 'uint4'
  | 'int4'
  | 'float4e2m1'
  | 'float8e8m0'
  | 'uint2'
  | 'int2'
  | 'float6e2m3'
  | 'float6e3m2';

export interface DTypeInfo {
  readonly dtype: DType;
  /** TensorProto.DataType. */
  readonly code: number;
  /** Bits an element takes in raw data; 0 for strings. Types below 8 bits are packed, low bits first. */
  readonly bits: number;
  /** The array that holds the elements; packed and exotic types are held as bytes or bit patterns. */
  readonly array: TypedArrayConstructor;
}

const row = (dtype: DType, code: number, bits: number, array: unknown): DTypeInfo => ({
  dtype,
  code,
  bits,
  array: array as TypedArrayConstructor,
});

const table: readonly DTypeInfo[] = [
  row('float32', 1, 32, Float32Array),
  row('uint8', 2, 8, Uint8Array),
  row('int8', 3, 8, Int8Array),
  row('uint16', 4, 16, Uint16Array),
  row('int16', 5, 16, Int16Array),
  row('int32', 6, 32, Int32Array),
  row('int64', 7, 64, BigInt64Array),
  row('string', 8, 0, Uint8Array),
  row('bool', 9, 8, Uint8Array),
  row('float16', 10, 16, Uint16Array),
  row('float64', 11, 64, Float64Array),
  row('uint32', 12, 32, Uint32Array),
  row('uint64', 13, 64, BigUint64Array),
  row('complex64', 14, 64, Float32Array),
  row('complex128', 15, 128, Float64Array),
  row('bfloat16', 16, 16, Uint16Array),
  row('float8e4m3fn', 17, 8, Uint8Array),
  row('float8e4m3fnuz', 18, 8, Uint8Array),
  row('float8e5m2', 19, 8, Uint8Array),
  row('float8e5m2fnuz', 20, 8, Uint8Array),
  row('uint4', 21, 4, Uint8Array),
  row('int4', 22, 4, Uint8Array),
  row('float4e2m1', 23, 4, Uint8Array),
  row('float8e8m0', 24, 8, Uint8Array),
  row('uint2', 25, 2, Uint8Array),
  row('int2', 26, 2, Uint8Array),
  row('float6e2m3', 27, 6, Uint8Array),
  row('float6e3m2', 28, 6, Uint8Array),
];

const byName = new Map(table.map((info) => [info.dtype, info]));
const byCode = new Map(table.map((info) => [info.code, info]));

export function dtypeInfo(dtype: DType): DTypeInfo {
  return byName.get(dtype)!;
}

/** The type behind a TensorProto.DataType code, or undefined for a code this table does not know. */
export function dtypeFromCode(code: number): DTypeInfo | undefined {
  return byCode.get(code);
}

export function isFloat(dtype: DType): boolean {
  return dtype.startsWith('float') || dtype === 'bfloat16';
}

/** Bytes that `elementCount` elements take in ONNX raw data and in external data. */
export function byteLength(dtype: DType, elementCount: number): number {
  return Math.ceil((elementCount * dtypeInfo(dtype).bits) / 8);
}
