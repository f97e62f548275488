/** The members of a tar archive by their headers alone: what lies between them is passed over, not read. */
import { open } from 'node:fs/promises';
import { unreadable } from '../errors.js';
import { type ArchiveMember, damagedArchive as damaged } from './archive-member.js';
import { parsePax, parseTarHeader, tarBlock, text } from './tar-header.js';
import { WindowReader } from './window-reader.js';

/** Of a long name or of pax records: more is no path. */
const longestExtension = 2 ** 20;
/** Zeros behind the end after which no other archive is looked for: writers fill a record, of megabytes at the most. */
const longestEnd = 2 ** 24;

/**
 * Regular files and links in the order of the archive. Behind its end another archive may begin, which is read too, as GNU tar
 * does with --ignore-zeros: examples that are there would else be missing without a word. Anything else there is passed over.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE or INVALID_DATASET naming the place.
 */
export async function* listTar(archive: string): AsyncGenerator<ArchiveMember> {
  const file = await open(archive, 'r').catch((error: unknown) => {
    throw unreadable(archive, error);
  });
  try {
    const { size } = await file.stat();
    const reader = new WindowReader(file, size, archive);
    let described: { path?: string; size?: number } = {};
    let archives = 0;
    let isBehindEnd = false;
    let end = 0;
    for (let at = 0; at < size;) {
      const block = await reader.at(at, Math.min(tarBlock, size - at));
      if (block.length < tarBlock) {
        if (isBehindEnd) return;
        throw damaged(
          archive,
          at === 0 ? whatElse(block) : `it ends within a header at byte ${at}; it is cut off`,
        );
      }
      const header = parseTarHeader(block);
      if (header === 'end') {
        if (!isBehindEnd) end = at;
        if (at - end >= longestEnd) return;
        isBehindEnd = true;
        at += tarBlock;
        continue;
      }
      if (!header && isBehindEnd) return;
      if (!header) throw damaged(archive, at === 0 ? whatElse(block) : `byte ${at} begins no member`);
      if (isBehindEnd) archives++;
      isBehindEnd = false;
      const start = at + tarBlock;
      const length = header.kind === 'other' || header.kind === 'link' ? 0 : (described.size ?? header.size);
      const name = described.path ?? header.name;
      at = start + Math.ceil(length / tarBlock) * tarBlock;
      if (at > size) {
        throw damaged(archive, `"${name}" should end at byte ${at} but the file has ${size}; it is cut off`);
      }
      if (header.kind === 'name' || header.kind === 'pax') {
        if (length > longestExtension) throw damaged(archive, `a name at byte ${start} has ${length} bytes`);
        const content = await reader.at(start, length);
        described =
          header.kind === 'pax'
            ? { ...described, ...parsePax(content) }
            : { ...described, path: text(content, 0, length) };
        continue;
      }
      described = {};
      const isLink = header.kind === 'link';
      if (header.kind !== 'file' && !isLink) continue;
      yield {
        name,
        source: { kind: 'slice', file: archive, start, length },
        isLink,
        archive: archives,
        read: async (most) => {
          if (length <= most) return reader.at(start, length);
          throw damaged(archive, `"${name}" has ${length} bytes, where at most ${most} are expected`);
        },
      };
    }
  } catch (error) {
    throw unreadable(archive, error);
  } finally {
    await file.close();
  }
}

function whatElse(block: Uint8Array): string {
  const isCompressed =
    (block[0] === 0x1f && block[1] === 0x8b) || // gzip
    text(block, 0, 3) === 'BZh' ||
    text(block, 1, 4) === '7zXZ' ||
    (block[0] === 0x28 && block[1] === 0xb5 && block[2] === 0x2f && block[3] === 0xfd); // zstd
  return isCompressed
    ? 'it is compressed, and members of a compressed archive cannot be read one by one; decompress it first'
    : 'it does not begin as a tar archive does';
}
