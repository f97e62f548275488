import { expect } from 'chai';
import { splitAfter } from '../../src/graph/split-after.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';

describe('Splitting a model where training begins', () => {
  it('computes before the cut what depends on sizes of the layer alone, as masks do', () => {
    const b = new GraphBuilder({ opset: 17 });
    const seen = b.input('seen', 'float32', ['n', 4]);
    const layer = b.op('Relu', [b.input('x', 'float32', ['n', 4])], { name: 'layer' });
    // Exporters write the choice of a mask's elements so: flat, and shaped by the sizes of what it is added to.
    const flat = b.op('Reshape', [seen, b.ints([-1])], { name: 'flat' });
    const mask = b.op('Reshape', [b.op('Neg', [flat]), b.op('Shape', [layer])], { name: 'mask' });
    b.output(b.op('Add', [b.op('Tanh', [layer]), mask]), 'float32', ['n', 4], 'y');
    expect(splitAfter(b.model(), layer).crossing).to.deep.equal([layer, mask]);
  });
});
