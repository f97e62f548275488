import { expect } from 'chai';
import type { ServedModel } from '../../src/serve/served-model.js';
import type { TaskKind } from '../../src/tasks/task-kind.js';
import { rankOutputs } from '../../src/web/rank-outputs.js';

function rank(task: TaskKind, labels: readonly string[], outputs: readonly number[]) {
  const model = { task, labels } as unknown as ServedModel;
  const ranking = rankOutputs(model, Float32Array.from(outputs));
  return {
    ...ranking,
    rows: ranking.rows.map(({ label, text, isChosen }) => `${isChosen ? '*' : ''}${label} ${text}`),
  };
}

describe("what the page says of a model's numbers", () => {
  it('of classes: the five likeliest, the likeliest first', () => {
    const { answer, detail, rows } = rank('single', [...'abcdefg'], [0.05, 0.5, 0.1, 0.02, 0.2, 0.1, 0.03]);
    expect([answer, detail]).to.deep.equal(['b', '50.0 %']);
    expect(rows).to.deep.equal(['*b 50.0 %', 'e 20.0 %', 'c 10.0 %', 'f 10.0 %', 'a 5.0 %']);
  });

  it('of ordered classes: the likeliest among its neighbours, in their order', () => {
    const outputs = [0, 0, 0.1, 0.2, 0.4, 0.2, 0.1];
    expect(rank('ordered', [...'abcdefg'], outputs).rows.join(' ')).to.equal(
      'c 10.0 % d 20.0 % *e 40.0 % f 20.0 % g 10.0 %',
    );
    expect(rank('ordered', ['low', 'high'], [0.9, 0.1]).rows).to.deep.equal(['*low 90.0 %', 'high 10.0 %']);
    expect(rank('ordered', [...'abcdefg'], [1, 0, 0, 0, 0, 0, 0]).rows[0]).to.equal('*a 100.0 %');
  });

  it('of several labels: all with one half or more, or that there is none', () => {
    expect(rank('multi', ['sky', 'sea', 'sun'], [0.5, 0.2, 0.9])).to.deep.include({
      answer: 'sun, sky',
      threshold: 0.5,
    });
    expect(rank('multi', ['sky', 'sea'], [0.3, 0.2]).answer).to.equal('no label');
    expect(rank('multi', [...'abcdefgh'], new Array<number>(8).fill(0.7)).rows).to.have.length(8);
  });

  it('of a regression: the numbers, without a bar', () => {
    expect(rank('regression', ['weight'], [12.3456789])).to.deep.include({
      answer: '12.346',
      detail: 'weight',
    });
    expect(rank('regression', ['x', 'y'], [1, -2.5]).rows).to.deep.equal(['x 1.0000', 'y -2.5000']);
  });

  it('refuses what is no number', () => {
    expect(() => rank('single', ['a', 'b'], [NaN, 1])).to.throw(/no number/);
  });
});
