/**
 * An ONNX model as plain readonly data: what the file says, in the format's own words, free of protobuf types.
 *
 * Values are names, as in the format itself; `GraphIndex` answers who produces and who uses one. Passes take a
 * model or graph and return a new one; weights are shared, never copied.
 *
 * `unknownFields` are encoded fields that this version of the format does not know, and rare ones (training_info, device
 * configurations); they are written back as they came.
 */
import type { DType } from '../tensor/dtype.js';

export interface Model {
  readonly irVersion: number;
  /** Operator set version by domain; '' is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly producerName: string;
  readonly producerVersion: string;
  readonly domain: string;
  readonly modelVersion: bigint;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly graph: Graph;
  readonly functions: readonly FunctionDefinition[];
  readonly unknownFields?: Uint8Array;
}

export interface Graph {
  readonly name: string;
  readonly docString: string;
  /** In topological order, as the format demands. */
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers: ReadonlyMap<string, Initializer>;
  readonly sparseInitializers: readonly SparseInitializer[];
  /** Declared types of intermediate values. */
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly quantization: readonly QuantizationAnnotation[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

export interface Node {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain: string;
  readonly overload: string;
  readonly name: string;
  readonly docString: string;
  /** Value names; '' stands for an optional input that is absent. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

/** Integers are int64 in the format, hence bigint here; `attributes.ts` reads them as numbers. */
export type AttributeValue =
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'string'; readonly value: Uint8Array }
  | { readonly kind: 'tensor'; readonly value: Initializer }
  | { readonly kind: 'graph'; readonly value: Graph }
  | { readonly kind: 'sparseTensor'; readonly value: SparseInitializer }
  | { readonly kind: 'type'; readonly value: ValueType }
  | { readonly kind: 'floats'; readonly value: readonly number[] }
  | { readonly kind: 'ints'; readonly value: readonly bigint[] }
  | { readonly kind: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly kind: 'tensors'; readonly value: readonly Initializer[] }
  | { readonly kind: 'graphs'; readonly value: readonly Graph[] }
  | { readonly kind: 'sparseTensors'; readonly value: readonly SparseInitializer[] }
  | { readonly kind: 'types'; readonly value: readonly ValueType[] }
  /** Inside a function: the value of the caller's attribute of this name. `type` is AttributeProto.AttributeType. */
  | { readonly kind: 'reference'; readonly value: string; readonly type: number }
  /** Of a type that this version does not know; the encoded AttributeProto. */
  | { readonly kind: 'unknown'; readonly value: Uint8Array };

export type Attribute = AttributeValue & {
  readonly docString?: string;
  readonly unknownFields?: Uint8Array;
};

/** A size, a symbolic name, or null where nothing is known. */
export type Dimension = number | string | null;

interface TypeNotes {
  readonly denotation?: string;
  readonly unknownFields?: Uint8Array;
}

export type ValueType =
  | ({
      readonly kind: 'tensor' | 'sparseTensor';
      readonly dtype: DType;
      readonly shape?: readonly Dimension[];
      readonly dimensionDenotations?: readonly string[];
    } & TypeNotes)
  | ({ readonly kind: 'sequence' | 'optional'; readonly element: ValueType } & TypeNotes)
  | ({ readonly kind: 'map'; readonly key: DType; readonly value: ValueType } & TypeNotes)
  | ({ readonly kind: 'opaque'; readonly domain: string; readonly name: string } & TypeNotes)
  /** Incomplete, or of an element type or kind that this version does not know; the encoded TypeProto. */
  | { readonly kind: 'unknown'; readonly encoded: Uint8Array };

export interface ValueInfo {
  readonly name: string;
  readonly type?: ValueType;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

/** A constant tensor of the file. */
export interface Initializer {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly number[];
  readonly content: InitializerContent;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

export type InitializerContent =
  /** Little-endian, row-major; a view into the file's bytes, not a copy. May be unaligned. */
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'strings'; readonly values: readonly Uint8Array[] }
  | ExternalContent;

/** Bytes in a side file: absolute path, checked to lie inside the model's folder. Read when needed. */
export interface ExternalContent {
  readonly kind: 'external';
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  /** The file as it was when the model was read; another one by now is not read. */
  readonly version: string;
}

/** COO form: `values` [nnz], `indices` [nnz] or [nnz, rank] int64. */
export interface SparseInitializer {
  readonly values: Initializer;
  readonly indices: Initializer;
  readonly dims: readonly number[];
  readonly unknownFields?: Uint8Array;
}

export interface QuantizationAnnotation {
  readonly tensorName: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

export interface FunctionDefinition {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly docString: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
  readonly attributeDefaults: ReadonlyMap<string, Attribute>;
  readonly nodes: readonly Node[];
  readonly opsets: ReadonlyMap<string, number>;
  readonly valueInfo: ReadonlyMap<string, ValueInfo>;
  readonly metadata: ReadonlyMap<string, string>;
  readonly unknownFields?: Uint8Array;
}

const none = new Map<string, never>();

/** A node with the fields that are usually empty filled in. */
export function node(fields: Pick<Node, 'opType' | 'inputs' | 'outputs'> & Partial<Node>): Node {
  return { domain: '', overload: '', name: '', docString: '', attributes: none, metadata: none, ...fields };
}

export function graph(fields: Pick<Graph, 'nodes' | 'inputs' | 'outputs'> & Partial<Graph>): Graph {
  return {
    name: 'graph',
    docString: '',
    initializers: none,
    sparseInitializers: [],
    valueInfo: none,
    quantization: [],
    metadata: none,
    ...fields,
  };
}

/** A model of ours: IR version 8 and opset 17 unless told, which ONNX Runtime 1.13 and later read. */
export function model(fields: Pick<Model, 'graph'> & Partial<Model>): Model {
  return {
    irVersion: 8,
    opsets: new Map([['', 17]]),
    producerName: 'onnx-graft',
    producerVersion: '',
    domain: '',
    modelVersion: 0n,
    docString: '',
    metadata: none,
    functions: [],
    ...fields,
  };
}

export function tensorValue(name: string, dtype: DType, shape?: readonly Dimension[]): ValueInfo {
  return {
    name,
    type: shape ? { kind: 'tensor', dtype, shape } : { kind: 'tensor', dtype },
    docString: '',
    metadata: none,
  };
}
