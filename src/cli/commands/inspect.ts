import type { Options } from 'yargs';
import type { FeatureLayer } from '../../graph/feature-layers.js';
import type { Inspection } from '../../pipeline/inspect-model.js';
import { defineCommand } from '../define-command.js';
import { formatTable } from '../format-text.js';
import { cacheFolderOption, modelPositional } from '../shared-options.js';

const options = {
  svg: { type: 'string', requiresArg: true, describe: 'File to draw the blocks into' },
  all: { type: 'boolean', default: false, describe: 'List all layers' },
  ...cacheFolderOption,
} as const satisfies Record<string, Options>;

export const inspectCommand = defineCommand<typeof options, { model: string }>({
  command: 'inspect <model>',
  describe: 'Show the inputs, outputs and possible feature layers of a model',
  options,
  positionals: modelPositional,
  example: ['inspect resnet50.onnx --svg resnet50.svg', 'inputs, outputs and candidate feature layers'],
  async run({ model, svg, all, cache }, output) {
    const { inspectModel } = await import('../../pipeline/inspect-model.js');
    const { formatShape } = await import('../../tensor/shape.js');
    const onProgress = await output.progress('download', 'B');
    const report = await inspectModel(model, { svg, cache }, { ...output, onProgress });
    if (report.problem) output.logger.warn(`No layers were looked for: ${report.problem}`);
    output.result(report, describeReport(report, formatShape, all ? Number.POSITIVE_INFINITY : mostLayers));
  },
});

type FormatShape = (dims: readonly (number | string | null)[]) => string;

/** Layers in the table, the last ones; --all and --json have them all. */
const mostLayers = 14;

function describeReport(report: Inspection, formatShape: FormatShape, limit: number): string {
  const { inputs, outputs, states, featureLayers, opsets, parameters, nodes } = report;
  const values = (kind: string, list: Inspection['inputs']) => [
    ...list.slice(0, 8).map(({ name, dtype, shape }) => [kind, name, `${dtype} ${formatShape(shape)}`]),
    ...(list.length > 8 ? [[kind, `and ${list.length - 8} more`]] : []),
  ];
  const versions = Object.entries(opsets).map(([domain, version]) => `${domain} ${version}`);
  const title = `${report.model}: ${nodes} nodes, ${parameters.toLocaleString('en')} parameters, opset ${versions.join(', ')}`;
  const sections = [title, formatTable([...values('input', inputs), ...values('output', outputs)])];
  if (states.length > 0) {
    sections.push(
      `${states.join(', ')} ${states.length === 1 ? 'carries' : 'carry'} a state from run to run: features are taken with none, as at the start of a sequence.`,
    );
  }
  if (featureLayers.length > 0) {
    const shown = featureLayers.slice(Math.max(0, featureLayers.length - limit));
    const left = featureLayers.length - shown.length;
    sections.push(
      formatTable([
        ['', 'feature layer', 'shape', 'features', 'parameters after', 'tunable', 'what it is'],
        ...shown.map((layer) => [
          layer.recommended ? '*' : '',
          layer.name,
          formatShape(layer.shape),
          layer.pool === 'none' ? String(layer.dim) : `${layer.dim} by ${layer.pool}`,
          layer.parametersAfter.toLocaleString('en'),
          layer.trainableFromHere ? 'yes' : 'no',
          layer.reason,
        ]),
      ]) + (left > 0 ? `\n   and ${left} earlier ones: --all lists them` : ''),
      recommendation(featureLayers, formatShape),
    );
  } else if (!report.problem) {
    sections.push(`No feature layer was recognised. ${report.obstacle} Name a tensor with --layer.`);
  }
  if (report.svg) sections.push(`The blocks are drawn in ${report.svg}.`);
  return sections.join('\n\n');
}

function recommendation(layers: readonly FeatureLayer[], formatShape: FormatShape): string {
  const layer = layers.find(({ recommended }) => recommended);
  if (!layer) return 'None is recommended: name one with --layer.';
  const { name, shape, pool, dim, reason } = layer;
  const pooled = pool === 'none' ? 'taken as it is' : `pooled by ${pool} unless --pool says otherwise`;
  return `* ${name} ${formatShape(shape)} is used where no --layer is given: ${reason}; ${pooled}, ${dim} features.`;
}
