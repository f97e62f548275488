/** A file that `graft export` wrote, as what it makes of prepared pixels or tokens. */
import { boundLoops } from '../graph/bound-loops.js';
import { removeUnused } from '../graph/remove-unused.js';
import { type Model, tensorValue, type ValueInfo } from '../onnx/ir.js';
import { layOutModel, type ModelLayout } from '../onnx/lay-out-model.js';
import { readModel } from '../onnx/read-model.js';
import { encodedLength } from '../onnx/write-model.js';
import { assertAnswers } from './assert-answers.js';
import { explainBackboneName } from './explain-backbone-name.js';
import { exampleDims } from './input-spec.js';
import { modelInFolder } from './model-in-folder.js';
import { type ModelMetadata, preparedValue, readMetadata } from './model-metadata.js';

export interface ExportedFile {
  /** Takes what the metadata's input says. */
  readonly model: Model;
  readonly metadata: ModelMetadata;
  /** What a runtime opens it from: the file itself, where the model is all of it. @throws as `layOutModel` */
  layOut(): Promise<ModelLayout>;
}

/**
 * A file that prepares pixels itself is taken from the prepared ones on: decoding and preparing overlap with the model then, on examples of
 * any sizes at once. That both ways agree is what the verification saw. Loops end, by a failure that names them, where they would go on forever.
 * @param named - its path, or that of a folder that it is the model of
 * @throws GraftError where the file is missing, no ONNX, or not exported by Graft; UNSUPPORTED_MODEL as `boundLoops`
 */
export async function readExported(named: string): Promise<ExportedFile> {
  const { path, model: whole } = await readNamed(named);
  const metadata = readMetadata(whole, path);
  assertAnswers(whole, metadata, path);
  const prepared = preparedValue(whole, path);
  const taken = prepared !== undefined && metadata.input.kind === 'pixels';
  const inner = taken ? takingPrepared(whole, prepared, metadata) : whole;
  const model = boundLoops(inner);
  const layOut = async (): Promise<ModelLayout> =>
    model === whole
      ? { source: path, sizeBytes: encodedLength(model), release: async () => {} }
      : layOutModel(model);
  if (!taken) return { model, metadata, layOut };
  return { model, metadata: { ...metadata, input: { ...metadata.input, name: prepared } }, layOut };
}

/**
 * The model in a file, or of a folder, that `graft export` is said to have written.
 * @throws GraftError FILE_NOT_FOUND, FILE_UNREADABLE, INVALID_MODEL; UNSUPPORTED_MODEL for the name of a backbone
 */
export async function readNamed(named: string): Promise<{ readonly path: string; readonly model: Model }> {
  const path = await modelInFolder(named);
  return { path, model: await readModel(path).catch(explainBackboneName(path)) };
}

function takingPrepared(model: Model, prepared: string, { input }: ModelMetadata): Model {
  const [, ...dims] = exampleDims(input).values().next().value!;
  const [pixels] = model.graph.inputs;
  const batch = pixels?.type?.kind === 'tensor' ? (pixels.type.shape?.[0] ?? null) : null;
  return takingAt(model, tensorValue(prepared, 'float32', [batch, ...dims]));
}

/** The model from a value on, which becomes its input in place of those that it was computed from. */
function takingAt(model: Model, value: ValueInfo): Model {
  const { graph } = model;
  const nodes = graph.nodes.filter(({ outputs }) => !outputs.includes(value.name));
  return { ...model, graph: removeUnused({ ...graph, inputs: [value], nodes }) };
}
