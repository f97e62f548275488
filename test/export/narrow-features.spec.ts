import { expect } from 'chai';
import { exportHead } from '../../src/export/export-model.js';
import { featureSpread } from '../../src/export/feature-spread.js';
import type { Verification } from '../../src/export/compare-on-providers.js';
import { verifyExport } from '../../src/export/verify-export.js';
import { mergeModels } from '../../src/graph/merge-models.js';
import type { TrainedHead } from '../../src/heads/head.js';
import type { EncodedExamples } from '../../src/inputs/encoded-examples.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { Model } from '../../src/onnx/ir.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { float32 } from '../../src/tensor/tensor.js';

/** x → 1 + x · scale, which `offset` before the end rounds. */
function backbone(scale: number, offset: number): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', ['batch', 2]);
  const near = b.op('Add', [b.op('Mul', [x, b.scalar(scale)]), b.scalar(1 + offset)]);
  b.output(b.op('Sub', [near, b.scalar(offset)], { name: 'features' }), 'float32', ['batch', 2]);
  return b.model();
}

/** As standardised features leave it: large where they hardly differ. */
function headOf(scale: number): TrainedHead {
  const [w, c] = [1 / scale, -1 / scale];
  return {
    spec: { kind: 'linear' },
    task: 'single',
    dim: 2,
    classes: ['a', 'b'],
    parameters: new Map([
      ['head/weight', float32([2, 2], [w, 0, 0, w])],
      ['head/bias', float32([2], [c, c])],
    ]),
  };
}

const rows = [
  [1, 2],
  [-1, 0.5],
  [0.25, -2],
];

function verify(
  scale: number,
  offset: number,
  given: Partial<EncodedExamples> = {},
  patience?: number,
): Promise<Verification> {
  const head = headOf(scale);
  const merged = mergeModels(backbone(scale, offset), exportHead(head), {
    connect: { features: exportHead(head).graph.inputs[0]!.name },
  });
  return verifyExport({
    merged: encodeModel(merged),
    features: backbone(scale, 0),
    featuresOutput: 'features',
    head,
    patience,
    examples: {
      count: rows.length,
      order: rows.map((_, i) => i),
      together: (start, most) => Math.min(most, rows.length - start),
      feeds: (start, end) => ({ x: float32([end - start, 2], rows.slice(start, end).flat()) }),
      ...given,
    },
  });
}

async function failureOf(scale: number): Promise<string> {
  return verify(scale, 40).then(
    () => '',
    (error: Error) => error.message,
  );
}

describe('a verification that fails', () => {
  it('tells where the features hardly differ, so that rounding decides', async () => {
    expect(await failureOf(2e-5)).to.match(
      /differs from backbone and head by .*The features of these examples differ by no more than \de-5 of their size.*another --layer/,
    );
  });

  it('does not lay it on the features where they differ enough', async () => {
    expect(await failureOf(2e-3)).to.match(/differs from backbone and head by .*Do not use this file\.$/);
  });

  it('is not misled by a feature that is near 0 itself', async () => {
    const b = new GraphBuilder();
    const x = b.input('x', 'float32', ['batch', 3]);
    const centre = b.constant('centre', float32([3], [1, 1, 0]));
    const near = b.op('Add', [b.op('Mul', [x, b.scalar(2e-5)]), centre], { name: 'features' });
    b.output(near, 'float32', ['batch', 3]);
    const spread = await featureSpread({
      features: b.model(),
      featuresOutput: 'features',
      examples: {
        count: 2,
        order: [0, 1],
        together: () => 1,
        feeds: (start) => ({ x: float32([1, 3], [start, -start, 2 * start]) }),
      },
    });
    expect(spread).to.be.closeTo(4e-5, 1e-6);
  });
});

describe('a verification', () => {
  it('runs a file that takes one example at a time only so, others in a batch too', async () => {
    const batchesWith = async (most: number): Promise<number> => {
      let batches = 0;
      const { providers } = await verify(1, 0, {
        together: (start, wanted) => Math.min(wanted, most, rows.length - start),
        feeds: (start, end) => {
          if (end - start > 1) batches++;
          return { x: float32([end - start, 2], rows.slice(start, end).flat()) };
        },
      });
      return batches / providers.length;
    };
    expect(await batchesWith(1)).to.equal(0);
    expect(await batchesWith(3)).to.equal(1);
  });

  it('compares fewer examples on WebAssembly where they would take long there, and tells how many', async () => {
    const many = {
      count: 12,
      order: Array.from({ length: 12 }, (_, i) => i),
      together: (start: number, most: number) => Math.min(most, 12 - start),
      feeds: (start: number, end: number) => ({
        x: float32(
          [end - start, 2],
          Array.from({ length: 2 * (end - start) }, (_, i) => start + i / 2),
        ),
      }),
    };
    const told = async (patience: number) =>
      (await verify(1, 0, many, patience)).providers.map(({ name, examples }) => [name, examples]);
    expect(await told(0)).to.deep.equal([
      ['cpu', undefined],
      ['wasm', 1],
    ]);
    expect(await told(1e9)).to.deep.equal([
      ['cpu', undefined],
      ['wasm', undefined],
    ]);
  });
});
