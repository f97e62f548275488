/** A model as ONNX Runtime simplifies it: constants computed, batch normalisations and their like folded into weights. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { messageOf, unwritable } from '../errors.js';
import type { Model } from '../onnx/ir.js';
import { layOutModel } from '../onnx/lay-out-model.js';
import { readModel } from '../onnx/read-model.js';
import { openSession } from './open-session.js';

/**
 * Standard operators alone come of it, and inputs and outputs keep their names and types.
 * @throws GraftError INVALID_MODEL where ONNX Runtime does not take the model.
 */
export async function simplifyModel(model: Model): Promise<Model> {
  const folder = await mkdtemp(path.join(tmpdir(), 'graft-simple-')).catch((error: unknown) => {
    throw unwritable(tmpdir(), error);
  });
  try {
    const file = path.join(folder, 'model.onnx');
    const { source, release } = await layOutModel(model);
    const session = await openSession(source, { optimization: 'basic', optimizedFile: file })
      .catch((error: unknown) => {
        // What ONNX Runtime says where it cannot write what it made of the model.
        if (!/serialization failed/i.test(messageOf(error))) throw error;
        throw unwritable(
          tmpdir(),
          new Error('the disk is full; free some space there, or name another folder in TMPDIR'),
        );
      })
      .finally(release);
    await session.release();
    const { graph, opsets } = await readModel(file);
    // The runtime names all operator sets that it knows.
    const used = new Set(['', ...graph.nodes.map(({ domain }) => domain)]);
    return {
      ...model,
      graph: { ...graph, inputs: model.graph.inputs, outputs: model.graph.outputs },
      opsets: new Map([...opsets].filter(([domain]) => used.has(domain))),
      functions: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
