import { defineCommand } from '../define-command.js';
import { formatTable } from '../output.js';

export const modelsCommand = defineCommand<Record<never, never>, { action: string }>({
  command: 'models <action>',
  describe: 'The catalogue of backbones',
  options: {},
  positionals: { action: { choices: ['ls'], describe: 'ls: list the backbones that go by name' } },
  example: ['models ls', 'the backbones that go by name'],
  async run(_, output) {
    const { listCatalogue } = await import('../../models/catalogue.js');
    const entries = await listCatalogue();
    const rows = entries.map(({ name, licence, description }) => [name, licence, description]);
    output.result(entries, formatTable([['name', 'licence', 'description'], ...rows]));
  },
});
