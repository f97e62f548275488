import { expect } from 'chai';
import {
  decodeSafetensors,
  decodeSafetensorsHeader,
  encodeSafetensors,
} from '../../src/tensor/safetensors.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';

const sample = new Map<string, Tensor>([
  ['keys', { dtype: 'uint8', dims: [3, 1], data: Uint8Array.of(1, 2, 3) }],
  ['features', float32([3, 2], [1, -2, 3.5, Number.NaN, Number.POSITIVE_INFINITY, -0])],
  ['labels', int64([3], [7, -8, 9])],
  ['half', { dtype: 'float16', dims: [1], data: Uint16Array.of(0x3c00) }],
  ['brain', { dtype: 'bfloat16', dims: [0, 4], data: new Uint16Array(0) }],
  ['scalar', { dtype: 'float64', dims: [], data: Float64Array.of(Math.PI) }],
  ['flag', { dtype: 'bool', dims: [2], data: Uint8Array.of(1, 0) }],
]);

/** A file with this header text and `dataLength` zero bytes. */
function file(header: string, dataLength: number): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe('Safetensors', () => {
  it('gives back every tensor and the metadata', () => {
    const { tensors, metadata } = decodeSafetensors(
      encodeSafetensors(sample, { classes: '["ä","b"]', __proto__x: '1' }),
      'f',
    );
    expect(metadata).to.deep.equal({ classes: '["ä","b"]', __proto__x: '1' });
    expect([...tensors.keys()]).to.have.members([...sample.keys()]);
    for (const [name, tensor] of sample) expect(tensors.get(name), name).to.deep.equal(tensor);
  });

  it('pads the header so that data starts at a multiple of 8 and every view is aligned', () => {
    const bytes = encodeSafetensors(sample, { a: 'odd' });
    expect(new DataView(bytes.buffer).getBigUint64(0, true) % 8n).to.equal(0n);
    for (const { data } of decodeSafetensors(bytes, 'f').tensors.values()) {
      expect(data.buffer).to.equal(bytes.buffer);
    }
  });

  it('writes the same bytes whatever the order of insertion', () => {
    const reversed = new Map([...sample].reverse());
    expect(encodeSafetensors(reversed, { b: '2', a: '1' })).to.deep.equal(
      encodeSafetensors(sample, { a: '1', b: '2' }),
    );
  });

  it('reads from bytes that start anywhere in their buffer', () => {
    const bytes = encodeSafetensors(sample);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(decodeSafetensors(shifted.subarray(3), 'f').tensors).to.deep.equal(
      decodeSafetensors(bytes, 'f').tensors,
    );
  });

  it('refuses every truncation of a file', () => {
    const bytes = encodeSafetensors(sample, { a: '1' });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeSafetensors(bytes.subarray(0, length), 'cut.safetensors'), `${length}`).to.throw(
        /cut\.safetensors is not a readable safetensors file/,
      );
    }
  });

  const hostile: readonly (readonly [string, string, number, RegExp])[] = [
    ['a gap', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}', 2, /gaps/],
    [
      'an overlap',
      '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
      3,
      /overlap/,
    ],
    ['offsets past the end', '{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}', 2, /end at byte/],
    ['trailing bytes', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 5, /end at byte/],
    ['a shape that overflows', '{"a":{"dtype":"U8","shape":[1e9,1e9],"data_offsets":[0,1]}}', 1, /shape/],
    ['negative sizes', '{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}', 1, /shape/],
    ['reversed offsets', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}', 1, /does not fit/],
    ['a size that lies', '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}', 4, /does not fit/],
    ['an unknown type', '{"a":{"dtype":"F7","shape":[1],"data_offsets":[0,1]}}', 1, /unknown type "F7"/],
    ['a list', '[]', 0, /not a JSON object/],
    ['no JSON', '{{', 0, /not JSON/],
    ['numbers in metadata', '{"__metadata__":{"a":1}}', 0, /__metadata__/],
  ];
  for (const [name, header, dataLength, message] of hostile) {
    it(`refuses ${name}`, () => {
      expect(() => decodeSafetensors(file(header, dataLength), 'f')).to.throw(message);
    });
  }

  it('refuses a header length beyond the file without allocating it', () => {
    const bytes = file('{}', 0);
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 63n, true);
    expect(() => decodeSafetensors(bytes, 'f')).to.throw(/claims a header of 9223372036854775808 bytes/);
  });

  it('tells where tensors lie from the header alone', () => {
    const bytes = encodeSafetensors(sample);
    const dataStart = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const { entries } = decodeSafetensorsHeader(bytes.subarray(0, dataStart), bytes.length, 'f');
    const { begin, end } = entries.get('keys')!;
    expect([...bytes.subarray(begin, end)]).to.deep.equal([1, 2, 3]);
  });

  it('refuses to write a type the format does not hold', () => {
    const packed: Tensor = { dtype: 'uint4', dims: [2], data: Uint8Array.of(0x21) };
    expect(() => encodeSafetensors(new Map([['a', packed]]))).to.throw(/safetensors can hold/);
  });
});
