/**
 * The largest component of the gradient of the mean objective, (Σ loss + penalty) / rows, by the parameters as they are
 * trained (weights of standardised features, and biases), from its gradient by scaled variables u with x = scale · u:
 * what scikit-learn's `tol` is compared with on such features.
 */
export function gradientMeasure(scale: Float64Array, rows: number): (gradient: Float64Array) => number {
  return (gradient) => {
    let largest = 0;
    for (let i = 0; i < gradient.length; i++) largest = Math.max(largest, Math.abs(gradient[i]! / scale[i]!));
    return largest / rows;
  };
}
