import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toTensor } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { readModel } from '../../src/onnx/read-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { type Backbone, prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { writeGradients } from '../../src/pipeline/write-gradients.js';
import { createRng } from '../../src/rng.js';
import { openModel } from '../../src/runtime/open-model.js';
import { type DType, dtypeInfo } from '../../src/tensor/dtype.js';
import { toHalf } from '../../src/tensor/float16.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { float32, type Tensor } from '../../src/tensor/tensor.js';

type Float = 'float16' | 'bfloat16' | 'float64' | 'float32';

/** Eighths of small whole numbers, which all of the types hold exactly. */
function eighths(dtype: Float, dims: readonly number[], seed: number): Tensor {
  const rng = createRng(seed);
  const values = Array.from({ length: sizeOf(dims) }, () => (rng.integer(17) - 8) / 8);
  const upper = new DataView(new ArrayBuffer(4));
  const asBfloat16 = (value: number): number => {
    upper.setFloat32(0, value);
    return upper.getUint16(0);
  };
  const convert = { float16: toHalf, bfloat16: asBfloat16, float32: Number, float64: Number }[dtype];
  const data = new (dtypeInfo(dtype).array as Float32ArrayConstructor)(values.map(convert));
  return { dtype, dims, data };
}

/** image → Conv → Relu → mean → features [batch, 4], cast to the type and back in between. */
function network(dtype: Float, { hasConv = true } = {}): Model {
  const b = new GraphBuilder();
  const image = b.input('image', dtype, ['batch', 3, 8, 8]);
  const weight = b.constant('weight', eighths(dtype, hasConv ? [4, 3, 3, 3] : [3, 1, 1], 1));
  const maps = b.op(hasConv ? 'Conv' : 'Mul', [image, weight]);
  const to = (type: DType) => ({ attributes: { to: dtypeInfo(type).code } });
  const cast = b.op('Cast', [b.op('Cast', [maps], to('float32'))], to(dtype));
  const shifted = b.op('Add', [cast, b.constant('shift', eighths(dtype, [1], 2))]);
  const means = b.op('ReduceMean', [b.op('Relu', [shifted])], { attributes: { axes: [2, 3], keepdims: 0 } });
  b.output(b.op('Identity', [means], { name: 'features' }), dtype, ['batch', hasConv ? 4 : 3]);
  return b.model();
}

describe('A model of another floating-point type', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-floats-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const x = eighths('float32', [2, 3, 8, 8], 3);
  const said: string[] = [];
  const logger = { info: (text: string) => said.push(text), warn: () => {} };
  beforeEach(() => said.splice(0));

  async function written(dtype: Float, options = {}): Promise<string> {
    const file = path.join(folder, `${dtype}-${said.length}.onnx`);
    await writeModel(network(dtype, options), file);
    return file;
  }

  const prepare = (file: string): Promise<Backbone> =>
    prepareBackbone({ backbone: file, layer: 'features' }, { folder, logger });

  async function featuresOf({ features, input, outputName }: Backbone): Promise<Tensor> {
    const session = await openModel(features);
    try {
      return (await session.run({ [input.kind === 'pixels' ? input.name : '']: x }))[outputName]!;
    } finally {
      await session.release();
    }
  }

  for (const [dtype, reason] of [
    ['bfloat16', /bfloat16.* taken in float32/],
    ['float64', /float64.*\(Conv\).* taken in float32/],
  ] as const) {
    it(`of ${dtype} that ONNX Runtime does not compute with gives the features of the same in float32, which is said`, async () => {
      const backbone = await prepare(await written(dtype));
      expect(said.join('\n')).to.match(reason);
      const expected = await featuresOf(await prepare(await written('float32')));
      expect(await featuresOf(backbone)).to.deep.equal(expected);
      expect(expected.data.some((value) => Number(value) > 0)).to.equal(true);
    });

    it(`of ${dtype} has its layers listed`, async () => {
      const { problem, featureLayers, inputs } = await inspectModel(await written(dtype));
      expect(problem).to.equal(undefined);
      expect(featureLayers).to.have.length.above(0);
      expect(inputs[0]!.dtype).to.equal(dtype);
    });
  }

  it('stays in float64 where ONNX Runtime has all operators', async () => {
    const { model } = await prepare(await written('float64', { hasConv: false }));
    expect(said.join('\n')).not.to.include('float32');
    expect(model.graph.initializers.get('shift')!.dtype).to.equal('float64');
  });

  it("keeps float64's least number finite, which stands for what a mask hides", async () => {
    const b = new GraphBuilder();
    const image = b.input('image', 'float64', ['batch', 3, 8, 8]);
    const least: Tensor = {
      dtype: 'float64',
      dims: [2],
      data: Float64Array.of(-Number.MAX_VALUE, -Infinity),
    };
    b.output(b.op('Add', [b.op('Erf', [image]), b.constant('least', least)]), 'float64');
    const file = path.join(folder, 'mask.onnx');
    await writeModel(b.model(), file);
    const { asFloat32 } = await import('../../src/graph/as-float32.js');
    const { graph } = asFloat32(await readModel(file), ['float64']);
    const { data } = toTensor(graph.initializers.get('least')!);
    expect([...data]).to.deep.equal([Math.fround(-3.4028234663852886e38), -Infinity]);
  });

  for (const dtype of ['float16', 'bfloat16', 'float64'] as const) {
    it(`of ${dtype} has its gradients written in float32, where they agree with finite differences`, async () => {
      const out = path.join(folder, 'gradients.onnx');
      const { check } = await writeGradients(
        { model: await written(dtype), out, check: true, samples: 3 },
        { logger },
      );
      expect(said.join('\n')).to.match(new RegExp(`${dtype}.* float32`));
      expect(check!.map(({ name }) => name)).to.deep.equal(['weight', 'shift']);
      for (const { maxRelativeError } of check!) expect(maxRelativeError).to.be.below(1e-4);
      const session = await openModel(await readModel(out));
      const outputs = await session.run({ image: float32(x.dims, x.data as Float32Array) });
      await session.release();
      expect(outputs['grad/weight']).to.include({ dtype: 'float32' });
    });
  }
});
