import { readSource } from '../sources/read-source.js';
import type { Located } from '../sources/source.js';

/** The bytes of the examples that a run names; a data set may have moved in part, and what is left still serves. */
export async function readExamples(examples: readonly (string | Located)[]): Promise<Uint8Array[]> {
  const read: Uint8Array[] = [];
  for (const example of examples) {
    try {
      read.push((await readSource(typeof example === 'string' ? { path: example } : example)).bytes);
    } catch {
      // Gone, or gone for now.
    }
  }
  return read;
}
