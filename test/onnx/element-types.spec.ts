import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { initializerBytes, toInitializer, toTensor } from '../../src/onnx/initializer.js';
import { decodeModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { dtypeFromCode } from '../../src/tensor/dtype.js';
import { packBits, unpackBits } from '../../src/tensor/pack-bits.js';
import { toFloat32 } from '../../src/tensor/to-float32.js';
import { field, model, number } from './encode-raw.js';

const file = path.resolve('test/onnx/fixtures/element-types.onnx');
const { initializers } = decodeModel(readFileSync(file), { path: file }).graph;
const numeric = Array.from({ length: 28 }, (_, i) => dtypeFromCode(i + 1)!.dtype).filter(
  (dtype) => dtype !== 'string',
);
const hex = (name: string): string => Buffer.from(initializerBytes(initializers.get(name)!)).toString('hex');

describe('a tensor of the element type', () => {
  for (const dtype of numeric) {
    it(`${dtype} has the same bytes from raw and from typed data`, () => {
      expect(initializers.get(`${dtype}/raw`)!.dtype).to.equal(dtype);
      expect(hex(`${dtype}/typed`)).to.equal(hex(`${dtype}/raw`));
    });

    if (dtype.startsWith('complex')) continue;

    it(`${dtype} holds the numbers that onnx reads`, () => {
      const numbers = toFloat32(toTensor(initializers.get(`${dtype}/raw`)!));
      expect(numbers).to.deep.equal(toTensor(initializers.get(`${dtype}/float32`)!).data);
    });
  }

  for (const dtype of numeric) {
    it(`${dtype} survives the builder, a file and the way back to a tensor`, () => {
      const tensor = toTensor(initializers.get(`${dtype}/raw`)!);
      const b = new GraphBuilder({ opset: 25 });
      const direct = b.constant('direct', tensor);
      const taken = b.initializer(initializers.get(`${dtype}/raw`)!);
      b.op('Constant', [], { attributes: { value: toInitializer('', tensor) } });
      const { graph } = decodeModel(encodeModel(b.model()), { path: 'built.onnx' });
      expect(toTensor(graph.initializers.get(direct)!)).to.deep.equal(tensor);
      expect(toTensor(graph.initializers.get(taken)!)).to.deep.equal(tensor);
      const attribute = graph.nodes[0]!.attributes.get('value')!;
      expect(attribute.kind === 'tensor' && toTensor(attribute.value)).to.deep.equal(tensor);
    });
  }

  it('string keeps its bytes, UTF-8 or not, and is no number', () => {
    const strings = initializers.get('string')!;
    expect(strings.content).to.deep.equal({
      kind: 'strings',
      values: ['größe', '', Buffer.from([0xff, 0])].map((text) => new Uint8Array(Buffer.from(text))),
    });
    expect(() => toTensor(strings)).to.throw(/"string".*holds strings/);
  });

  it('may be empty or a scalar', () => {
    expect(toTensor(initializers.get('empty')!)).to.deep.equal({
      dtype: 'float32',
      dims: [0, 4],
      data: new Float32Array(),
    });
    expect(toTensor(initializers.get('scalar')!).data).to.deep.equal(new BigInt64Array([7n]));
  });

  it('is refused with its name where the format has no such type', () => {
    const unknown = model(field(5, number(2, 99), field(8, 'odd one')));
    expect(() => decodeModel(unknown, { path: 'm.onnx' })).to.throw(
      'Tensor "odd one" of m.onnx has the unknown element type 99.',
    );
  });
});

describe('typed data', () => {
  /** A tensor "t" of float32 [3] whose float_data is encoded as given. */
  const tensor = (...data: readonly Buffer[]): Buffer =>
    model(field(5, number(1, 3), number(2, 1), field(8, 't'), ...data));
  const bytes = Buffer.from(Float32Array.of(1, -2, 3.5).buffer);
  const one = (i: number): Buffer =>
    Buffer.concat([Buffer.from([4 * 8 + 5]), bytes.subarray(4 * i, 4 * i + 4)]);

  for (const [form, data] of [
    ['packed', [field(4, bytes)]],
    ['one by one', [one(0), one(1), one(2)]],
    ['in several pieces', [field(4, bytes.subarray(0, 4)), field(4), one(1), field(4, bytes.subarray(8))]],
  ] as const) {
    it(`is read ${form}`, () => {
      const { initializers: read } = decodeModel(tensor(...data), { path: 'm.onnx' }).graph;
      expect(toTensor(read.get('t')!).data).to.deep.equal(Float32Array.of(1, -2, 3.5));
    });
  }

  it('of no whole number of floats is refused', () => {
    expect(() => decodeModel(tensor(field(4, bytes.subarray(0, 11))), { path: 'm.onnx' })).to.throw(
      /m\.onnx .* at graph "g"\.initializer\[0\] "t": field floatData: 11 bytes/,
    );
  });
});

describe('packed bits', () => {
  for (const bits of [2, 4, 6]) {
    it(`of ${bits} bits come back for every length`, () => {
      for (let count = 0; count < 18; count++) {
        const values = Uint8Array.from({ length: count }, (_, i) => (i * 37 + 11) & ((1 << bits) - 1));
        const packed = packBits(values, bits);
        expect(packed.length).to.equal(Math.ceil((count * bits) / 8));
        expect(unpackBits(packed, bits, count)).to.deep.equal(values);
      }
    });
  }
});
