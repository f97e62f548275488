import { multiLabel } from './multi-label.js';
import { ordered } from './ordered.js';
import { regression } from './regression.js';
import { singleLabel } from './single-label.js';
import type { Task, TaskKind } from './task.js';

export const taskKinds: readonly TaskKind[] = ['single', 'multi', 'regression', 'ordered'];

export function taskOf(kind: TaskKind): Task {
  return { single: singleLabel, multi: multiLabel, regression, ordered }[kind];
}
