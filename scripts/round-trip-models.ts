/**
 * Reads every ONNX file below a folder and writes it again below another one; tells which could not be read, and which
 * are not the same when they are read back.
 *
 *   node build/scripts/round-trip-models.js FROM TO
 */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../src/errors.js';
import { readModel } from '../src/onnx/read-model.js';
import { encodeModel, writeModel } from '../src/onnx/write-model.js';

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) throw new Error('Expected two folders: FROM TO.');
const failures: string[] = [];
let count = 0;
for (const name of await readdir(from, { recursive: true })) {
  if (!name.endsWith('.onnx')) continue;
  count++;
  const target = path.join(to, name);
  try {
    const model = await readModel(path.join(from, name));
    await mkdir(path.dirname(target), { recursive: true });
    await writeModel(model, target);
    const again = await readModel(target);
    if (!isDeepStrictEqual(again, model)) throw new Error('it is another model when it is read back');
    if (!Buffer.from(encodeModel(again)).equals(await readFile(target)))
      throw new Error('it is written otherwise');
  } catch (error) {
    failures.push(`${name}: ${messageOf(error)}`);
  }
}
for (const failure of failures) console.log(failure);
console.log(`${count - failures.length} of ${count} models read, written and read back the same`);
process.exitCode = failures.length > 0 ? 1 : 0;
