/** `graft serve`: a local page that runs an exported model in the browser. */
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { InputSpec } from '../models/input-spec.js';
import { readExported } from '../models/read-exported.js';
import type { Model } from '../onnx/ir.js';
import { encodeModel } from '../onnx/write-model.js';
import { pageStyle } from '../report/page-style.js';
import { webRuntimeFiles } from '../runtime/web-runtime-files.js';
import { type FileServer, openFileServer, type ServedFile } from '../serve/file-server.js';
import { modelPage, pageIcon } from '../serve/model-page.js';
import { modelPageStyle } from '../serve/model-page-style.js';
import { pageModules } from '../serve/page-modules.js';
import type { ServedInput, ServedModel } from '../serve/served-model.js';
import { taskOf } from '../tasks/task-of.js';
import { tokenizerLibrary } from '../text/tokenizer-library.js';
import { checkOptions } from './check-options.js';

export interface ServeOptions {
  readonly model: string;
  /** Default 127.0.0.1: only this machine. */
  readonly host?: string | undefined;
  /** Default 0: any that is free. */
  readonly port?: number | undefined;
}

export type ModelServer = FileServer & ServedModel;

/**
 * Starts the server; the model is read once, so a file that is replaced meanwhile changes nothing.
 * @throws GraftError where the file is missing, no ONNX, or not exported by Graft; ADDRESS_UNAVAILABLE.
 */
export async function serveModel(options: ServeOptions): Promise<ModelServer> {
  checkOptions(options, ['model']);
  const { model: file, host, port } = options;
  const { model, metadata } = await readExported(file);
  const { labels, task, input } = metadata;
  const bytes = encodeWhole(model, file);
  const served: ServedModel = {
    name: path.basename(path.resolve(file)),
    sizeBytes: bytes.length,
    task,
    labels,
    input: describeInput(input),
    output: taskOf(task).outputNames.outputs,
  };
  const server = await openFileServer(pageFiles(served, bytes, input), {
    host: host ?? '127.0.0.1',
    port: port ?? 0,
  });
  return { ...served, ...server };
}

/** With the weights of side files inside: a page has one download. */
function encodeWhole(model: Model, file: string): Uint8Array {
  try {
    return encodeModel(model);
  } catch (error) {
    if (!(error instanceof GraftError) || error.code !== 'UNSUPPORTED_MODEL') throw error;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} has more than 2 GiB of weights, which no browser loads; graft predict runs it.`,
      { cause: error },
    );
  }
}

function describeInput(input: InputSpec): ServedInput {
  if (input.kind === 'pixels') return { kind: 'image', preprocess: input.preprocess };
  const { kind, maxLength, padId, inputs, takesPairs } = input;
  return { kind: 'text', tokens: { kind, maxLength, padId, inputs, ...(takesPairs && { takesPairs }) } };
}

const packages = new Map([['@huggingface/tokenizers', '/runtime/tokenizers.mjs']]);

function pageFiles(model: ServedModel, bytes: Uint8Array, input: InputSpec): Map<string, ServedFile> {
  const text = (type: string, content: string): ServedFile => ({
    type: `${type}; charset=utf-8`,
    content: Buffer.from(content),
  });
  const files = new Map<string, ServedFile>([
    ['/', text('text/html', modelPage)],
    ['/page.css', text('text/css', pageStyle + modelPageStyle)],
    ['/icon.svg', text('image/svg+xml', pageIcon)],
    ['/model.json', text('application/json', JSON.stringify(model))],
    ['/model.onnx', { type: 'application/octet-stream', content: bytes }],
  ]);
  const reader = input.kind === 'tokens' ? 'web/text-reader.js' : 'web/image-reader.js';
  const entries = ['web/main.js', 'web/worker.js', reader];
  const modules = pageModules(new URL('../', import.meta.url), entries, packages);
  for (const [name, content] of modules) {
    files.set(`/modules/${name}`, { type: 'text/javascript; charset=utf-8', content });
  }
  const script = 'text/javascript; charset=utf-8';
  if (input.kind === 'tokens') {
    files.set('/tokenizer.json', text('application/json', JSON.stringify(input.tokenizer)));
    files.set('/runtime/tokenizers.mjs', { type: script, content: tokenizerLibrary() });
  }
  for (const [name, content] of webRuntimeFiles()) {
    files.set(`/runtime/${name}`, {
      type: name.endsWith('.wasm') ? 'application/wasm' : script,
      content,
    });
  }
  return files;
}
