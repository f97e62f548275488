/**
 * Whether an encoded model has weights of float16, told without decoding it: runs of bytes are stepped over.
 *
 *   ModelProto.graph = 7 → GraphProto.initializer = 5 → TensorProto.data_type = 2, float16 is 10
 */
const float16 = 10;

export function holdsHalf(model: Uint8Array): boolean {
  for (const [field, graph] of fieldsOf(model)) {
    if (field !== 7 || typeof graph === 'number') continue;
    for (const [inner, tensor] of fieldsOf(graph)) {
      if (inner !== 5 || typeof tensor === 'number') continue;
      for (const [number, value] of fieldsOf(tensor)) if (number === 2 && value === float16) return true;
    }
  }
  return false;
}

/** Numbers and runs of bytes by their fields, up to where the bytes are no message any more. */
function* fieldsOf(bytes: Uint8Array): Generator<readonly [number, number | Uint8Array]> {
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const type = tag % 8;
    if (type === 0) yield [field, varint()];
    else if (type === 2) {
      const length = varint();
      yield [field, bytes.subarray(at, at + length)];
      at += length;
    } else if (type === 1 || type === 5) at += type === 1 ? 8 : 4;
    else return;
  }
}
