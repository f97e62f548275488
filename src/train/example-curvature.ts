import type { TaskKind } from '../tasks/task.js';

/**
 * Second derivative of each example's loss by its scores, the mean over these: p (1 - p) of probabilities, 1 of numbers.
 * @param outputs - [rows, replicas, outputs]; the mean over those replicas that `counts`, of all by default
 * @returns D, [rows]
 */
export function exampleCurvature(
  task: TaskKind,
  outputs: Float32Array,
  { rows, replicas }: { readonly rows: number; readonly replicas: number },
  counts: (row: number, replica: number) => boolean = () => true,
): Float32Array {
  const curvature = new Float32Array(rows).fill(1);
  if (task === 'regression') return curvature;
  const width = outputs.length / (rows * replicas);
  for (let row = 0; row < rows; row++) {
    let sum = 0;
    for (let replica = 0; replica < replicas; replica++) {
      if (!counts(row, replica)) continue;
      const at = (row * replicas + replica) * width;
      for (let c = at; c < at + width; c++) sum += outputs[c]! * (1 - outputs[c]!);
    }
    curvature[row] = sum / (replicas * width);
  }
  return curvature;
}
