import { expect } from 'chai';
import { type CheckedGradients, checkGradients } from '../../src/autodiff/check-gradients.js';
import type { GradientRule } from '../../src/autodiff/gradient-rule.js';
import { rules } from '../../src/autodiff/rules/index.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { createRng } from '../../src/rng.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32 } from '../../src/tensor/tensor.js';

/** Four dense layers, the second one followed by Tanh, the others by Sigmoid: loss [2, 3] */
function network(): Model {
  const rng = createRng(2);
  const normal = (...dims: number[]) =>
    float32(
      dims,
      Array.from({ length: sizeOf(dims) }, () => rng.normal()),
    );
  const b = new GraphBuilder();
  let x = b.input('x', 'float32', [2, 5]);
  for (const [i, operator] of ['Sigmoid', 'Tanh', 'Sigmoid', 'Sigmoid'].entries()) {
    const dims = [i === 0 ? 5 : 6, i === 3 ? 3 : 6] as const;
    x = b.op(operator, [b.op('MatMul', [x, b.constant(`w${i}`, normal(...dims))])]);
  }
  b.output(b.op('Identity', [x], { name: 'loss' }), 'float32', [2, 3]);
  return b.model();
}

/** A Tanh whose gradient is too large by a hundredth. */
const wrongTanh: GradientRule = {
  opTypes: ['Tanh'],
  differentiable: [0],
  backward: ({ dY, y, op, scalar }) => {
    const slope = op('Sub', [scalar(1), op('Mul', [y[0]!, y[0]!])]);
    return new Map([[0, op('Mul', [dY[0]!, op('Mul', [slope, scalar(1.01)])])]]);
  },
};
const wrongRules = [...rules.filter(({ opTypes }) => !opTypes.includes('Tanh')), wrongTanh];

const check = (given: { rules?: readonly GradientRule[]; timeMs?: number }): Promise<CheckedGradients> =>
  checkGradients(network(), { loss: 'loss', parameters: ['w0', 'w1', 'w2', 'w3'], ...given });

describe('Gradients along one random direction', () => {
  it('are all compared, also where there is time for nothing else', async () => {
    const { parameters, together } = await check({ timeMs: 0 });
    expect(parameters.filter(({ compared }) => compared > 0)).to.have.length(1);
    expect(together).to.include({ parameters: 4 });
    expect(together!.relativeError).to.be.below(1e-5);
    expect(together!.suspects).to.deep.equal([]);
  });

  it('show that a rule is off by a hundredth, and which weights it is wrong for', async () => {
    const { parameters, together } = await check({ rules: wrongRules });
    expect(together!.relativeError).to.be.above(1e-3);
    expect(together!.suspects).to.deep.equal(['w0', 'w1']);
    const wrong = parameters.filter(({ maxRelativeError }) => maxRelativeError > 1e-3);
    expect(wrong.map(({ name }) => name)).to.deep.equal(['w0', 'w1']);
  });

  it('are compared without an exponent, which negative numbers let not be moved', async () => {
    const b = new GraphBuilder();
    const weight = b.constant('w', float32([2, 2], [-1, 2, -3, 4]));
    const power = b.op('Pow', [
      b.op('Mul', [b.input('x', 'float32', [2, 2]), weight]),
      b.constant('e', float32([], [2])),
    ]);
    b.output(b.op('ReduceSum', [power], { name: 'loss', attributes: { keepdims: 0 } }), 'float32', []);
    const { parameters, together } = await checkGradients(b.model(), {
      loss: 'loss',
      parameters: ['w', 'e'],
    });
    expect(together).to.include({ parameters: 1 });
    expect(together!.relativeError).to.be.below(1e-5);
    expect(parameters.map(({ name, compared, kinks }) => [name, compared, kinks])).to.deep.equal([
      ['w', 4, 0],
      ['e', 0, 1],
    ]);
    for (const { maxRelativeError } of parameters) expect(maxRelativeError).to.be.below(1e-5);
  });
});
