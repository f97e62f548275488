/** Zip archives as tests need them. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface Member {
  readonly name: string | Buffer;
  readonly content: string | Buffer;
  /** In place of what is true. */
  readonly method?: number;
  readonly flags?: number;
  readonly size?: number;
  readonly checksum?: number;
  readonly start?: number;
  readonly mode?: number;
}

export const [unix, utf8] = [3 << 8, 0x800] as const;

/** A zip archive, with lies where a member or `count` tells some. */
export function zip(members: readonly Member[], { count = members.length } = {}): Buffer {
  const local: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const { name, content, method = 8, flags = utf8, mode = 0o100644, ...lies } of members) {
    const [label, bytes] = [Buffer.from(name as string), Buffer.from(content as string)];
    const packed = method === 8 ? deflateRawSync(bytes) : bytes;
    const { size = bytes.length, checksum = crc32(bytes), start = at } = lies;
    const common = [
      [20, 2],
      [flags, 2],
      [method, 2],
      [0, 4],
      [checksum, 4],
      [packed.length, 4],
      [size, 4],
      [label.length, 2],
      [0, 2],
    ] as const;
    const header = fields([[0x04034b50, 4], ...common]);
    local.push(header, label, packed);
    at += header.length + label.length + packed.length;
    const rest = [
      [0, 6],
      [mode * 2 ** 16, 4],
      [start, 4],
    ] as const;
    directory.push(fields([[0x02014b50, 4], [unix, 2], ...common, ...rest]), label);
  }
  const length = Buffer.concat(directory).length;
  const end = fields([
    [0x06054b50, 4],
    [0, 4],
    [count, 2],
    [count, 2],
    [length, 4],
    [at, 4],
    [0, 2],
  ]);
  return Buffer.concat([...local, ...directory, end]);
}

/** Little-endian numbers of so many bytes. */
function fields(values: readonly (readonly [value: number, bytes: number])[]): Buffer {
  return Buffer.concat(
    values.map(([value, bytes]) => {
      const buffer = Buffer.alloc(bytes);
      buffer.writeUIntLE(value, 0, bytes);
      return buffer;
    }),
  );
}
