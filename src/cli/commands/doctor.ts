import { defineCommand } from '../define-command.js';
import { formatTable } from '../format-text.js';

export const doctorCommand = defineCommand({
  command: 'doctor',
  describe: 'Show the devices, libraries and versions of this machine',
  options: {},
  example: ['doctor', 'what runs on this machine, and what is missing'],
  async run(_, output) {
    const { examineMachine } = await import('../../pipeline/examine-machine.js');
    const report = await examineMachine();
    const facts = [
      ['platform', report.platform],
      ['cores', String(report.cores)],
      ['memory', `${(report.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
      ...Object.entries(report.versions),
      ['cache', report.cacheFolder ?? 'none: there is no home folder; name one with $GRAFT_CACHE'],
    ];
    const devices = report.providers.map(({ name, available, reason }) => [
      name,
      available ? 'yes' : 'no',
      reason,
    ]);
    output.result(report, `${formatTable(facts)}\n\n${formatTable([['device', 'runs', 'why'], ...devices])}`);
  },
});
