/**
 * Memory and time of `graft train --stream` on files of features, against reading them whole: it must not grow with the
 * file. Each training is a process of its own, whose highest memory the kernel tells. With --whole the two must end in the same
 * head, byte for byte.
 *
 *   node build/bench/stream-memory.js [--mb 200,2000] [--dim 1280] [--solvers lbfgs,adamw] [--whole] [--json]
 *
 * Files are drawn into the folder for temporary files (2 GB there for --mb 2000). Of a file that is larger than the
 * memory that is left, every pass reads the disk: the figures are of one that the system keeps in memory.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createRng } from '../src/rng.js';

const { values: flags } = parseArgs({
  options: {
    mb: { type: 'string', default: '200,2000' },
    dim: { type: 'string', default: '1280' },
    solvers: { type: 'string', default: 'lbfgs,adamw' },
    whole: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const dim = Number(flags.dim);
const classes = Array.from({ length: 10 }, (_, c) => `class ${c}`);
const graft = path.join(path.dirname(fileURLToPath(import.meta.url)), '../src/cli/index.js');

/** Noise around a centre for each class; a stretch of it is used again, as its drawing would take minutes. */
function drawFile(file: string, rows: number): void {
  const rng = createRng(1);
  const noise = Float32Array.from({ length: 2 ** 22 }, () => 3 * rng.normal());
  const centres = Float32Array.from({ length: classes.length * dim }, () => rng.normal());
  const header = JSON.stringify({
    __metadata__: { classes: JSON.stringify(classes) },
    features: { dtype: 'F32', shape: [rows, dim], data_offsets: [0, 4 * rows * dim] },
    labels: { dtype: 'I32', shape: [rows], data_offsets: [4 * rows * dim, 4 * rows * (dim + 1)] },
  });
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(padded.length));
  const out = openSync(file, 'w');
  writeSync(out, size);
  writeSync(out, padded);
  const block = new Float32Array(1024 * dim);
  const labels = Int32Array.from({ length: rows }, () => rng.integer(classes.length));
  for (let from = 0; from < rows; from += 1024) {
    const count = Math.min(1024, rows - from);
    for (let i = 0; i < count; i++) {
      const at = rng.integer(noise.length - dim);
      const centre = labels[from + i]! * dim;
      for (let d = 0; d < dim; d++) block[i * dim + d] = noise[at + d]! + centres[centre + d]!;
    }
    writeSync(out, new Uint8Array(block.buffer, 0, 4 * count * dim));
  }
  writeSync(out, new Uint8Array(labels.buffer));
  closeSync(out);
}

interface Figures {
  readonly mb: number;
  readonly solver: string;
  readonly isStreamed: boolean;
  readonly peakMb: number;
  readonly seconds: number;
  readonly accuracy: number;
  readonly objective: number;
  /** sha256 of the trained head's file. */
  readonly head: string;
}

const scratch = mkdtempSync(path.join(tmpdir(), 'graft-stream-'));
/** Tells the highest memory of the process at its end; loaded before the program. */
const meter = path.join(scratch, 'meter.mjs');
writeFileSync(
  meter,
  `import { writeFileSync } from 'node:fs';
import { peakMemory } from '${new URL('./peak-memory.js', import.meta.url).href}';
process.on('exit', () => writeFileSync(process.env.GRAFT_PEAK, String(peakMemory())));`,
);

function train(file: string, mb: number, solver: string, isStreamed: boolean): Figures {
  const peak = path.join(scratch, 'peak');
  const epochs = solver === 'lbfgs' ? [] : ['--epochs', '3', '--batch', '256'];
  const args = ['train', '--features', file, '--out', path.join(scratch, 'run'), '--no-resume', '--json'];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', meter, graft, ...args, '--solver', solver, ...epochs, ...(isStreamed ? ['--stream'] : [])],
    { encoding: 'utf8', env: { ...process.env, GRAFT_PEAK: peak } },
  );
  if (status !== 0) throw new Error(`graft ${args.join(' ')} failed: ${stderr}`);
  const { seconds, objective, validation } = JSON.parse(stdout) as {
    seconds: number;
    objective: number;
    validation: { accuracy: number };
  };
  const weights = readFileSync(path.join(scratch, 'run', 'head.safetensors'));
  const head = createHash('sha256').update(weights).digest('hex');
  const peakMb = Number(readFileSync(peak, 'utf8')) / 1e6;
  return { mb, solver, isStreamed, peakMb, seconds, accuracy: validation.accuracy, objective, head };
}

try {
  const found: Figures[] = [];
  for (const mb of flags.mb.split(',').map(Number)) {
    const file = path.join(scratch, 'features.safetensors');
    drawFile(file, Math.floor((mb * 1e6) / (4 * dim)));
    for (const solver of flags.solvers.split(',')) {
      for (const isStreamed of flags.whole ? [true, false] : [true]) {
        const figures = train(file, mb, solver, isStreamed);
        found.push(figures);
        if (!flags.json) {
          console.log(
            `${mb} MB, ${solver}, ${isStreamed ? 'streamed' : 'in memory'}: peak ${figures.peakMb.toFixed(0)} MB, ` +
              `fit ${figures.seconds.toFixed(1)} s, accuracy ${(100 * figures.accuracy).toFixed(2)} %, ` +
              `objective ${figures.objective.toPrecision(10)}, head ${figures.head.slice(0, 8)}`,
          );
        }
      }
      const [streamed, whole] = found.slice(flags.whole ? -2 : -1);
      if (whole && streamed!.head !== whole.head) {
        throw new Error(`${mb} MB, ${solver}: the head is not the same streamed and in memory.`);
      }
    }
  }
  if (flags.json) console.log(JSON.stringify(found));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
