import type { Options } from 'yargs';
import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { integer, positive, positiveInteger } from '../numeric-options.js';
import { refuseIdle } from '../refuse-idle.js';
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
    describe: 'Values separated by commas; all: every float initializer that reaches the loss',
  },
  out: { type: 'string', requiresArg: true, describe: 'ONNX file to write' },
  'input-shape': {
    type: 'string',
    requiresArg: true,
    // Given several times, it names an input each time.
    coerce: (given?: string | readonly string[]) => (typeof given === 'object' ? given.join(' ') : given),
    describe: 'Shapes of inputs with free dimensions, for the trial run: "x=2,3,224,224 y=2,7"',
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
    isGiven,
  ) {
    refuseIdle(isGiven, { samples: 'check', tolerance: 'check', seed: 'check' });
    if (out === undefined && !check)
      throw new GraftError('USAGE', 'Say where to write the model with --out, or ask for --check.');
    const inputShapes = parseShapes(shapes);
    const { writeGradients } = await import('../../pipeline/write-gradients.js');
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
    const { assertGradientsAgree, describeGradients } = await import('../describe-gradients.js');
    assertGradientsAgree(report, tolerance!);
    output.result(report, describeGradients(report, out));
  },
});

/** `x=2,3,224,224 y=2,7` */
function parseShapes(text: string | undefined): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const part of text?.split(/[\s;]+/).filter(Boolean) ?? []) {
    const [, name, sizes] = /^(.+)=(\d+(?:[,x]\d+)*)$/.exec(part) ?? [];
    const dims = sizes?.split(/[,x]/).map(Number);
    if (name === undefined || !dims?.every(Number.isSafeInteger))
      throw new GraftError('USAGE', `Expected NAME=2,3,224,224 for --input-shape but received "${part}".`);
    shapes.set(name, dims);
  }
  return shapes;
}
