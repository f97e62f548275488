import { defineCommand } from '../define-command.js';
import { describeExport } from './export.js';
import { describeTraining, trainFlags, trainOptions } from './train.js';

export const runCommand = defineCommand({
  command: 'run',
  describe: 'Everything: cache, train, export, verify, report',
  options: trainFlags,
  example: ['run --backbone model.onnx --data photos --out runs/a', 'photos in, runs/a/model.onnx out'],
  async run(args, output) {
    const { runAll } = await import('../../pipeline/run-all.js');
    const onProgress = await output.progress('features', 'images');
    const report = await runAll(await trainOptions(args), { ...output, onProgress });
    output.result(report, `${describeTraining(report)}\n${describeExport(report)}\n${report.report}`);
  },
});
