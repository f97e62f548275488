import type { TrainReport } from '../../pipeline/train-run.js';
import { defineCommand } from '../define-command.js';
import { describeScore } from '../../tasks/describe-score.js';
import { formatSeconds } from '../output.js';
import {
  backboneOptions,
  cacheOptions,
  dataOptions,
  deviceOptions,
  outOption,
  trainingOptions,
  viewOptions,
} from '../shared-options.js';

/** The flags of `train` and `run`. */
export const trainFlags = {
  ...backboneOptions,
  ...dataOptions,
  ...outOption,
  ...trainingOptions,
  ...viewOptions,
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
    `train       ${describeScore(train)}`,
  ];
  if (validation) {
    lines.push(`validation  ${describeScore(validation)}  (${examples.validation} examples)`);
  }
  if (report.headAlone?.validation) {
    lines.push(`head alone  ${describeScore(report.headAlone.validation)}  before the layers moved`);
  }
  return [...lines, report.run].join('\n');
}
