import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Dimension } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { randomTensor } from '../graph/run-model.js';

/** Normalised by a mean that is an input, as Keras exports a Normalization. */
function modelOf(meanShape: Dimension[]): Uint8Array {
  const b = new GraphBuilder();
  const image = b.input('image', 'float32', ['batch', 3, 16, 16]);
  const mean = b.input('mean', 'float32', meanShape);
  const kernel = b.constant('kernel', randomTensor([8, 3, 3, 3]));
  const x = b.op('Relu', [b.op('Conv', [b.op('Sub', [image, mean], { name: 'normal' }), kernel])]);
  b.output(b.op('Flatten', [b.op('GlobalAveragePool', [x])], { name: 'pooled' }), 'float32', ['batch', 8]);
  return encodeModel(b.model());
}

describe('a backbone with constants among its inputs', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const refusalOf = async (meanShape: Dimension[]): Promise<string> => {
    const file = path.join(folder, 'normal.onnx');
    writeFileSync(file, modelOf(meanShape));
    return prepareBackbone({ backbone: file }, { folder }).then(
      () => '',
      (error: Error) => error.message,
    );
  };

  for (const shape of [[1, 3, 1, 1], []]) {
    it(`is refused with the remedy where one is of shape [${shape}]`, async () => {
      expect(await refusalOf(shape)).to.match(
        /also needs the inputs mean: float32 .*write those inputs into the file as constants/,
      );
    });
  }

  it('is not told so of an input that has a batch', async () => {
    expect(await refusalOf(['batch', 1, 1, 1])).to.match(/also needs the inputs mean: float32 [^:]*alone\.$/);
  });
});
