import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { checked, float32, int64, type Tensor } from '../../src/tensor/tensor.js';
import { graph as subgraph, tensorValue } from '../../src/onnx/ir.js';
import { toAttribute } from '../../src/onnx/attributes.js';
import { writeModel } from '../../src/onnx/write-model.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { type Backbone, prepareBackbone } from '../../src/pipeline/prepare-backbone.js';
import { prepareTail } from '../../src/pipeline/prepare-tail.js';
import { openModel } from '../../src/runtime/open-model.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { createRng } from '../../src/rng.js';
import { sizeOf } from '../../src/tensor/shape.js';
import { drawImages } from '../features/tiny-backbone.js';

let rng = createRng(4);
const noise = Float32Array.from({ length: 2 * 3 * 12 * 12 }, () => rng.normal());
const normal = (...dims: number[]) =>
  float32(
    dims,
    Array.from({ length: sizeOf(dims) }, () => rng.normal()),
  );

describe('A backbone whose examples change each other', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-training-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const said: string[] = [];
  const logger = { info: (text: string) => said.push(text), warn: (text: string) => said.push(text) };
  let count = 0;

  /** image → Conv → `middle` → Relu → mean → classes */
  async function written(middle: (b: GraphBuilder, maps: string) => string, opset = 17): Promise<string> {
    const b = new GraphBuilder({ opset });
    const image = b.input('image', 'float32', ['batch', 3, 12, 12]);
    const maps = b.op('Conv', [image, b.constant('kernel', normal(6, 3, 3, 3))]);
    const features = b.op('Flatten', [b.op('GlobalAveragePool', [b.op('Relu', [middle(b, maps)])])]);
    b.output(b.op('MatMul', [features, b.constant('classes', normal(6, 4))]), 'float32', ['batch', 4]);
    const file = path.join(folder, `${count++}.onnx`);
    await writeModel(b.model(), file);
    return file;
  }
  const prepare = (backbone: string): Promise<Backbone> => prepareBackbone({ backbone }, { folder, logger });

  it('is refused before anything is cached, and inspected with a warning, where it draws random numbers', async () => {
    const reason = /draws random numbers in every run \(RandomNormalLike "noise"\)/;
    const file = await written((b, maps) =>
      b.op('Add', [maps, b.op('RandomNormalLike', [maps], { name: 'noise' })]),
    );
    const error = await prepare(file).catch((failure: unknown) => failure);
    expect(error).to.have.property('code', 'UNSUPPORTED_MODEL');
    expect((error as Error).message).to.match(reason);
    said.splice(0);
    await inspectModel(file, {}, { logger });
    expect(said.join('\n')).to.match(reason);
  });

  it('is taken as in inference, which is said, where it was exported in training mode', async () => {
    const middle = (isTraining: boolean) => (b: GraphBuilder, maps: string) => {
      const parameters = ['s', 'b', 'm', 'v'].map((name) =>
        b.constant(name, float32([6], [1, 2, 3, 4, 5, 6])),
      );
      const attributes = { training_mode: isTraining ? 1 : 0 };
      const norm = b.ops('BatchNormalization', [maps, ...parameters], isTraining ? 3 : 1, { attributes })[0]!;
      const training = b.constant('training', checked('bool', [], Uint8Array.of(isTraining ? 1 : 0)));
      return b.op('Dropout', [norm, b.scalar(0.5), training]);
    };
    const featuresOf = async (isTraining: boolean): Promise<Tensor> => {
      rng = createRng(4);
      const { features, outputName } = await prepare(await written(middle(isTraining)));
      const session = await openModel(features, { optimization: 'disabled' });
      const outputs = await session.run({ image: float32([2, 3, 12, 12], noise) });
      await session.release();
      return outputs[outputName]!;
    };
    const expected = await featuresOf(false);
    expect(said.join('\n')).not.to.include('training mode');
    expect(await featuresOf(true)).to.deep.equal(expected);
    expect(said.join('\n')).to.match(/training mode .*BatchNormalization by its running statistics, Dropout/);
  });

  it('is taken as in inference where it was so exported before training mode had an attribute', async () => {
    const featuresOf = async (outputs: number): Promise<Tensor> => {
      rng = createRng(4);
      const norm = (b: GraphBuilder, maps: string): string => {
        const parameters = ['s', 'b', 'm', 'v'].map((name) =>
          b.constant(name, float32([6], [1, 2, 3, 4, 5, 6])),
        );
        return b.ops('BatchNormalization', [maps, ...parameters], outputs)[0]!;
      };
      const { features, outputName } = await prepare(await written(norm, 12));
      const session = await openModel(features, { optimization: 'disabled' });
      const given = await session.run({ image: float32([2, 3, 12, 12], noise) });
      await session.release();
      return given[outputName]!;
    };
    const expected = await featuresOf(1);
    said.splice(0);
    expect(await featuresOf(5)).to.deep.equal(expected);
    expect(said.join('\n')).to.match(/training mode .*BatchNormalization by its running statistics/);
  });

  it('is run one image at a time where the images decide a branch together, also as exported', async () => {
    const data = path.join(folder, 'data');
    await drawImages(path.join(data, 'a'), 8, 1);
    await drawImages(path.join(data, 'b'), 8, 2);
    const backbone = await written((b, maps) => {
      const mean = b.op('ReduceMean', [maps], { attributes: { keepdims: 0 } });
      const branch = (factor: number) => {
        const inner = new GraphBuilder();
        const y = inner.op('Mul', [maps, inner.scalar(factor)], { name: `times${factor}` });
        inner.output(y, 'float32');
        return toAttribute(subgraph({ ...inner.model().graph, name: 'branch' }));
      };
      const positive = b.op('Greater', [mean, b.scalar(0)]);
      const [chosen] = b.ops('If', [positive], 1, { name: 'choice' });
      const node = b.nodes.findLast(({ opType }) => opType === 'If')!;
      b.nodes[b.nodes.indexOf(node)] = {
        ...node,
        attributes: new Map([
          ['then_branch', branch(2)],
          ['else_branch', branch(-1)],
        ]),
      };
      return chosen!;
    });
    said.splice(0);
    const { input } = await prepare(backbone);
    expect(input).to.have.property('isSingle', true);
    expect(said.join('\n')).to.match(/chooses by what it is given which branch \(If\).*one image at a time/);
    const out = path.join(folder, 'run');
    const { verified } = await runAll({
      backbone,
      data,
      out,
      cache: path.join(folder, 'cache'),
      device: 'cpu',
    });
    expect(verified.maxAbsDiff).to.be.below(1e-4);
  });

  const decided: readonly [how: string, said: RegExp, middle: (b: GraphBuilder, maps: string) => string][] = [
    [
      'how long a loop goes on',
      /how many rounds of a loop \(Loop\).*one image at a time/,
      (b, maps) => {
        const inner = new GraphBuilder({ taken: ['round', 'going', 'state'] });
        const next = inner.op('Mul', ['state', inner.scalar(0.7)], { name: 'next' });
        const sum = inner.op('ReduceSum', [inner.op('Abs', [next])], { attributes: { keepdims: 0 } });
        const goesOn = inner.op('Greater', [sum, inner.scalar(40)]);
        const inputs = [
          tensorValue('round', 'int64', []),
          tensorValue('going', 'bool', []),
          tensorValue('state', 'float32'),
        ];
        const outputs = [tensorValue(goesOn, 'bool', []), tensorValue(next, 'float32')];
        const body = { ...inner.model().graph, name: 'body', inputs, outputs };
        const most = b.constant('most', int64([], [30]));
        return b.op('Loop', [most, '', maps], { attributes: { body } });
      },
    ],
    [
      'a number that all are divided by',
      /reduces a whole tensor to one number.*one image at a time/,
      (b, maps) => b.op('Div', [maps, b.op('ReduceMax', [maps], { attributes: { keepdims: 0 } })]),
    ],
  ];
  for (const [how, message, middle] of decided)
    it(`is run one image at a time where the images decide together ${how}, also as exported`, async () => {
      const data = path.join(folder, 'decided');
      await drawImages(path.join(data, 'a'), 8, 1);
      await drawImages(path.join(data, 'b'), 8, 2);
      const backbone = await written(middle);
      said.splice(0);
      expect((await prepare(backbone)).input).to.have.property('isSingle', true);
      expect(said.join('\n')).to.match(message);
      const [out, cache] = [path.join(folder, `run-${count}`), path.join(folder, 'cache')];
      const { verified } = await runAll({ backbone, data, out, cache, device: 'cpu' });
      expect(verified.maxAbsDiff).to.be.below(1e-4);
    });

  it('is not trained through a number of all examples', async () => {
    const backbone = await written((b, maps) => {
      const before = b.op('Relu', [maps], { name: 'before' });
      return b.op('Div', [before, b.op('ReduceMax', [before], { attributes: { keepdims: 0 } })]);
    });
    const error = await prepareTail(await prepare(backbone), 'before').catch((failure: unknown) => failure);
    expect(error)
      .to.have.property('message')
      .that.matches(/layers after "before" reduce a whole tensor to one number/);
  });
});
