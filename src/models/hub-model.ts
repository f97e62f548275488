/** A model of the Hugging Face Hub: `hf:owner/repo`, with `@revision` and `:path/to/model.onnx` where they are needed. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf } from '../errors.js';
import { downloadFile } from '../sources/download-file.js';
import { makeFolder, writeDurably } from '../write-durably.js';
import type { FetchHooks } from './fetch-hooks.js';
import { isModel, usualModel } from './model-in-folder.js';

interface HubName {
  readonly repo: string;
  readonly revision: string;
  /** Of the model, inside the repository. */
  readonly file: string | undefined;
}

interface HubFile {
  readonly path: string;
  /** Tells this content from any other. */
  readonly oid: string;
  readonly sha256: string | undefined;
}

/** What was found at a revision the last time, for when the Hub cannot be reached. */
interface Snapshot {
  readonly folder: string;
  readonly model: string;
}

/** What belongs to a model beside its weights. */
const companions: ReadonlySet<string> = new Set([
  'config.json',
  'preprocessor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  '1_Pooling/config.json',
]);

/**
 * Downloads the model and what belongs to it below `folder`, laid out as in the repository; what is there is not fetched
 * again. $HF_TOKEN opens private repositories, $HF_ENDPOINT names a mirror.
 * @returns the path of the model file
 * @throws GraftError USAGE for a name of another form, FILE_NOT_FOUND where the repository holds no (one) model,
 *   FILE_UNREADABLE where the Hub cannot be reached and nothing was fetched before.
 */
export async function getHubModel(name: string, folder: string, hooks: FetchHooks): Promise<string> {
  const { repo, revision, file } = parseHubName(name);
  const home = path.join(folder, 'hf', repo.replace('/', '--'));
  const note = path.join(home, `${fileName(`${revision}:${file ?? ''}`)}.json`);
  let files: readonly HubFile[];
  try {
    files = await listRepository(repo, revision);
  } catch (error) {
    const kept = await readSnapshot(note, home);
    if (kept === undefined) throw unreachable(name, error);
    hooks.logger?.warn(`The Hugging Face Hub cannot be reached (${messageOf(error)}); taking ${kept}.`);
    return kept;
  }
  const model = chooseModel(name, files, file);
  const wanted = files.filter(({ path: at }) => at === model || companions.has(at) || isDataOf(at, model));
  const snapshot: Snapshot = {
    folder: fileName(wanted.map(({ path: at, oid }) => `${at} ${oid}`).join('\n')),
    model,
  };
  const place = path.join(home, snapshot.folder);
  for (const { path: at, sha256 } of wanted) {
    const target = path.join(place, at);
    if (!target.startsWith(place + path.sep)) {
      throw new GraftError(
        'FILE_UNREADABLE',
        `${name} holds a file of the name ${at}, which leads out of it.`,
      );
    }
    if (existsSync(target)) continue;
    const token = process.env.HF_TOKEN;
    hooks.logger?.info(`Fetching ${at} of ${repo}.`);
    await downloadFile(
      `${endpoint()}/${repo}/resolve/${encodeURIComponent(revision)}/${encodeURI(at)}`,
      target,
      {
        ...hooks,
        sha256,
        ...(token && { headers: { authorization: `Bearer ${token}` } }),
      },
    );
  }
  await makeFolder(home);
  await writeDurably(note, JSON.stringify(snapshot));
  return path.join(place, model);
}

function parseHubName(name: string): HubName {
  const match = /^hf:([\w.-]+\/[\w.-]+)(?:@([^:\s]+))?(?::(\S+\.onnx))?$/i.exec(name);
  if (match) return { repo: match[1]!, revision: match[2] ?? 'main', file: match[3] };
  throw new GraftError(
    'USAGE',
    `Expected a model of the Hugging Face Hub as hf:owner/repo, hf:owner/repo@revision or hf:owner/repo:path/to/model.onnx but received ${name}.`,
  );
}

function endpoint(): string {
  return (process.env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

async function listRepository(repo: string, revision: string): Promise<readonly HubFile[]> {
  const { listFiles } = await import('@huggingface/hub');
  const token = process.env.HF_TOKEN;
  const files: HubFile[] = [];
  const list = listFiles({
    repo,
    revision,
    recursive: true,
    hubUrl: endpoint(),
    ...(token && { accessToken: token }),
  });
  for await (const { type, path: at, oid, size, lfs } of list) {
    if (type === 'file') files.push({ path: at, oid: lfs?.oid ?? oid ?? String(size), sha256: lfs?.oid });
  }
  return files;
}

function chooseModel(name: string, files: readonly HubFile[], named: string | undefined): string {
  const models = files.map(({ path: at }) => at).filter(isModel);
  const listed = models.length > 0 ? `; it holds ${models.slice(0, 8).join(', ')}` : '';
  if (named !== undefined) {
    if (models.includes(named)) return named;
    throw new GraftError('FILE_NOT_FOUND', `There is no ${named} in ${name}${listed}.`);
  }
  const chosen = usualModel(models);
  if (chosen !== undefined) return chosen;
  throw new GraftError(
    'FILE_NOT_FOUND',
    models.length === 0
      ? `${name} holds no .onnx file; look for a repository that does (onnx-community has many).`
      : `${name} holds several models; name one of them, as in ${name}:${models[0]}${listed}.`,
  );
}

/** Weights beside the model: model.onnx_data, model.onnx.data, model.onnx_data_1. */
function isDataOf(file: string, model: string): boolean {
  return file.startsWith(model) && /^[._]data(_\d+)?$/.test(file.slice(model.length));
}

async function readSnapshot(note: string, home: string): Promise<string | undefined> {
  try {
    const { folder, model } = JSON.parse(await readFile(note, 'utf8')) as Snapshot;
    return path.join(home, folder, model);
  } catch {
    return undefined;
  }
}

function unreachable(name: string, error: unknown): GraftError {
  const { statusCode, cause } = error as { statusCode?: number; cause?: unknown };
  const isGone = statusCode === 404 || statusCode === 401;
  const reason = messageOf(cause ?? error).replace(/\.$/, '');
  return new GraftError(
    isGone ? 'FILE_NOT_FOUND' : 'FILE_UNREADABLE',
    isGone
      ? `The Hugging Face Hub has no ${name}, or it is private: check the name, or set HF_TOKEN.`
      : `Cannot ask ${endpoint()} for ${name}: ${reason}. Name the path of an ONNX file instead, or a mirror in HF_ENDPOINT.`,
    { cause: error },
  );
}

function fileName(content: string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16);
}
