/** A trained head as a safetensors file, readable from Python. */
import { GraftError, messageOf } from '../errors.js';
import { decodeSafetensors, encodeSafetensors } from '../tensor/safetensors.js';
import type { TaskKind } from '../tasks/task.js';
import { taskKinds } from '../tasks/task-of.js';
import { buildHead, shapeOfHead } from './build-head.js';
import { activations, headKinds, type HeadSpec, type TrainedHead } from './head.js';

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
    const spec = parseSpec(metadata.spec);
    const classes: unknown = JSON.parse(metadata.classes ?? 'null');
    if (!Array.isArray(classes) || !classes.every((name) => typeof name === 'string'))
      throw new Error(`classes should be a list of texts but is ${metadata.classes}`);
    const dim = Number(metadata.dim);
    if (!Number.isSafeInteger(dim) || dim < 1)
      throw new Error(`dim should be a whole number above 0 but is ${metadata.dim}`);
    const head: TrainedHead = {
      spec,
      task,
      dim,
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

/** @throws Error naming the field that is not as heads have it */
function parseSpec(text = 'null'): HeadSpec {
  const fields = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
  const refuse = (what: string): never => {
    throw new Error(`${what} but spec is ${text}`);
  };
  const isOneOf = (name: string, known: readonly string[]): void => {
    if (!known.includes(fields?.[name] as string))
      refuse(`the ${name} of head should be one of ${known.join(', ')}`);
  };
  isOneOf('kind', headKinds);
  const { kind, hidden, dropout, scale } = fields!;
  if (kind === 'mlp') {
    isOneOf('activation', activations);
    // Their values are the head's own to judge.
    if (!Array.isArray(hidden)) refuse('hidden should be a list of widths');
    if (typeof dropout !== 'number') refuse('dropout should be a number');
  }
  if (kind === 'cosine' && typeof scale !== 'number') refuse('scale should be a number');
  return fields as unknown as HeadSpec;
}
