import { defineCommand } from '../define-command.js';
import { formatBytes } from '../format-text.js';

export const reportCommand = defineCommand<Record<string, never>, { readonly run: string }>({
  command: 'report <run>',
  describe: 'Write report.html of a run: curves, confusion, calibration, examples',
  options: {},
  positionals: { run: { type: 'string', demandOption: true, describe: 'Run folder that graft train wrote' } },
  example: ['report runs/a', 'runs/a/report.html, one file'],
  async run({ run }, output) {
    const { reportRun } = await import('../../pipeline/report-run.js');
    const report = await reportRun({ run });
    output.result(report, `${report.report}  ${formatBytes(report.bytes)}`);
  },
});
