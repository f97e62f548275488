/** A trained head as a safetensors file, readable from Python. */
import { GraftError, messageOf } from '../errors.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskKinds } from '../tasks/task-of.js';
import { buildHead, shapeOfHead } from './build-head.js';
import { headKinds, type HeadSpec, type TrainedHead } from './head.js';

export function encodeHead({ spec, task, dim, classes, parameters, temperature }: TrainedHead): Uint8Array {
  return encodeSafetensors(parameters, {
    spec: JSON.stringify(spec),
    task,
    dim: String(dim),
    classes: JSON.stringify(classes),
    ...(temperature !== undefined && { temperature: String(temperature) }),
  });
}

/** @throws GraftError FILE_UNREADABLE where the file is damaged or holds no head. */
export function decodeHead(bytes: Uint8Array, where: string): TrainedHead {
  const { tensors, metadata } = decodeSafetensors(bytes, where);
  try {
    const task = metadata.task as TaskKind;
    if (!taskKinds.includes(task))
      throw new Error(`task should be one of ${taskKinds.join(', ')} but is ${task}`);
    const spec = JSON.parse(metadata.spec ?? 'null') as HeadSpec | null;
    if (spec === null || !headKinds.includes(spec.kind))
      throw new Error(
        `the kind of head should be one of ${headKinds.join(', ')} but spec is ${metadata.spec}`,
      );
    const classes: unknown = JSON.parse(metadata.classes ?? 'null');
    if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string'))
      throw new Error(`classes should be a list of texts but is ${metadata.classes}`);
    const head: TrainedHead = {
      spec,
      task,
      dim: Number(metadata.dim),
      classes,
      parameters: tensors,
      ...(metadata.temperature !== undefined && { temperature: Number(metadata.temperature) }),
    };
    const { temperature = 1 } = head;
    if (!(temperature > 0 && Number.isFinite(temperature)))
      throw new Error(`temperature should be a number above 0 but is ${metadata.temperature}`);
    for (const [name, dims] of buildHead(head.spec, shapeOfHead(head)).kept) {
      const found = tensors.get(name)?.dims;
      if (String(found) !== String(dims))
        throw new Error(`${name} should have the shape [${dims}] but has [${found}]`);
    }
    return head;
  } catch (error) {
    throw new GraftError(
      'FILE_UNREADABLE',
      `${where} holds no trained head: ${messageOf(error).replace(/\.$/, '')}.`,
      {
        cause: error,
      },
    );
  }
}
