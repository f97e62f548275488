import { defineCommand } from '../define-command.js';
import { formatShare, formatTable } from '../output.js';
import { isStandardInput } from '../standard-input.js';
import { deviceOptions, modelOption, onErrorOption } from '../shared-options.js';

const options = { ...modelOption, ...onErrorOption, ...deviceOptions } as const;

export const predictCommand = defineCommand<typeof options, { inputs: string[] }>({
  command: 'predict <inputs..>',
  describe: 'Label images, texts, or folders of them',
  options,
  positionals: {
    inputs: {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'Images, texts (quoted, or .txt files), folders; - reads lines: paths, or texts',
    },
  },
  example: [
    'predict --model model.onnx photo.jpg',
    'the label (of texts: "where is my card?", or - for lines)',
  ],
  async run(args, output) {
    const { predictInputs } = await import('../../pipeline/predict-inputs.js');
    const inputs = args.inputs.map((input) => (isStandardInput(input) ? '-' : input));
    const onProgress = await output.progress('inputs', 'examples');
    const predictions = await predictInputs({ ...args, inputs, readLines }, { ...output, onProgress });
    const rows = predictions.map(({ input, label, score, values }) =>
      values
        ? [
            shorten(input),
            ...Object.entries(values).map(([name, value]) => `${name} ${value.toPrecision(5)}`),
          ]
        : [shorten(input), label === '' ? '(none)' : label!, formatShare(score!)],
    );
    output.result(predictions, formatTable(rows));
  },
});

/** An input may be a whole text. */
function shorten(input: string): string {
  const line = input.replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

/** Of stdin, without empty ones. */
async function readLines(): Promise<string[]> {
  const { text } = await import('node:stream/consumers');
  return (await text(process.stdin)).split(/\r?\n/).filter((line) => line.trim() !== '');
}
