/** A file that `graft export` wrote, as what it makes of prepared pixels or tokens. */
import { removeUnused } from '../graph/remove-unused.js';
import { type Model, tensorValue, type ValueInfo } from '../onnx/ir.js';
import { readModel } from '../onnx/read-model.js';
import { encodeModel } from '../onnx/write-model.js';
import { explainBackboneName } from './explain-backbone-name.js';
import { exampleDims } from './input-spec.js';
import { modelInFolder } from './model-in-folder.js';
import { type ModelMetadata, preparedValue, readMetadata } from './model-metadata.js';

export interface ExportedFile {
  /** Takes what the metadata's input says. */
  readonly model: Model;
  readonly metadata: ModelMetadata;
  /** What a runtime opens it from: the path, or bytes where the model is not all of the file. */
  readonly source: string | Uint8Array;
}

/**
 * A file that prepares pixels itself is taken from the prepared ones on: decoding and preparing overlap with the model then, on examples of
 * any sizes at once. That both ways agree is what the verification saw.
 * @param named - its path, or that of a folder that it is the model of
 * @throws GraftError where the file is missing, no ONNX, or not exported by Graft
 */
export async function readExported(named: string): Promise<ExportedFile> {
  const path = await modelInFolder(named);
  const model = await readModel(path).catch(explainBackboneName(path));
  const metadata = readMetadata(model, path);
  const prepared = preparedValue(model, path);
  if (prepared === undefined || metadata.input.kind !== 'pixels') return { model, metadata, source: path };
  const [, ...dims] = exampleDims(metadata.input).get(metadata.input.name)!;
  const [pixels] = model.graph.inputs;
  const batch = pixels?.type?.kind === 'tensor' ? (pixels.type.shape?.[0] ?? null) : null;
  const inner = takingAt(model, tensorValue(prepared, 'float32', [batch, ...dims]));
  return {
    model: inner,
    metadata: { ...metadata, input: { ...metadata.input, name: prepared } },
    source: encodeModel(inner),
  };
}

/** The model from a value on, which becomes its input in place of those that it was computed from. */
function takingAt(model: Model, value: ValueInfo): Model {
  const { graph } = model;
  const nodes = graph.nodes.filter(({ outputs }) => !outputs.includes(value.name));
  return { ...model, graph: removeUnused({ ...graph, inputs: [value], nodes }) };
}
