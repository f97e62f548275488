/** What gradients are multiplied with so that the Euclidean norm over all of them is at most `most`. */
export function clipFactor(gradients: Iterable<Float32Array>, most: number): number {
  if (most === Number.POSITIVE_INFINITY) return 1;
  let squares = 0;
  for (const gradient of gradients)
    for (let i = 0; i < gradient.length; i++) squares += gradient[i]! * gradient[i]!;
  const norm = Math.sqrt(squares);
  return norm > most ? most / norm : 1;
}
