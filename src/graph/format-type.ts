import type { ValueType } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';

/** A type as messages show it: `float32 [batch,464]`, `sequence of int64 []`. */
export function formatType(type: ValueType | undefined): string {
  if (!type) return 'of unknown type';
  switch (type.kind) {
    case 'tensor':
      return `${type.dtype} ${type.shape ? formatShape(type.shape) : 'of unknown shape'}`;
    case 'sparseTensor':
      return `sparse ${type.dtype} ${type.shape ? formatShape(type.shape) : 'of unknown shape'}`;
    case 'sequence':
    case 'optional':
      return `${type.kind} of ${formatType(type.element)}`;
    case 'map':
      return `map from ${type.key} to ${formatType(type.value)}`;
    case 'opaque':
      return `opaque ${type.domain}.${type.name}`;
    case 'unknown':
      return 'of a type that this version of the format does not know';
  }
}
