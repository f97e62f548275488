import type { Task } from './task.js';

/** The part of tasks that read each output from a column of its own, as it is, and train nothing beside the head. */
export const plainScores: Pick<
  Task,
  'readout' | 'ownParameters' | 'keptParameters' | 'finishOwn' | 'appendLogits'
> = {
  readout: (outputCount) => ({
    columns: outputCount,
    hasBias: true,
    onlyDifferencesCount: false,
    logits: outputCount,
  }),
  ownParameters: () => new Map(),
  keptParameters: () => new Map(),
  finishOwn: () => new Map(),
  appendLogits: (_builder, scores) => scores,
};
