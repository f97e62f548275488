import { expect } from 'chai';
import { showsFilling } from '../../src/graph/shows-filling.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { checked, float32 } from '../../src/tensor/tensor.js';

describe('A graph shows what texts are filled up with', () => {
  /** scores [batch, tokens] and mask → weights */
  function showsIt(rounded: 'mask' | 'scores' | 'sum' | 'weights'): boolean {
    const b = new GraphBuilder({ opset: 17 });
    const zero = b.constant('zero', checked('uint8', [], Uint8Array.of(128)));
    const grid = [b.scalar(0.1), zero];
    const through = (part: typeof rounded, value: string): string =>
      part === rounded
        ? b.op('DequantizeLinear', [b.op('QuantizeLinear', [value, ...grid]), ...grid])
        : value;
    const scores = b.input('scores', 'float32', ['batch', 'tokens']);
    const mask = b.input('mask', 'int64', ['batch', 'tokens']);
    const hidden = b.op('Sub', [b.scalar(1), b.op('Cast', [mask], { attributes: { to: 1 } })]);
    const bias = through('mask', b.op('Mul', [hidden, b.scalar(-3.4e38)]));
    const sum = through('sum', b.op('Add', [through('scores', scores), bias]));
    const weights = through('weights', b.op('Softmax', [sum]));
    b.output(b.op('Mul', [weights, b.scalar(2)]), 'float32', ['batch', 'tokens']);
    return showsFilling(b.model().graph, 'mask');
  }

  it('where their mask is rounded on its way to the Softmax, alone or with the scores', () => {
    expect(showsIt('mask')).to.equal(true);
    expect(showsIt('sum')).to.equal(true);
  });

  it('where windows or recurrences take in the tokens beside them', () => {
    const shows = (opType: string, weights: readonly number[], lengths?: string): boolean => {
      const b = new GraphBuilder({ opset: 17 });
      const x = b.input('x', 'float32', ['batch', 4, 'tokens']);
      const mask = b.input('mask', 'int32', ['batch', 'tokens']);
      const hidden = b.op('Mul', [x, b.op('Cast', [mask], { attributes: { to: 1 } })]);
      const kernel = b.constant('kernel', float32([...weights], new Float32Array(sizeOf(weights))));
      b.output(
        b.op(opType, [hidden, kernel, ...(lengths === undefined ? [] : ['', '', lengths])]),
        'float32',
      );
      return showsFilling(b.model().graph, 'mask');
    };
    expect(shows('Conv', [4, 4, 3])).to.equal(true);
    expect(shows('Conv', [4, 4, 1])).to.equal(false);
    expect(shows('GRU', [1, 12, 4])).to.equal(true);
    expect(shows('GRU', [1, 12, 4], 'lengths')).to.equal(false);
  });

  it('where a token is taken by its place from the end', () => {
    const shows = (take: (b: GraphBuilder, x: string) => string): boolean => {
      const b = new GraphBuilder({ opset: 17 });
      const mask = b.input('mask', 'int64', ['batch', 'tokens']);
      const x = b.op('Mul', [
        b.input('x', 'int64', ['batch', 'tokens', 4]),
        b.op('Unsqueeze', [mask, b.ints([-1])]),
      ]);
      b.output(take(b, x), 'int64');
      return showsFilling(b.model().graph, 'mask');
    };
    const slice = (b: GraphBuilder, x: string, start: number, axis: number): string =>
      b.op('Slice', [x, b.ints([start]), b.ints([9]), b.ints([axis])]);
    expect(shows((b, x) => slice(b, x, -1, 1))).to.equal(true);
    expect(shows((b, x) => slice(b, x, 0, 1))).to.equal(false);
    expect(shows((b, x) => slice(b, x, -1, 2))).to.equal(false);
    const gather = (b: GraphBuilder, x: string, place: number): string =>
      b.op('Gather', [x, b.ints([place])], { attributes: { axis: 1 } });
    expect(shows((b, x) => gather(b, x, -1))).to.equal(true);
    expect(shows((b, x) => gather(b, x, 0))).to.equal(false);
  });

  it('not where the scores or what the Softmax gives is rounded', () => {
    expect(showsIt('scores')).to.equal(false);
    expect(showsIt('weights')).to.equal(false);
  });
});
