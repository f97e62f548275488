import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { openTextEncoder } from '../../src/inputs/encode-texts.js';
import type { Pool } from '../../src/graph/pool-features.js';
import type { TokenSpec } from '../../src/models/input-spec.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import type { Model } from '../../src/onnx/ir.js';
import { prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { prepareTail, type UnfrozenBackbone } from '../../src/pipeline/prepare-tail.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { TensorMap } from '../../src/runtime/session.js';
import { float32 } from '../../src/tensor/tensor.js';
import { packTail } from '../../src/train/tail.js';
import { temporaryFolder } from '../e2e/graft.js';
import type { BertOptions } from '../text/random-bert.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';

async function run(model: Model, feeds: TensorMap): Promise<Float32Array> {
  const session = await openSession(encodeModel(model), { threads: 1 });
  try {
    const fed = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
    return Object.values(await session.run(Object.fromEntries(fed)))[0]!.data as Float32Array;
  } finally {
    await session.release();
  }
}

describe('Unfreezing the layers of a text backbone', () => {
  const folder = temporaryFolder();
  let number = 0;
  after(() => rmSync(folder, { recursive: true, force: true }));
  const prepare = async (options: BertOptions, layer: string, pool?: Pool): Promise<UnfrozenBackbone> => {
    const backbone = writeTextBackbone(path.join(folder, `model-${number++}`), options);
    return prepareTail(await prepareBackbone({ backbone, maxLength: 20, pool }, { folder }), layer);
  };
  const texts = ['good film', 'my card is very poor . it was awful and a', 'why'];

  const forms: readonly [what: string, options: BertOptions, layer: string, pool?: Pool][] = [
    ['an encoder, after its first block', {}, 'LayerNormalization_2'],
    ['an encoder, after its embeddings', {}, 'LayerNormalization'],
    ['an encoder whose tail reads a mask that is no float', {}, 'LayerNormalization_2', 'max'],
    ['an encoder that hides by the least number', { hiddenScore: -3.4028234e38 }, 'LayerNormalization_2'],
    ['an encoder of a fixed length', { fixedLength: 24 }, 'LayerNormalization_2'],
    ['an encoder that measures its input in every layer', { measures: true }, 'LayerNormalization_2'],
    ['a decoder without a mask', { inputs: [], isCausal: true }, 'LayerNormalization_2'],
    [
      'a text tower that takes a token by its place in the batch',
      { inputs: ['mask'], isCausal: true, takesLast: 'token' },
      'LayerNormalization_2',
    ],
    ['slopes of all heads in one axis with the texts', { hasSlopes: true }, 'LayerNormalization_2'],
    ['a decoder with a mask', { inputs: ['mask'], isCausal: true, dtype: 'int32' }, 'LayerNormalization_2'],
  ];
  for (const [what, options, layer, pool] of forms) {
    it(`gives the same features in two parts, masks cached with the rest: ${what}`, async () => {
      const { backbone, frozen, tail } = await prepare(options, layer, pool);
      const feedsOf = (spec: TokenSpec, list: readonly string[]): TensorMap => {
        const encoder = openTextEncoder(spec);
        const arranged = encoder.arrange(list.map((text) => encoder.tokensOf(Buffer.from(text))));
        return arranged.feeds(0, arranged.count);
      };
      const packed = packTail(tail);
      const wholes: number[] = [];
      const rows: number[] = [];
      for (const text of texts) {
        wholes.push(...(await run(backbone.features, feedsOf(backbone.input as TokenSpec, [text]))));
        const row = await run(frozen.features, feedsOf(frozen.input as TokenSpec, [text]));
        expect(row).to.have.length(frozen.dim);
        expect(Math.max(...row.map(Math.abs)), 'fits into float16').to.be.at.most(65504);
        rows.push(...row);
      }
      // Each text stands in another place of the batch than the one it had when it was cached.
      const dims = [texts.length, frozen.dim];
      const parts = await run(packed.model, { [packed.activations]: float32(dims, Float32Array.from(rows)) });
      expect(parts).to.have.length(wholes.length);
      for (const [i, value] of wholes.entries()) expect(parts[i]).to.be.closeTo(value, 1e-4);
    });
  }

  it('is refused where the model looks at what texts are filled up with, and says how it may be exported', async () => {
    const error = await prepare({ inputs: [] }, 'LayerNormalization_2').catch(
      (caught: unknown) => caught as Error,
    );
    expect(error)
      .to.have.property('message')
      .that.matches(/has no mask and looks at what texts are filled up with.* or for texts of one length/);
  });

  it('learns more than the head alone, and exports what verifies', async () => {
    const data = path.join(folder, 'reviews.csv');
    writeFileSync(data, toCsv(makeReviews(120)));
    const report = await runAll({
      backbone: writeTextBackbone(path.join(folder, 'trained')),
      ...{ data, out: path.join(folder, 'run'), cache: path.join(folder, 'cache'), device: 'cpu' },
      ...{ unfreeze: 'LayerNormalization_2', maxLength: 20, epochs: 6 },
    });
    expect(report.train.loss).to.be.below(report.headAlone!.train.loss);
    expect(report.verified.maxAbsDiff).to.be.below(1e-4);
  });
});
