/** Files that are either whole or not there. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { unwritable } from '../errors.js';

/**
 * Writes to a temporary file in the same folder, syncs it and renames it into place.
 * @throws GraftError FILE_UNWRITABLE; what stood there before is then untouched.
 */
export async function writeFileAtomically(file: string, content: string | Uint8Array): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    await mkdir(path.dirname(file), { recursive: true });
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw unwritable(file, error);
  }
}
