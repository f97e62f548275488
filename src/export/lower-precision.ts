/** The backbone in fewer bits; the head on it stays float32, as it is small and decides the answer. */
import { GraftError } from '../errors.js';
import { asFloat16 } from '../graph/as-float16.js';
import { holdInFloat16 } from '../graph/hold-in-float16.js';
import { removeUnused } from '../graph/remove-unused.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Model, Node } from '../onnx/ir.js';
import type { Leeway } from './compare-answers.js';

/** What a precision may change, and what to do where it changes more. */
export const precisionLeeway: Readonly<
  Record<Exclude<ModelPrecision, 'float32'>, Pick<Leeway, 'meanAbsDiff' | 'remedy'>>
> = {
  float16: {
    meanAbsDiff: 0.01,
    remedy:
      'float16 holds three digits, and numbers up to 65504; take --precision float16-weights or float32.',
  },
  'float16-weights': {
    meanAbsDiff: 0.01,
    remedy: 'float16 holds three digits of a weight; leave --precision out.',
  },
};

/**
 * @param features - takes and gives what it did
 * @throws GraftError UNSUPPORTED_MODEL where the backbone computes with 8-bit integers already
 */
export function lowerPrecision(features: Model, precision: ModelPrecision): Model {
  if (precision === 'float32') return features;
  const quantized = features.graph.nodes.find(isQuantized);
  if (quantized) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The backbone is quantised already (${quantized.opType} ${quantized.name}), so it cannot be exported in ${precision}; leave --precision out.`,
    );
  }
  const lowered = precision === 'float16' ? asFloat16(features) : holdInFloat16(features);
  return { ...lowered, graph: removeUnused(lowered.graph) };
}

function isQuantized({ opType }: Node): boolean {
  return /^(QLinear|Quantize|Dequantize|DynamicQuantize|MatMulInteger|ConvInteger|QGemm|QAttention)|NBits$/.test(
    opType,
  );
}
