import type { AttributeInput } from '../../src/onnx/attributes.js';
import type { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { expectAdjoint } from './expect-adjoint.js';

interface Row {
  readonly x: readonly number[];
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
  readonly attributes: Readonly<Record<string, AttributeInput>>;
  readonly opsets?: readonly number[];
}

const linear = { mode: 'linear' };
const nearest = { mode: 'nearest' };
const by = (mode: string) => ({ coordinate_transformation_mode: mode });

const rows: readonly Row[] = [
  { x: [2, 3, 4, 5], scales: [1, 1, 2, 3], attributes: { ...nearest, ...by('asymmetric'), nearest_mode: 'floor' } },
  { x: [2, 3, 4, 5], scales: [1, 1, 2, 2], attributes: nearest },
  { x: [2, 3, 4, 5], scales: [1, 1, 1.7, 2.3], attributes: { ...nearest, ...by('asymmetric'), nearest_mode: 'floor' } },
  { x: [2, 3, 8, 7], scales: [1, 1, 0.5, 0.6], attributes: nearest },
  { x: [2, 3, 4, 5], sizes: [2, 3, 7, 9], attributes: { ...nearest, ...by('align_corners'), nearest_mode: 'ceil' } },
  { x: [2, 3, 4], scales: [1, 1, 2], attributes: { ...nearest, ...by('asymmetric'), nearest_mode: 'floor' } },
  { x: [2, 2, 3, 2, 3], scales: [1, 1, 2, 2, 2], attributes: { ...nearest, ...by('asymmetric'), nearest_mode: 'floor' } },
  { x: [2, 3, 4, 5], scales: [1, 1, 2, 2], attributes: linear },
  { x: [2, 3, 4, 5], scales: [1, 1, 2, 2], attributes: { ...linear, ...by('pytorch_half_pixel') } },
  { x: [2, 3, 4, 5], scales: [1, 1, 1.7, 2.3], attributes: { ...linear, ...by('asymmetric') } },
  { x: [2, 3, 4, 5], sizes: [2, 3, 9, 7], attributes: { ...linear, ...by('align_corners') } },
  { x: [2, 3, 9, 8], sizes: [2, 3, 4, 5], attributes: linear },
  { x: [2, 3, 4, 5], sizes: [2, 3, 1, 7], attributes: { ...linear, ...by('pytorch_half_pixel') } },
  { x: [2, 2, 3, 4, 3], scales: [1, 1, 2, 1, 2], attributes: linear },
  { x: [2, 3, 4, 5], scales: [1, 1, 2, 2], attributes: { mode: 'cubic', cubic_coeff_a: { float: -0.5 } } },
  { x: [2, 3, 9, 8], sizes: [2, 3, 4, 5], attributes: { ...linear, antialias: 1 }, opsets: [18, 25] },
  { x: [2, 3, 4, 5], scales: [2, 1.5], attributes: { ...linear, axes: [2, 3] }, opsets: [18, 25] },
]; // prettier-ignore

describe('The gradient of', () => {
  for (const { x, scales, sizes, attributes, opsets = [11, 13, 25] } of rows) {
    for (const opset of opsets) {
      const to = scales ? `by ${scales.join(' ')}` : `to ${sizes!.join(' ')}`;
      it(`Resize ${to} with ${Object.values(attributes).map(String).join(' ')} is its adjoint at opset ${opset}`, async () => {
        const forward = (b: GraphBuilder): string => {
          const none = b.constant('none', float32([0], []));
          const inputs = ['x', none, scales ? b.constant('scales', float32([scales.length], scales)) : none];
          // The batch is free, so the sizes are computed, as exporters do.
          if (sizes) {
            const batch = b.op('Slice', [b.op('Shape', ['x']), b.ints([0]), b.ints([1])]);
            const rest = b.constant('rest', int64([sizes.length - 1], sizes.slice(1)));
            inputs.push(b.op('Concat', [batch, rest], { attributes: { axis: 0 } }));
          }
          return b.op('Resize', inputs, { attributes });
        };
        await expectAdjoint({ inputs: { x }, batched: ['x'], opset, forward });
      });
    }
  }

  for (const mode of ['nearest', 'linear']) {
    for (const scale of [2, 1.5]) {
      it(`Upsample by ${scale}, ${mode}, is its adjoint at opsets 7 and 9, and Resize at 10`, async () => {
        const scales = [1, 1, scale, 2];
        const constant = (b: GraphBuilder): string => b.constant('scales', float32([4], scales));
        const given = { inputs: { x: [2, 3, 4, 5] }, batched: ['x'] };
        const attributes = { mode };
        const upsample7 = (b: GraphBuilder): string => b.op('Upsample', ['x'], { attributes: { mode, scales: { floats: scales } } });
        const upsample9 = (b: GraphBuilder): string => b.op('Upsample', ['x', constant(b)], { attributes });
        const resize10 = (b: GraphBuilder): string => b.op('Resize', ['x', constant(b)], { attributes });
        await expectAdjoint({ ...given, opset: 8, forward: upsample7 });
        await expectAdjoint({ ...given, opset: 9, forward: upsample9 });
        await expectAdjoint({ ...given, opset: 10, forward: resize10 });
      });
    }
  }

  it('Resize is its adjoint where the scales are computed', async () => {
    const forward = (b: GraphBuilder): string => {
      const scales = b.op('Exp', [b.constant('log scales', float32([4], [0, 0, 0.5, 0.75]))]);
      return b.op('Resize', ['x', '', scales], { attributes: { mode: 'linear' } });
    };
    await expectAdjoint({ inputs: { x: [2, 3, 4, 5] }, batched: ['x'], opset: 18, forward });
  });
}); // prettier-ignore
