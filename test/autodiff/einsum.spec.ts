import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { expectAdjoint } from './expect-adjoint.js';

const rows: readonly (readonly [equation: string, ...shapes: (readonly number[])[]])[] = [
  ['bhid,bhjd->bhij', [2, 3, 4, 5], [2, 3, 6, 5]],
  ['bhij,bhjd->bihd', [2, 3, 4, 6], [2, 3, 6, 5]],
  ['b i d , d e -> b i e', [2, 4, 5], [5, 3]],
  ['ij,jk', [3, 4], [4, 2]],
  ['ij->ji', [3, 4]],
  ['ij->', [3, 4]],
  ['ijk->j', [3, 4, 2]],
  ['ij,kj->i', [3, 4], [2, 4]],
  ['i,j->ij', [3], [4]],
  ['...ij,...jk->...ik', [2, 3, 4, 5], [2, 3, 5, 6]],
  ['...ij,jk->...ik', [2, 3, 4, 5], [5, 6]],
  ['...ij,...jk', [2, 3, 4], [2, 4, 5]],
  ['...ij,...ij->...i', [2, 3, 4], [1, 3, 4]],
  ['bij,bjk->bik', [1, 3, 4], [2, 4, 5]],
  ['ij,ij->i', [2, 3], [2, 1]],
  ['bi,ij,bj->b', [2, 3], [3, 4], [2, 4]],
  ['nchw,nkhw->nck', [2, 3, 4, 5], [2, 6, 4, 5]],
];

describe('The gradient of Einsum', () => {
  for (const [equation, ...shapes] of rows) {
    for (const opset of [12, 17]) {
      it(`${equation} is its adjoint in each operand at opset ${opset}`, async () => {
        const inputs = Object.fromEntries(shapes.map((shape, i) => [`operand ${i}`, shape]));
        const forward = (b: GraphBuilder) =>
          b.op('Einsum', Object.keys(inputs), { attributes: { equation } });
        await expectAdjoint({ inputs, forward, opset });
      });
    }
  }

  it('refuses a diagonal and names it', () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', [3, 3]);
    const trace = b.op('Einsum', [x], { name: 'trace', attributes: { equation: 'ii->' } });
    const shapes = new Map([[x, [3, 3]], [trace, []]]); // prettier-ignore
    expect(() => differentiate(b.graph(), { loss: trace, parameters: [x], shapes })).to.throw(
      /"trace".*diagonal.*ii->/,
    );
  });
});
