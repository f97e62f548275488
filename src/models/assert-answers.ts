import { GraftError } from '../errors.js';
import type { Model } from '../onnx/ir.js';
import { taskOf } from '../tasks/task-of.js';
import { formatShape } from '../tensor/shape.js';
import type { HeadMetadata } from './model-metadata.js';

/**
 * That a file gives what its metadata says, one number a label: else names would go with the numbers of others.
 * @param where - what the file is called
 * @throws GraftError INVALID_MODEL
 */
export function assertAnswers({ graph }: Model, { labels, task }: HeadMetadata, where: string): void {
  const { outputs: wanted } = taskOf(task).outputNames;
  const output = graph.outputs.find(({ name }) => name === wanted);
  const shape = output?.type?.kind === 'tensor' ? output.type.shape : undefined;
  const count = shape?.at(-1);
  if (output && (typeof count !== 'number' || count === labels.length)) return;
  const given = output
    ? `its ${wanted} are ${formatShape(shape!)}`
    : `its outputs are ${graph.outputs.map(({ name }) => name).join(', ') || 'none'}`;
  throw new GraftError(
    'INVALID_MODEL',
    `Expected ${where} to give ${wanted} [batch,${labels.length}], as its graft.labels and graft.task say, but ${given}; export it again.`,
  );
}
