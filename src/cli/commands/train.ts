import type { TrainReport } from '../../pipeline/train-run.js';
import { defineCommand } from '../define-command.js';
import { formatSeconds, formatShare } from '../output.js';
import {
  backboneOptions,
  cacheOptions,
  dataOptions,
  deviceOptions,
  outOption,
  trainingOptions,
} from '../shared-options.js';

/** The flags of `train` and `run`. */
export const trainFlags = {
  ...backboneOptions,
  ...dataOptions,
  ...outOption,
  ...trainingOptions,
  ...cacheOptions,
  ...deviceOptions,
} as const;

export const trainCommand = defineCommand({
  command: 'train',
  describe: 'Cache what is missing, train a head, write the run folder',
  options: trainFlags,
  example: ['train --backbone model.onnx --data photos --out runs/a', 'a linear head'],
  async run(args, output) {
    const { trainRun } = await import('../../pipeline/train-run.js');
    const onProgress = await output.progress('features', 'images');
    const { report, cache } = await trainRun(args, { ...output, onProgress });
    output.result({ ...report, cache }, describeTraining(report));
  },
});

/** The result in a few lines. */
export function describeTraining(report: TrainReport): string {
  const { train, validation, examples } = report;
  const lines = [
    `${report.classes.length} classes, trained on ${examples.train} examples in ${formatSeconds(report.seconds)} (${report.stoppedAt} epochs)`,
    `train       accuracy ${formatShare(train.accuracy)}  loss ${train.loss.toFixed(4)}`,
  ];
  if (validation) {
    lines.push(
      `validation  accuracy ${formatShare(validation.accuracy)}  loss ${validation.loss.toFixed(4)}  ` +
        `macro F1 ${formatShare(validation.macroF1)}  (${examples.validation} examples)`,
    );
  }
  if (report.headAlone?.validation) {
    const { accuracy, loss } = report.headAlone.validation;
    lines.push(
      `head alone  accuracy ${formatShare(accuracy)}  loss ${loss.toFixed(4)}  before the layers moved`,
    );
  }
  return [...lines, report.run].join('\n');
}
