import { type ClassFigures, openClassCounter } from '../metrics/classification.js';
import { labelsInOrder, type Targets } from './targets.js';
import type { Meter, Score } from './task.js';

/** Of tasks whose target is one class. @param scoreOf - of the figures of all that was added */
export function meterClasses({ labels, classes }: Targets, scoreOf: (figures: ClassFigures) => Score): Meter {
  const counter = openClassCounter(classes.length);
  return {
    add: (outputs, rows) => counter.add(outputs, labelsInOrder(labels, rows)),
    score: () => scoreOf(counter.figures()),
  };
}
