/** Softmax of each row of [rows, classes] logits, summed in float64. */
export function softmaxRows(logits: Float32Array, classCount: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let at = 0; at < logits.length; at += classCount) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let c = 0; c < classCount; c++) largest = Math.max(largest, logits[at + c]!);
    let total = 0;
    for (let c = 0; c < classCount; c++) total += Math.exp(logits[at + c]! - largest);
    for (let c = 0; c < classCount; c++) probabilities[at + c] = Math.exp(logits[at + c]! - largest) / total;
  }
  return probabilities;
}
