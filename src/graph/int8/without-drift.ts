import type { Tensor } from '../../tensor/tensor.js';
import type { RoundedWeights } from './round-weights.js';

/**
 * The bias less what the rounding of the weights adds to each channel on average, Σ (q · scale − w) · mean of what w is
 * multiplied with. Left in, it moves all that a channel gives the same way, and the head takes that for something seen
 * (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2).
 * @param weights - filters [count, channels of a group, …]
 * @param means - of the channels that are filtered
 */
export function withoutDrift(
  bias: Float32Array,
  { dims: [count = 0, depth = 0], data }: Tensor,
  { values, scales }: RoundedWeights,
  means: Float32Array,
): Float32Array {
  const size = data.length / (count * depth);
  const groups = means.length / depth;
  const filtersPerGroup = count / groups;
  return bias.map((b, filter) => {
    const first = Math.floor(filter / filtersPerGroup) * depth;
    let drift = 0;
    for (let channel = 0; channel < depth; channel++) {
      const start = (filter * depth + channel) * size;
      let error = 0;
      for (let at = start; at < start + size; at++)
        error += (values.data[at] as number) * scales[filter]! - (data[at] as number);
      drift += error * means[first + channel]!;
    }
    return b - drift;
  });
}
