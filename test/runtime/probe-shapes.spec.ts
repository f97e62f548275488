import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';

describe('probeShapes', () => {
  it('measures a float16 model that casts float16 to itself, as converters leave it', async () => {
    const b = new GraphBuilder({ opset: 17 });
    const x = b.input('x', 'float16', [2, 4]);
    const one = b.constant('one', { dtype: 'float16', dims: [], data: Uint16Array.of(0x3c00) });
    const cast = b.op('Cast', [b.op('Add', [x, one])], { attributes: { to: 10 } });
    const mean = b.op('ReduceMean', [b.op('Sqrt', [cast])], { attributes: { axes: [-1] } });
    const y = b.op('Mul', [cast, mean], { name: 'y' });
    b.output(y, 'float16', [2, 4]);
    const shapes = await probeShapes(b.model(), { names: [mean, y] });
    expect([shapes.get(mean), shapes.get(y)]).to.deep.equal([
      [2, 1],
      [2, 4],
    ]);
  });
});
