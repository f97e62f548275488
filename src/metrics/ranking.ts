/** How well scores order examples: area under the ROC curve and average precision, as scikit-learn defines them. */

export interface Ranking {
  /**
   * Area under the ROC curve: the share of pairs (positive, negative) in which the positive scores higher; ties count
   * half. NaN where there is no pair.
   */
  readonly rocAuc: number;
  /**
   * The sum over falling thresholds of (recall gained) · precision; tied scores share a threshold. 0 where nothing is
   * positive.
   */
  readonly averagePrecision: number;
}

/** @example rankScores([0.9, 0.4, 0.4], [1, 0, 1]) // { rocAuc: 0.75, averagePrecision: 0.8333 } */
export function rankScores(scores: ArrayLike<number>, isPositive: ArrayLike<number | boolean>): Ranking {
  let positives = 0;
  let negatives = 0;
  let pairs = 0;
  let precisions = 0;
  for (const { positive, negative } of groupTies(scores, isPositive)) {
    // Groups come from the highest score down: the positives met so far beat these negatives.
    pairs += negative * (positives + positive / 2);
    positives += positive;
    negatives += negative;
    precisions += positive * (positives / (positives + negatives));
  }
  return {
    rocAuc: pairs / (positives * negatives),
    averagePrecision: positives === 0 ? 0 : precisions / positives,
  };
}

/** Means over the classes, one against the rest, of those of which there are examples and others; NaN where there are none. */
export function rankClasses(
  probabilities: Float32Array,
  labels: ArrayLike<number>,
  classCount: number,
): Ranking {
  const rows = labels.length;
  const scores = new Float32Array(rows);
  const isPositive = new Uint8Array(rows);
  let [area, precision, defined] = [0, 0, 0];
  for (let c = 0; c < classCount; c++) {
    let positives = 0;
    for (let row = 0; row < rows; row++) {
      scores[row] = probabilities[row * classCount + c]!;
      isPositive[row] = labels[row] === c ? 1 : 0;
      positives += isPositive[row]!;
    }
    if (positives === 0 || positives === rows) continue;
    const { rocAuc, averagePrecision } = rankScores(scores, isPositive);
    area += rocAuc;
    precision += averagePrecision;
    defined++;
  }
  return { rocAuc: area / defined, averagePrecision: precision / defined };
}

/** Positives and negatives at each distinct score, from the highest down. */
function* groupTies(
  scores: ArrayLike<number>,
  isPositive: ArrayLike<number | boolean>,
): Generator<{ readonly positive: number; readonly negative: number }> {
  const order = scores instanceof Float32Array ? orderOfFloats(scores) : orderOf(scores);
  for (let at = order.length - 1; at >= 0;) {
    const score = scores[order[at]!]!;
    let positive = 0;
    const from = at;
    while (at >= 0 && scores[order[at]!] === score) if (isPositive[order[at--]!]) positive++;
    // A score that is no number equals nothing, not even itself.
    if (at === from) throw new RangeError(`Score ${order[from]} is ${score}, not a number.`);
    yield { positive, negative: from - at - positive };
  }
}

/** Rows from the lowest score up. */
function orderOf(scores: ArrayLike<number>): Uint32Array {
  return Uint32Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
}

/**
 * The same for float32: sorting keys that hold score and row at once needs no callback, which is ten times as fast.
 * The bits of a float, as an integer, grow with it once those of negative ones are turned over.
 */
function orderOfFloats(scores: Float32Array): Uint32Array {
  const keys = new BigUint64Array(scores.length);
  const halves = new Uint32Array(keys.buffer);
  // Adding 0 makes one zero of both.
  const bits = new Uint32Array(scores.map((score) => score + 0).buffer);
  for (let i = 0; i < scores.length; i++) {
    halves[2 * i] = i;
    halves[2 * i + 1] = bits[i]! >>> 31 ? ~bits[i]! : bits[i]! | 0x80000000;
  }
  keys.sort();
  const order = new Uint32Array(scores.length);
  for (let i = 0; i < order.length; i++) order[i] = halves[2 * i]!;
  return order;
}
