import type { Options } from 'yargs';
import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { formatTable } from '../format-text.js';
import { integer, positive, positiveInteger } from '../numeric-options.js';
import { cacheFolderOption, modelPositional } from '../shared-options.js';

const options = {
  loss: {
    type: 'string',
    requiresArg: true,
    describe: 'Value to differentiate; its sum where it is not a scalar [default: the only output]',
  },
  wrt: {
    type: 'string',
    requiresArg: true,
    default: 'all',
    describe: 'Values, with commas between them; all: every float initializer that reaches the loss',
  },
  out: { type: 'string', requiresArg: true, describe: 'ONNX file to write' },
  'input-shape': {
    type: 'string',
    requiresArg: true,
    describe: 'Shapes of inputs with free dimensions, for the trial run: x=2,3,224,224 y=2,7',
  },
  check: { type: 'boolean', default: false, describe: 'Compare with finite differences in float64' },
  samples: {
    ...positiveInteger('samples'),
    describe:
      'Elements of each parameter to compare, however long it takes [default: what a minute allows, up to 8]',
  },
  tolerance: { ...positive('tolerance'), default: 1e-3, describe: 'Largest relative error of --check' },
  seed: { ...integer('seed'), default: 1, describe: 'Seed of the inputs of --check' },
  ...cacheFolderOption,
} as const satisfies Record<string, Options>;

export const gradientCommand = defineCommand<typeof options, { model: string }>({
  command: 'gradient <model>',
  describe: 'Write a model with the gradients of a loss as further outputs',
  options,
  positionals: modelPositional,
  example: [
    'gradient net.onnx --loss loss --wrt fc.weight,fc.bias --out net-with-gradients.onnx',
    'adds the outputs grad/fc.weight and grad/fc.bias',
  ],
  async run(
    { model, loss, wrt, out, 'input-shape': shapes, check, samples, tolerance, seed, cache },
    output,
  ) {
    if (out === undefined && !check)
      throw new GraftError('USAGE', 'Say where to write the model with --out, or ask for --check.');
    const inputShapes = parseShapes(shapes);
    const { writeGradients } = await import('../../pipeline/write-gradients.js');
    const { formatShape } = await import('../../tensor/shape.js');
    const { splitList } = await import('../../split-list.js');
    const onProgress = await output.progress('download', 'B');
    const report = await writeGradients(
      {
        model,
        wrt: wrt === 'all' ? wrt : splitList('wrt', wrt),
        inputShapes,
        check,
        cache,
        tolerance: tolerance!,
        ...(samples !== undefined && { samples }),
        seed: seed!,
        ...(loss !== undefined && { loss }),
        ...(out !== undefined && { out }),
      },
      { ...output, onProgress },
    );
    const checked = report.check?.filter(({ compared, kinks: onKinks }) => compared + onKinks > 0);
    const rows = checked?.map(({ name, shape, compared, analytic, numeric, maxRelativeError }) => [
      name,
      formatShape(shape),
      compared,
      analytic.toPrecision(6),
      numeric.toPrecision(6),
      maxRelativeError.toExponential(1),
    ]);
    const table = rows
      ? formatTable([
          ['parameter', 'shape', 'compared', 'analytic', 'numeric', 'max relative error'],
          ...rows,
        ])
      : formatTable(report.gradients.map(({ output: name, shape }) => [name, formatShape(shape)]));
    const wrong = report.check?.filter(({ maxRelativeError }) => !(maxRelativeError <= tolerance!)) ?? [];
    const { checkTogether: together } = report;
    const along = together
      ? `along one random direction the slope is ${together.analytic.toPrecision(6)} by the gradients and ${together.numeric.toPrecision(6)} by the difference, relative error ${together.relativeError.toExponential(1)}`
      : 'not compared along one random direction, which leads over kinks';
    if (wrong.length === 0 && together && !(together.relativeError <= tolerance!)) {
      const names = together.suspects.join(', ') || 'none by itself';
      throw new GraftError(
        'VERIFICATION_FAILED',
        `All ${together.parameters} gradients together are further than ${tolerance} from finite differences: ${along}. Suspected: ${names}.\n${table}`,
      );
    }
    if (wrong.length > 0) {
      throw new GraftError(
        'VERIFICATION_FAILED',
        `${wrong.length} of ${checked?.length} gradients are further than ${tolerance} from finite differences:\n${table}`,
      );
    }
    const kinks = report.check?.reduce((total, row) => total + row.kinks, 0) ?? 0;
    const note = `${kinks} more lay on a kink (of Relu, MaxPool or the like), where there is no one slope.`;
    const count = report.gradients.length;
    const sample = checked
      ? `; ${together ? (together.parameters === count ? 'all of them' : `${together.parameters} of them, without scalars,`) : 'all of them'} together: ${along}; by elements: ${checked.length === count ? 'all' : `${checked.length}, chosen at random, as the time was over (--samples 1 takes all)`}`
      : '';
    const summary = `${count} gradients of ${report.loss}${sample}`;
    output.result(
      report,
      [out ? `${out}: ${summary}` : summary, table, ...(kinks > 0 ? [note] : [])].join('\n\n'),
    );
  },
});

/** `x=2,3,224,224 y=2,7` */
function parseShapes(text: string | undefined): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const part of text?.split(/[\s;]+/).filter(Boolean) ?? []) {
    const at = part.lastIndexOf('=');
    const dims = part.slice(at + 1).split(/[,x]/).map(Number); // prettier-ignore
    if (at < 1 || dims.some((dim) => !Number.isSafeInteger(dim) || dim < 0))
      throw new GraftError('USAGE', `Expected NAME=2,3,224,224 for --input-shape but received "${part}".`);
    shapes.set(part.slice(0, at), dims);
  }
  return shapes;
}
