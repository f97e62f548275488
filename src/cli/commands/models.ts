import { GraftError } from '../../errors.js';
import { defineCommand } from '../define-command.js';
import { formatBytes, formatTable } from '../format-text.js';
import { cacheFolderOption } from '../shared-options.js';

const listCommand = defineCommand({
  command: 'ls',
  describe: 'List the backbones that go by name',
  options: {},
  example: ['models ls', 'names, licences, descriptions'],
  async run(_, output) {
    const { listCatalogue } = await import('../../models/catalogue.js');
    const entries = listCatalogue();
    const rows = entries.map(({ name, licence, description }) => [name, licence, description]);
    output.result(entries, formatTable([['name', 'licence', 'description'], ...rows]));
  },
});

const getCommand = defineCommand<typeof cacheFolderOption, { name: string }>({
  command: 'get <name>',
  describe: 'Fetch a backbone into the cache folder, for machines that are offline later',
  options: cacheFolderOption,
  positionals: { name: { type: 'string', describe: 'Name of the catalogue, or hf:owner/repo' } },
  example: ['models get hf:onnx-community/dinov2-small', 'its ONNX file and preprocessing'],
  async run(args, output) {
    const { getModel } = await import('../../pipeline/get-model.js');
    const onProgress = await output.progress('download', 'B');
    const report = await getModel(args, { ...output, onProgress });
    output.result(report, `${report.path}\n${formatBytes(report.bytes)}, sha256 ${report.sha256}`);
  },
});

export const modelsCommand = defineCommand({
  command: 'models',
  describe: 'The catalogue of backbones',
  options: {},
  subcommands: [listCommand, getCommand],
  example: ['models ls', 'the backbones that go by name'],
  run() {
    throw new GraftError('USAGE', 'Say what to do with the catalogue: ls or get NAME.');
  },
});
