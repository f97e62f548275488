import { type BasicMetrics, basicMetrics } from '../metrics/classification.js';
import { labelsInOrder, type Targets } from './targets.js';

interface ClassMetricsInput {
  /** Probabilities, [rows, classes]. */
  readonly outputs: Float32Array;
  readonly targets: Targets;
  readonly order?: ArrayLike<number> | undefined;
}

/** The figures of tasks whose target is one class. */
export function measureClasses({ outputs, targets, order }: ClassMetricsInput): BasicMetrics {
  return basicMetrics(outputs, labelsInOrder(targets.labels, order), targets.classes.length);
}
