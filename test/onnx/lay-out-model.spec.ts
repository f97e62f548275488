import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { toInitializer } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { layOutModel } from '../../src/onnx/lay-out-model.js';
import { readModel } from '../../src/onnx/read-model.js';
import { stageModel } from '../../src/onnx/stage-model.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';

const size = 40;
const numbers = (offset: number): Float32Array =>
  Float32Array.from({ length: size * size }, (_, i) => Math.sin(i + offset) / size);

/** x [batch, 40] → x A B [batch, 40] */
function product(): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', ['batch', size]);
  const [first, second] = [0, 1].map((i) => b.constant(`w${i}`, float32([size, size], numbers(i))));
  b.output(b.op('MatMul', [b.op('MatMul', [x, first!]), second!]), 'float32', ['batch', size], 'y');
  return b.model();
}

async function outputOf(source: Uint8Array | string): Promise<unknown> {
  const session = await openSession(source, { threads: 1 });
  try {
    return (await session.run({ x: float32([2, size], numbers(5).subarray(0, 2 * size)) })).y;
  } finally {
    await session.release();
  }
}

describe('A model that is larger than a runtime should be handed as bytes', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-large-'));
  const file = path.join(folder, 'm.onnx');
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** One weight in a side file of the user's, the other one in memory, as a trained one is. */
  async function halfOutside(): Promise<Model> {
    await writeModel(product(), file, { externalData: { minimumBytes: 1 } });
    const model = await readModel(file);
    const trained = toInitializer('w1', float32([size, size], numbers(1)));
    const initializers = new Map([...model.graph.initializers, ['w1', trained]]);
    return { ...model, graph: { ...model.graph, initializers } };
  }

  it('is laid out as files that give the same, side files linked and not copied', async () => {
    const model = await halfOutside();
    const small = await layOutModel(model);
    expect(small.source).to.be.instanceOf(Uint8Array);
    const large = await layOutModel(model, { mostBytes: 100 });
    expect(large.source).to.be.a('string');
    const place = path.dirname(large.source as string);
    const sameFile = statSync(`${file}_data`).ino;
    expect(readdirSync(place).map((name) => statSync(path.join(place, name)).ino)).to.include(sameFile);
    expect(statSync(large.source as string).size).to.be.below(size * size * 4);
    expect(await outputOf(large.source)).to.deep.equal(await outputOf(small.source));
    await large.release();
    expect(existsSync(place)).to.equal(false);
    expect(statSync(`${file}_data`).size).to.be.at.least(2 * size * size * 4);
  });

  it('is refused where the side file has changed since the model was read, and leaves nothing', async () => {
    const model = await halfOutside();
    writeFileSync(`${file}_data`, 'other');
    const left = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('graft-model-'));
    const before = left();
    const error = await layOutModel(model, { mostBytes: 100 }).catch((reason: unknown) => reason);
    expect(error)
      .to.have.property('message')
      .that.matches(/it has changed since the model was read/);
    expect(left()).to.deep.equal(before);
  });

  it('is staged beside its place, and stands there with its side file once that is wanted', async () => {
    const target = path.join(folder, 'out.onnx');
    const expected = await outputOf((await stageModel(product(), target)).source);
    const given = await stageModel(product(), target, { most: 100 });
    expect(await outputOf(given.source)).to.deep.equal(expected);
    expect(existsSync(target)).to.equal(false);
    await given.discard();
    const taken = await stageModel(product(), target, { most: 100 });
    await taken.commit();
    await taken.discard();
    expect(await outputOf(target)).to.deep.equal(expected);
    expect(readdirSync(folder).sort()).to.deep.equal(['m.onnx', 'm.onnx_data', 'out.onnx', 'out.onnx_data']);
    expect(readFileSync(target).length).to.be.below(2000);
  });
});
