import { defineCommand } from '../define-command.js';
import { formatShare, formatTable } from '../output.js';
import { deviceOptions, modelOption, onErrorOption } from '../shared-options.js';

const options = { ...modelOption, ...onErrorOption, ...deviceOptions } as const;

export const predictCommand = defineCommand<typeof options, { inputs: string[] }>({
  command: 'predict <inputs..>',
  describe: 'Label images or folders of images',
  options,
  positionals: {
    inputs: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'Images or folders; - reads paths from stdin',
    },
  },
  example: ['predict --model model.onnx photo.jpg', 'the label and its probability'],
  async run(args, output) {
    const { predictInputs } = await import('../../pipeline/predict-inputs.js');
    const inputs = (await Promise.all(args.inputs.map(expandStdin))).flat();
    const onProgress = await output.progress('images', 'images');
    const predictions = await predictInputs({ ...args, inputs }, { ...output, onProgress });
    const rows = predictions.map(({ input, label, score, values }) =>
      values
        ? [input, ...Object.entries(values).map(([name, value]) => `${name} ${value.toPrecision(5)}`)]
        : [input, label === '' ? '(none)' : label!, formatShare(score!)],
    );
    output.result(predictions, formatTable(rows));
  },
});

/** `-` stands for the lines of stdin. */
async function expandStdin(input: string): Promise<string[]> {
  if (input !== '-') return [input];
  const { text } = await import('node:stream/consumers');
  return (await text(process.stdin)).split(/\r?\n/).filter((line) => line !== '');
}
