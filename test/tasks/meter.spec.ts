import { expect } from 'chai';
import { createRng } from '../../src/rng.js';
import type { Score } from '../../src/tasks/task.js';
import type { Targets } from '../../src/tasks/targets.js';
import { taskKinds, taskOf } from '../../src/tasks/task-of.js';

describe('A meter', () => {
  const rng = createRng(3);
  const [rows, classes] = [50, ['a', 'b', 'c', 'd']];
  const outputs = Float32Array.from({ length: rows * 4 }, () => rng.uniform());
  const labels = Int32Array.from({ length: rows }, () => rng.integer(3));
  const decisions = Float32Array.from({ length: rows * 4 }, () => rng.integer(2));
  const order = rng.shuffle(Int32Array.from({ length: rows }, (_, row) => row));

  for (const kind of taskKinds)
    it(`of the task ${kind} says of parts, in any order, what is said of all at once`, () => {
      const task = taskOf(kind);
      const ofLabels = task.targetForm === 'label';
      const targets: Targets = ofLabels
        ? { rows, classes, labels }
        : { rows, classes, labels: new Int32Array(), targets: decisions };
      const whole = task.measure(outputs, targets, { huber: 0.3 });
      const meter = task.openMeter(targets, { huber: 0.3 });
      for (const part of [order.subarray(0, 17), order.subarray(17, 17), order.subarray(17)])
        meter.add(
          Float32Array.from({ length: part.length * 4 }, (_, i) => outputs[part[i >> 2]! * 4 + (i % 4)]!),
          part,
        );
      const score = meter.score();
      expect(score).to.have.all.keys(Object.keys(whole));
      for (const [name, value] of Object.entries(whole) as [keyof Score, number][])
        expect(score[name], name).to.be.closeTo(value, 1e-12);
    });
});
