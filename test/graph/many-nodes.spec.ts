import { expect } from 'chai';
import { madeOf } from '../../src/graph/made-of.js';
import { removeUnused } from '../../src/graph/remove-unused.js';
import { takeBranches } from '../../src/graph/take-branches.js';
import { factsOf } from '../../src/graph/value-facts.js';
import { graph, node, tensorValue } from '../../src/onnx/ir.js';

/** As arguments of one call, so many overflow the stack. */
const many = 130_000;

describe('A graph of more nodes, or a node of more inputs, than a call takes arguments', () => {
  const x = tensorValue('x', 'float32', ['batch', 4]);
  const nodesTo = (from: string, to: string) => [
    ...Array.from({ length: many }, (_, i) => node({ opType: 'Relu', inputs: [from], outputs: [`v${i}`] })),
    node({ opType: 'Relu', inputs: ['v0'], outputs: [to] }),
  ];

  it('has its unused nodes and its ranks found', () => {
    const sum = node({ opType: 'Sum', inputs: Array<string>(many).fill('x'), outputs: ['y'] });
    const whole = graph({ inputs: [x], nodes: [sum], outputs: [tensorValue('y', 'float32', ['batch', 4])] });
    expect(removeUnused(whole).nodes).to.have.length(1);
    expect(factsOf(whole).rankOf('y')).to.equal(2);
  });

  it('has what a value is made of found', () => {
    const names = Array.from({ length: many }, (_, i) => `s${i}`);
    const shapes = names.map((name) => node({ opType: 'Shape', inputs: ['x'], outputs: [name] }));
    const max = node({ opType: 'Max', inputs: names, outputs: ['y'] });
    const whole = graph({ inputs: [x], nodes: [...shapes, max], outputs: [tensorValue('y', 'int64', [2])] });
    expect(madeOf(whole, 'y')?.sources).to.deep.equal(new Set(['x']));
  });

  it('has its branches taken', () => {
    const y = tensorValue('y', 'float32', ['batch', 4]);
    const body = graph({ inputs: [], nodes: nodesTo('x', 'z'), outputs: [tensorValue('z', 'float32')] });
    const branch = { kind: 'graph', value: body } as const;
    const conditional = node({
      ...{ opType: 'If', inputs: ['c'], outputs: ['y'] },
      attributes: new Map([
        ['then_branch', branch],
        ['else_branch', branch],
      ]),
    });
    const branched = graph({ inputs: [x], nodes: [conditional], outputs: [y] });
    expect(takeBranches(branched, new Map([['c', true]])).nodes).to.have.length(many + 1);
  });
});
