/** A file in an archive, whatever kind of archive that is. */
import { GraftError } from '../errors.js';
import type { Source } from './source.js';

export interface ArchiveMember {
  readonly name: string;
  /** Where its content lies. */
  readonly source: Source;
  /** Whether it only leads to another member or file; it has no content then. */
  readonly isLink: boolean;
  /** Whether its name is in no Unicode, and was read as MS-DOS wrote it. */
  readonly isNameGuessed?: boolean;
  /** Which archive of the file it is in, from 0: several may have been written one after the other, `cat a.tar b.tar`. */
  readonly archive: number;
  /** Its content; only until the next member is asked for. @throws GraftError INVALID_DATASET above `most` bytes. */
  read(most: number): Promise<Uint8Array>;
}

export function damagedArchive(archive: string, reason: string, cause?: unknown): GraftError {
  return new GraftError('INVALID_DATASET', `The archive ${archive} cannot be read: ${reason}.`, { cause });
}
