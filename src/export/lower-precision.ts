/** The backbone in fewer bits; the head on it stays float32, as it is small and decides the answer. */
import { GraftError } from '../errors.js';
import { asFloat16 } from '../graph/as-float16.js';
import { holdInFloat16 } from '../graph/hold-in-float16.js';
import { quantizeDynamic } from '../graph/int8/quantize-dynamic.js';
import { quantizeStatic, valuesToObserve } from '../graph/int8/quantize-static.js';
import { raiseOpset } from '../graph/opset/raise-opset.js';
import { removeUnused } from '../graph/remove-unused.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { Model, Node } from '../onnx/ir.js';
import { simplifyModel } from '../runtime/simplify-model.js';
import { answersToKeep, type Leeway } from './compare-answers.js';
import { observeValues } from './observe-values.js';

const float16Leeway = { meanAbsDiff: 0.01, agreement: answersToKeep };
const int8Leeway = { meanAbsDiff: 0.05, agreement: answersToKeep };

/** What a precision may change, and what to do where it changes more. */
export const precisionLeeway: Readonly<
  Record<Exclude<ModelPrecision, 'float32'>, Pick<Leeway, 'meanAbsDiff' | 'agreement' | 'remedy'>>
> = {
  float16: {
    ...float16Leeway,
    remedy:
      'float16 holds three digits of numbers between 6e-8 and 65504; take --precision float16-weights or float32.',
  },
  'float16-weights': {
    ...float16Leeway,
    remedy: 'float16 holds three digits of a weight; leave --precision out.',
  },
  int8: {
    ...int8Leeway,
    remedy:
      'Its values bear no 8 bits of one scale each: choose --precision float16-weights, or int8-dynamic for a transformer.',
  },
  'int8-dynamic': {
    ...int8Leeway,
    remedy: 'Its values bear no 8 bits of one scale each: choose --precision float16-weights.',
  },
};

/** Of the operator set, where integers with a scale for each channel are known. */
const leastOpset = 13;

/**
 * @param features - takes and gives what it did
 * @param calibrate - examples that show what values there are, for int8
 * @throws GraftError UNSUPPORTED_MODEL where the backbone computes with 8-bit integers already, or has nothing that the precision changes
 */
export async function lowerPrecision(
  features: Model,
  precision: ModelPrecision,
  calibrate: () => AsyncIterable<EncodedExamples>,
): Promise<Model> {
  if (precision === 'float32') return features;
  const quantized = features.graph.nodes.find(isQuantized);
  if (quantized) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The backbone is quantised already (${quantized.opType} ${quantized.name}), so it cannot be exported in ${precision}; leave --precision out.`,
    );
  }
  if (precision === 'float16' || precision === 'float16-weights') {
    const lowered = precision === 'float16' ? asFloat16(features) : holdInFloat16(features);
    if (lowered.graph.nodes.length === features.graph.nodes.length && precision === 'float16-weights') {
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        'The backbone has no weights to hold in float16, and the head stays float32: leave --precision out.',
      );
    }
    return { ...lowered, graph: removeUnused(lowered.graph) };
  }
  const simple = atLeast(await simplifyModel(features), leastOpset);
  const lowered =
    precision === 'int8-dynamic' ? quantizeDynamic(simple) : await calibrated(simple, calibrate());
  if (!lowered.graph.nodes.some(isQuantized)) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The backbone has no ${precision === 'int8' ? 'convolution or ' : ''}product with a constant matrix, so there is nothing to compute in ${precision}; ` +
        `${precision === 'int8' ? 'leave --precision out' : 'try --precision int8, which does convolutions, or float16'}.`,
    );
  }
  return lowered;
}

function atLeast(model: Model, opset: number): Model {
  return (model.opsets.get('') ?? opset) < opset ? raiseOpset(model, opset) : model;
}

async function calibrated(model: Model, examples: AsyncIterable<EncodedExamples>): Promise<Model> {
  const wanted = valuesToObserve(model);
  if (wanted.ranges.length === 0) return model;
  return quantizeStatic(model, await observeValues(model, wanted, examples));
}

function isQuantized({ opType }: Node): boolean {
  return /^(QLinear|Quantize|Dequantize|DynamicQuantize|MatMulInteger|ConvInteger|QGemm|QAttention)|NBits$/.test(
    opType,
  );
}
