import { expect } from 'chai';
import { weightsOf } from '../../src/graph/weight-operands.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32 } from '../../src/tensor/tensor.js';

describe('The weights of a graph', () => {
  it('are those of recurrent layers too, not their first states', () => {
    for (const [opType, gates] of [
      ['RNN', 1],
      ['GRU', 3],
      ['LSTM', 4],
    ] as const) {
      const b = new GraphBuilder({ opset: 17 });
      const constant = (name: string, dims: readonly number[]): string =>
        b.constant(name, float32(dims, new Float32Array(dims.reduce((a, c) => a * c, 1)).fill(0.1)));
      const x = b.input('x', 'float32', ['steps', 'batch', 3]);
      const weights = [
        constant('W', [1, gates * 2, 3]),
        constant('R', [1, gates * 2, 2]),
        constant('B', [1, gates * 4]),
      ];
      const state = constant('first', [1, 1, 2]);
      const [y] = b.ops(opType, [x, ...weights, '', state], 1, { attributes: { hidden_size: 2 } });
      b.output(y!, 'float32', ['steps', 1, 'batch', 2], 'y');
      expect(weightsOf(b.model().graph), opType).to.deep.equal(weights);
    }
  });

  it("are those of ONNX Runtime's fused convolutions and products", () => {
    const b = new GraphBuilder({ opset: 17 });
    const ones = (name: string, dims: readonly number[]): string =>
      b.constant(name, float32(dims, new Float32Array(dims.reduce((a, c) => a * c, 1)).fill(1)));
    const x = b.input('x', 'float32', ['batch', 3, 1, 1]);
    const options = { domain: 'com.microsoft', attributes: { activation: 'Relu' } };
    const maps = b.op('FusedConv', [x, ones('kernel', [4, 3, 1, 1]), ones('shift', [4])], options);
    const row = b.op('Flatten', [maps]);
    b.output(b.op('FusedGemm', [row, ones('matrix', [4, 2]), ones('bias', [2])], options), 'float32');
    expect(weightsOf(b.model().graph)).to.deep.equal(['kernel', 'shift', 'matrix', 'bias']);
  });

  it('are found behind nodes that turn, cut and join them, as exporters leave them that fold no constants', () => {
    const b = new GraphBuilder({ opset: 17 });
    const ones = (name: string, dims: readonly number[]): string =>
      b.constant(name, float32(dims, new Float32Array(dims.reduce((a, c) => a * c, 1)).fill(1)));
    const concat = { attributes: { axis: 0 } };
    const x = b.input('x', 'float32', ['batch', 4]);
    const token = b.op('Concat', [x, ones('token', [1, 4])], concat);
    const turned = b.op('Transpose', [b.op('Identity', [ones('turned', [8, 4])])], {
      attributes: { perm: [1, 0] },
    });
    const halves = b.ops('Split', [ones('whole', [8])], 2, concat);
    const joined = b.op('Concat', [ones('part', [4]), halves[0]!], concat);
    b.output(b.op('Add', [b.op('MatMul', [token, turned]), joined]), 'float32', ['rows', 8]);
    expect(weightsOf(b.model().graph)).to.deep.equal(['turned', 'part', 'whole']);
  });

  it('are the operands of Einsum, as Keras has its attention', () => {
    const b = new GraphBuilder({ opset: 17 });
    const kernel = b.constant('kernel', float32([4, 2, 2], new Float32Array(16)));
    const x = b.input('x', 'float32', ['batch', 'steps', 4]);
    b.output(b.op('Einsum', [x, kernel], { attributes: { equation: 'abc,cde->abde' } }), 'float32');
    expect(weightsOf(b.model().graph)).to.deep.equal(['kernel']);
  });

  it('are scale and bias of a BatchNormalization, not its statistics', () => {
    const b = new GraphBuilder({ opset: 17 });
    const of = ['scale', 'bias', 'mean', 'variance'].map((name) =>
      b.constant(name, float32([3], Float32Array.of(1, 2, 3))),
    );
    b.output(
      b.op('BatchNormalization', [b.input('x', 'float32', ['batch', 3]), ...of]),
      'float32',
      ['batch', 3],
      'y',
    );
    expect(weightsOf(b.model().graph)).to.deep.equal(['scale', 'bias']);
  });
});
