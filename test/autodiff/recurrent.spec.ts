import { expect } from 'chai';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32 } from '../../src/tensor/tensor.js';
import { claimGradients, type GradientCase } from './expect-gradients.js';

const [steps, batch, inputs, hidden] = [5, 3, 4, 2];
const gatesOf: Readonly<Record<string, number>> = { RNN: 1, GRU: 3, LSTM: 4 };

interface Row {
  readonly opType: 'RNN' | 'GRU' | 'LSTM';
  readonly direction?: 'forward' | 'reverse' | 'bidirectional';
  readonly attributes?: Readonly<Record<string, number>>;
  readonly activations?: readonly string[];
  readonly lengths?: readonly number[];
  readonly hasBias?: boolean;
  readonly hasStates?: boolean;
  /** Those that count. */
  readonly outputs: readonly number[];
  readonly opset?: number;
}

const rows: readonly Row[] = [
  ...(['RNN', 'GRU', 'LSTM'] as const).flatMap((opType): Row[] => [
    { opType, outputs: [0], hasBias: true },
    { opType, outputs: [0, 1], direction: 'reverse', hasStates: true, opset: 9 },
    { opType, outputs: [0, 1], direction: 'bidirectional', hasBias: true, hasStates: true, opset: 22 },
    { opType, outputs: [0, 1], direction: 'bidirectional', hasBias: true, hasStates: true, lengths: [2, 5, 3] },
    { opType, outputs: [1], lengths: [5, 1, 4], direction: 'reverse', opset: 11 },
  ]),
  { opType: 'GRU', outputs: [0, 1], attributes: { linear_before_reset: 1 }, hasBias: true, hasStates: true, direction: 'bidirectional' },
  { opType: 'GRU', outputs: [0], attributes: { linear_before_reset: 1 }, lengths: [2, 5, 3] },
  { opType: 'LSTM', outputs: [2], hasBias: true, hasStates: true, direction: 'bidirectional', lengths: [2, 5, 3] },
  { opType: 'RNN', outputs: [0], activations: ['Relu'], hasBias: true, hasStates: true },
  { opType: 'GRU', outputs: [0], activations: ['sigmoid', 'TANH'] },
]; // prettier-ignore

const cases = rows.map(
  ({ opType, direction = 'forward', attributes = {}, lengths, hasBias, hasStates, outputs, opset = 17, activations }): GradientCase => ({
    name: [opType, direction, ...Object.keys(attributes), ...(activations ?? []), lengths && 'lengths', hasBias && 'biases', hasStates && 'states', `outputs ${outputs}`].filter(Boolean).join(', '),
    opset,
    build(b, { weight, ints }) {
      const [count, gates] = [direction === 'bidirectional' ? 2 : 1, gatesOf[opType]! * hidden];
      const state = (name: string): string => weight(name, [count, batch, hidden]);
      const operands = [
        weight('X', [steps, batch, inputs]),
        weight('W', [count, gates, inputs]),
        weight('R', [count, gates, hidden]),
        hasBias ? weight('B', [count, 2 * gates]) : '',
        lengths ? b.op('Cast', [ints(lengths)], { attributes: { to: 6 } }) : '',
        ...(hasStates ? [state('h'), ...(opType === 'LSTM' ? [state('c')] : [])] : []),
      ];
      const all = b.ops(opType, operands, Math.max(...outputs) + 1, {
        attributes: { hidden_size: hidden, direction, ...attributes, ...(activations && { activations: { strings: activations } }) },
      });
      return outputs.map((i) => all[i]!);
    },
  }),
); // prettier-ignore

describe('gradients of recurrent layers', () => {
  claimGradients(cases);

  it('hold for sequences and batches of other sizes than the trial run', async () => {
    const rng = createRng(4);
    const draw = (dims: readonly number[]) =>
      float32(dims, Array.from({ length: sizeOf(dims) }, () => rng.normal())); // prettier-ignore
    const weights = { W: draw([1, 12, 4]), R: draw([1, 12, 3]), B: draw([1, 24]) };
    const gradientsOf = async (probe: readonly number[], X: ReturnType<typeof draw>) => {
      const b = new GraphBuilder();
      const x = b.input('X', 'float32', ['T', 'N', 4]);
      const operands = Object.entries(weights).map(([name, tensor]) => b.constant(name, tensor));
      const y = b.op('LSTM', [x, ...operands], { attributes: { hidden_size: 3 } });
      const loss = b.op('ReduceSum', [b.op('Mul', [y, y])], { name: 'loss', attributes: { keepdims: 0 } });
      b.output(loss, 'float32', []);
      const shapes = await probeShapes(b.model(), { inputDims: new Map([['X', probe]]) });
      const { model, gradients } = differentiate(b.model(), {
        loss,
        parameters: ['X', 'W', 'R', 'B'],
        shapes,
      });
      const session = await openSession(encodeModel(model));
      try {
        const found = await session.run({ X });
        return [...gradients.values()].map((name) => Array.from(found[name]!.data, Number));
      } finally {
        await session.release();
      }
    };
    const X = draw([9, 5, 4]);
    expect(await gradientsOf([3, 2, 4], X)).to.deep.equal(await gradientsOf([9, 5, 4], X));
  });

  for (const [what, attributes, peepholes] of [
    ['peepholes', {}, true],
    ['the attribute input_forget', { input_forget: 1 }, false],
    ['the attribute clip', { clip: { float: 1 } }, false],
    ['the activation HardSigmoid', { activations: { strings: ['HardSigmoid', 'Tanh', 'Tanh'] } }, false],
  ] as const)
    it(`refuses an LSTM with ${what}`, async () => {
      const b = new GraphBuilder();
      const x = b.input('x', 'float32', [5, 2, 4]);
      const weight = (name: string, dims: readonly number[]): string =>
        b.constant(name, float32(dims, new Float32Array(sizeOf(dims))));
      const operands = [x, weight('W', [1, 12, 4]), weight('R', [1, 12, 3])];
      if (peepholes) operands.push('', '', '', '', weight('P', [1, 9]));
      const y = b.op('LSTM', operands, { name: 'lstm', attributes: { hidden_size: 3, ...attributes } });
      b.output(y, 'float32');
      const shapes = await probeShapes(b.model());
      expect(() => differentiate(b.model(), { loss: y, parameters: ['W'], shapes })).to.throw(
        `LSTM "lstm" has ${what}, for which there is no gradient rule`,
      );
    });
});
