import type { Graph, ValueInfo } from '../onnx/ir.js';
import { vocabularySize, withoutDecoders } from './main-inputs.js';
import type { TokenInput, TokenInputs } from './token-inputs.js';

/** By dtype, name and the table that they index; undefined where no input takes token ids. */
export function findTokenInputs(graph: Graph): TokenInputs | undefined {
  const candidates = withoutDecoders(
    graph.inputs.filter((input) => !graph.initializers.has(input.name) && isTokenShaped(input)),
  );
  const named = (pattern: RegExp): ValueInfo | undefined => candidates.find(({ name }) => pattern.test(name));
  const mask = named(/mask/i);
  const types = named(/type|segment/i);
  const positions = named(/position/i);
  const ids = candidates
    .filter((input) => ![mask, types, positions].includes(input) && isInteger(input))
    .map((input) => ({ input, rows: vocabularySize(graph, input.name) }))
    .filter(({ input, rows }) => rows > 0 || /ids|tokens/i.test(input.name))
    .sort((a, b) => b.rows - a.rows)[0];
  if (!ids) return undefined;
  const [batch, length] = shapeOf(ids.input);
  const isTableKnown = ids.rows > 1 && ids.rows < Number.MAX_SAFE_INTEGER;
  return {
    ids: described(ids.input),
    ...(mask && { mask: described(mask) }),
    ...(types && isInteger(types) && { types: described(types) }),
    ...(positions && isInteger(positions) && { positions: described(positions) }),
    ...(typeof length === 'number' && length > 0 && { fixedLength: length }),
    ...(batch === 1 && { isSingle: true }),
    ...(isTableKnown && { vocabulary: ids.rows }),
  };
}

function isTokenShaped(input: ValueInfo): boolean {
  const { type, name } = input;
  if (type?.kind !== 'tensor' || (type.shape && type.shape.length !== 2)) return false;
  return isInteger(input) || (/mask/i.test(name) && /^(bool|float32)$/.test(type.dtype));
}

function isInteger({ type }: ValueInfo): boolean {
  return type?.kind === 'tensor' && (type.dtype === 'int64' || type.dtype === 'int32');
}

function shapeOf({ type }: ValueInfo) {
  return (type?.kind === 'tensor' && type.shape) || [];
}

function described({ name, type }: ValueInfo): TokenInput {
  return { name, dtype: type?.kind === 'tensor' ? type.dtype : 'int64' };
}
