import { defineCommand } from '../define-command.js';
import { formatTable } from '../output.js';

export const inspectCommand = defineCommand<Record<never, never>, { model: string }>({
  command: 'inspect <model>',
  describe: 'Show what a model holds and which layers a head may stand on',
  options: {},
  positionals: { model: { type: 'string', demandOption: true, describe: 'ONNX file' } },
  example: ['inspect resnet50.onnx', 'inputs, outputs and candidate feature layers'],
  async run({ model }, output) {
    const { inspectModel } = await import('../../pipeline/inspect-model.js');
    const { formatShape } = await import('../../tensor/shape.js');
    const report = await inspectModel(model);
    const values = (kind: 'inputs' | 'outputs') =>
      report[kind].map(({ name, dtype, shape }) => [
        kind.slice(0, -1),
        name,
        `${dtype} ${formatShape(shape)}`,
      ]);
    const layers = report.featureLayers.map((layer) => [
      layer.recommended ? '*' : '',
      layer.name,
      formatShape(layer.shape),
      layer.dim,
      layer.parametersAfter,
      layer.reason,
    ]);
    const opsets = Object.entries(report.opsets).map(([domain, version]) => `${domain} ${version}`);
    const text = [
      `${report.model}: ${report.parameters} parameters, opsets ${opsets.join(', ')}`,
      formatTable([...values('inputs'), ...values('outputs')]),
      formatTable([['', 'feature layer', 'shape', 'dim', 'parameters after', 'why'], ...layers]),
      '* is taken where no --layer is given.',
    ];
    output.result(report, text.join('\n\n'));
  },
});
