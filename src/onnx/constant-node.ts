import { float32, int64 } from '../tensor/tensor.js';
import { toInitializer } from './initializer.js';
import type { Initializer, Node } from './ir.js';

/**
 * What a Constant node holds, in whichever attribute the format has for it: a tensor, a number or a list of numbers.
 * Undefined for other nodes, for a sparse tensor and texts in attributes, and for what the caller of a function gives.
 */
export function constantOfNode({ opType, domain, attributes }: Node): Initializer | undefined {
  if (opType !== 'Constant' || domain !== '') return undefined;
  for (const [name, { kind, value }] of attributes) {
    if (name === 'value' && kind === 'tensor') return value;
    if (name === 'value_int' && kind === 'int') return toInitializer('', int64([], [value]));
    if (name === 'value_ints' && kind === 'ints') return toInitializer('', int64([value.length], value));
    if (name === 'value_float' && kind === 'float') return toInitializer('', float32([], [value]));
    if (name === 'value_floats' && kind === 'floats')
      return toInitializer('', float32([value.length], value));
  }
  return undefined;
}
