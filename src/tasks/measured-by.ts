import type { Task } from './task.js';

/** The part of a task that measures. */
export function measuredBy(openMeter: Task['openMeter']): Pick<Task, 'openMeter' | 'measure'> {
  return {
    openMeter,
    measure(outputs, targets, loss, order) {
      const meter = openMeter(targets, loss);
      meter.add(outputs, order ?? Int32Array.from({ length: targets.rows }, (_, row) => row));
      return meter.score();
    },
  };
}
