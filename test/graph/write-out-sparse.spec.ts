import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { asFloat16 } from '../../src/graph/as-float16.js';
import { writeOutSparse } from '../../src/graph/write-out-sparse.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toInitializer } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { writeGradients } from '../../src/pipeline/write-gradients.js';
import { openModel } from '../../src/runtime/open-model.js';
import { float32, int64 } from '../../src/tensor/tensor.js';
import { preprocess } from '../features/tiny-backbone.js';
import { randomTensor, runModel } from './run-model.js';

/** image [batch, 3, 12, 12] → average → MatMul by a sparse matrix [3, 4] → Tanh → features */
function sparse(indices: number[][], dims = [3, 4]): Model {
  const b = new GraphBuilder();
  const image = b.input('image', 'float32', ['batch', 3, 12, 12]);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [image])]);
  const features = b.op('Tanh', [b.op('MatMul', [pooled, 'w'])], { name: 'features' });
  b.output(b.op('Identity', [features]), 'float32', ['batch', 4], 'y');
  const model = b.model();
  const values = toInitializer('w', float32([indices.length], [2, -1, 3].slice(0, indices.length)));
  const flat = int64(indices[0]!.length === 1 ? [indices.length] : [indices.length, 2], indices.flat());
  const rows = [{ values, indices: toInitializer('', flat), dims }];
  return { ...model, graph: { ...model.graph, sparseInitializers: rows } };
}

describe('A sparse initializer', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-sparse-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (model: Model): string => {
    const file = path.join(folder, 'sparse.onnx');
    writeFileSync(file, encodeModel(model));
    writeFileSync(path.join(folder, 'sparse.preprocess.json'), JSON.stringify(preprocess));
    return file;
  };

  for (const [form, indices] of [
    ['of the whole tensor', [[1], [6], [11]]],
    [
      'along each axis',
      [
        [0, 1],
        [1, 2],
        [2, 3],
      ],
    ],
  ] as const) {
    it(`gives the same as a plain one, with indices ${form}`, async () => {
      const model = sparse(indices.map((row) => [...row]));
      const x = { image: randomTensor([2, 3, 12, 12], 1) };
      expect(await runModel(writeOutSparse(model), x)).to.deep.equal(await runModel(model, x));
    });
  }

  it('is converted to float16, and its gradient is taken and checked', async () => {
    const file = write(sparse([[1], [6], [11]]));
    const { features } = await prepareBackbone({ backbone: file, layer: 'features' }, { folder });
    await (await openModel(asFloat16(features))).release();
    const { gradients, check } = await writeGradients({
      model: file,
      loss: 'features',
      check: true,
      samples: 2,
    });
    expect(gradients.map(({ name }) => name)).to.deep.equal(['w']);
    expect(check![0]!.maxRelativeError).to.be.below(1e-3);
  });

  it('is refused where an index lies outside, or it would fill the memory', () => {
    expect(() => writeOutSparse(sparse([[1], [6], [12]]))).to.throw(
      /"w" of shape \[3,4\] has an index outside, 12/,
    );
    expect(() => writeOutSparse(sparse([[-1], [6], [2]]))).to.throw(/index outside, -1/);
    expect(() => writeOutSparse(sparse([[1], [6], [2]], [2 ** 20, 2 ** 20]))).to.throw(/takes 2 GiB or more/);
  });
});
