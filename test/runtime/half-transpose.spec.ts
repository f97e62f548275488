import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { warnOfHalfTranspose } from '../../src/export/warn-of-half-transpose.js';
import { asFloat16 } from '../../src/graph/as-float16.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { holdsHalf } from '../../src/runtime/holds-half.js';
import { openOnProvider } from '../../src/runtime/open-on-provider.js';
import { randomTensor } from '../graph/run-model.js';

/** x [n, m, 4] → Transpose → MatMul, as a batch and its steps change places in front of a layer. */
function swapped() {
  const b = new GraphBuilder({ opset: 17 });
  const x = b.input('x', 'float32', ['n', 'm', 4]);
  const turned = b.op('Transpose', [x], { attributes: { perm: [1, 0, 2] } });
  b.output(b.op('MatMul', [turned, b.constant('w', randomTensor([4, 4], 1))]), 'float32', ['m', 'n', 4], 'y');
  return b.model();
}

describe('A float16 model in which a Transpose leads to a MatMul', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-half-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is known by its weights', () => {
    expect(holdsHalf(encodeModel(asFloat16(swapped())))).to.equal(true);
    expect(holdsHalf(encodeModel(swapped()))).to.equal(false);
    for (const bytes of [[], [255], [58, 255, 255, 1], [58, 3, 42, 1, 16]])
      expect(holdsHalf(Uint8Array.from(bytes))).to.equal(false);
  });

  it('is told of where it is exported, as other programs end by it', () => {
    const said: string[] = [];
    const logger = { info() {}, warn: (text: string) => void said.push(text) };
    warnOfHalfTranspose(swapped().graph, logger);
    expect(said).to.deep.equal([]);
    warnOfHalfTranspose(asFloat16(swapped()).graph, logger);
    expect(said).to.have.length(1);
    expect(said[0]).to.match(/Transpose before a MatMul in float16 .*export the backbone in float32/);
  });

  it('runs with all optimisations, from bytes and from a file, where the process ended before', async () => {
    const bytes = encodeModel(asFloat16(swapped()));
    const file = path.join(folder, 'half.onnx');
    writeFileSync(file, bytes);
    for (const source of [bytes, file]) {
      const session = await openOnProvider(source, 'cpu', { threads: 1 });
      const { y } = await session.run({ x: randomTensor([3, 2, 4], 2) });
      expect(y!.dims).to.deep.equal([2, 3, 4]);
      await session.release();
    }
  });
});
