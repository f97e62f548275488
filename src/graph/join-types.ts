import type { Dimension, ValueType } from '../onnx/ir.js';
import type { EqualDimensions } from './equal-dimensions.js';

/**
 * What is known of a value that one model writes and another reads: the writer's type, filled in from the reader's
 * where the writer says nothing. Symbols stay as they are; `dimensions` learns which are equal.
 * @returns undefined where the types contradict each other
 */
export function joinTypes(
  first: ValueType,
  second: ValueType,
  dimensions: EqualDimensions,
): ValueType | undefined {
  if (first.kind === 'tensor' || first.kind === 'sparseTensor') {
    if (second.kind !== first.kind || second.dtype !== first.dtype) return undefined;
    const shape = joinShapes(first.shape, second.shape, dimensions);
    if (shape === undefined) return undefined;
    return shape === null ? first : { ...first, shape };
  }
  switch (first.kind) {
    case 'sequence':
    case 'optional': {
      if (second.kind !== first.kind) return undefined;
      const element = joinTypes(first.element, second.element, dimensions);
      return element && { ...first, element };
    }
    case 'map': {
      if (second.kind !== 'map' || second.key !== first.key) return undefined;
      const value = joinTypes(first.value, second.value, dimensions);
      return value && { ...first, value };
    }
    case 'opaque':
      return second.kind === 'opaque' && second.domain === first.domain && second.name === first.name
        ? first
        : undefined;
    case 'unknown':
      return second.kind === 'unknown' && Buffer.compare(first.encoded, second.encoded) === 0
        ? first
        : undefined;
  }
}

/** null: neither side knows a shape; undefined: the two do not fit. */
function joinShapes(
  first: readonly Dimension[] | undefined,
  second: readonly Dimension[] | undefined,
  dimensions: EqualDimensions,
): readonly Dimension[] | null | undefined {
  // The reader's symbols mean nothing in the writer's model: only its sizes are taken over.
  const sizes = second?.map((dim) => (typeof dim === 'number' ? dim : null));
  if (!first) return sizes ?? null;
  if (!second) return first;
  if (first.length !== second.length) return undefined;
  if (!first.every((dim, axis) => dimensions.join(dim, second[axis]!))) return undefined;
  return first.map((dim, axis) => dim ?? sizes![axis]!);
}
