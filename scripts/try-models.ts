/**
 * Tries every ONNX model below a folder as a backbone, as try-backbone.ts has it.
 *
 *   node build/scripts/try-models.js FOLDER [--only REGEXP] [--layers]
 *
 * `--layers` lists the layers that were found.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.js';
import { readModel } from '../src/onnx/read-model.js';
import { formatShape } from '../src/tensor/shape.js';
import { tryBackbone } from './try-backbone.js';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, layers: { type: 'boolean', default: false } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('Expected a folder.');
let passed = 0;
const failures: string[] = [];
const files = (await readdir(folder, { recursive: true })).filter(
  (name) => name.endsWith('.onnx') && new RegExp(flags.only).test(name),
);
for (const name of files.toSorted()) {
  try {
    const { layers, tried, difference, fused } = await tryBackbone(await readModel(path.join(folder, name)));
    const best = layers.find(({ recommended }) => recommended);
    const what = best
      ? `${best.name} ${formatShape(best.shape)} ${best.pool} ${best.dim}: ${best.reason}; ${layers.length} layers`
      : 'nothing recommended';
    console.log(
      `${best ? 'ok  ' : 'none'} ${name}: ${what}; ${tried.length} cut, ${difference.toExponential(1)}${fused === undefined ? '' : `, fused ${fused.toExponential(1)}`}`,
    );
    if (flags.layers) {
      for (const layer of layers) {
        console.log(
          `       ${layer.recommended ? '*' : ' '} ${layer.name} ${formatShape(layer.shape)} ${layer.pool} ${layer.dim} after ${layer.parametersAfter} ${layer.trainableFromHere ? 'tunable' : ''}: ${layer.reason}`,
        );
      }
    }
    passed++;
  } catch (error) {
    failures.push(name);
    console.log(`FAIL ${name}: ${messageOf(error).slice(0, 400)}`);
  }
}
console.log(`${passed} of ${files.length} models inspected, cut, merged and run`);
process.exitCode = failures.length > 0 ? 1 : 0;
