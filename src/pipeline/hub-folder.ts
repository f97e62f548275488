/** The folder that `graft export --format huggingface` writes: what may be written there, and in which order. */
import { readFile, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unwritable } from '../errors.js';
import { hubPrecisions } from '../export/hub-config.js';
import type { ModelPrecision } from '../models/model-precision.js';
import type { StagedModel } from '../onnx/stage-model.js';
import { sideFileName } from '../onnx/write-model.js';
import {
  assertWritable,
  makeFolder,
  makeMissing,
  removeEmpty,
  stageContent,
  type StagedFile,
} from '../write-durably.js';

/** Names of an export. */
const hubFiles = {
  config: 'config.json',
  preprocessor: 'preprocessor_config.json',
  tokenizer: 'tokenizer.json',
  tokenizerConfig: 'tokenizer_config.json',
  card: 'README.md',
} as const;

export type HubFiles = Partial<Readonly<Record<keyof typeof hubFiles, string>>>;

export interface HubFolder {
  readonly folder: string;
  /** The .onnx file, absolute. */
  readonly model: string;
  /**
   * Puts all in place, once it is all on the disk. The model comes last, after an older one of another run is gone: a folder that has one is
   * whole. Of the same run, the README.md is left as it is, as it may have been written on.
   * @param describe - given the names of the files in `onnx/` as they will be
   * @returns names of the files, relative to the folder
   * @throws GraftError FILE_UNWRITABLE
   */
  commit(model: StagedModel, describe: (models: readonly string[]) => HubFiles): Promise<readonly string[]>;
  /** Removes folders that were made for nothing. */
  discard(): Promise<void>;
}

export interface HubPlace {
  readonly out: string;
  readonly precision: ModelPrecision;
  /** What tells this run from others. */
  readonly run: string;
}

/** Where a model of this precision stands in the folder. @throws GraftError USAGE for the name of a model file. */
export function hubModelFile(out: string, precision: ModelPrecision): string {
  if (/\.onnx$/i.test(out)) {
    throw new GraftError(
      'USAGE',
      `--format huggingface writes a folder, with the model in onnx/ below it, but --out ${out} names a model file; name a folder.`,
    );
  }
  return path.resolve(out, 'onnx', hubPrecisions[precision].file);
}

/** @throws GraftError USAGE where the folder holds files that no export of this run wrote, FILE_UNWRITABLE */
export async function openHubFolder({ out, precision, run }: HubPlace): Promise<HubFolder> {
  const folder = path.resolve(out);
  const model = hubModelFile(out, precision);
  const onnx = path.dirname(model);
  const origin = await originOf(folder);
  if (origin === undefined)
    await assertNothingOverwritten(folder, [
      ...Object.values(hubFiles),
      ...[path.basename(model), sideFileName(model)].map((name) => path.join('onnx', name)),
    ]);
  const others = (await listModels(onnx)).filter((name) => !isOf(model, name));
  if (origin !== run && others.length > 0) {
    throw new GraftError(
      'USAGE',
      `--out ${out} holds onnx/${others[0]}, of another run or exported with other flags, to which the files beside this model would not belong; remove it or choose another folder.`,
    );
  }
  const made = makeOrThrow(onnx, folder);
  const discard = async (): Promise<void> => {
    if (made !== undefined) await removeEmpty(onnx, made);
  };
  try {
    for (const file of [path.join(folder, hubFiles.config), model]) await assertWritable(file);
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    folder,
    model,
    discard,
    async commit(staged, describe) {
      await makeFolder(onnx);
      const isSame = origin === run;
      const hasSideFile = typeof staged.source === 'string';
      const models = [...others, path.basename(model), ...(hasSideFile ? [sideFileName(model)] : [])].sort();
      const files = describe(models);
      const names = Object.entries(hubFiles).map(([key, name]) => ({
        name,
        content: files[key as keyof HubFiles],
      }));
      const keepsCard = isSame && (await isThere(path.join(folder, hubFiles.card)));
      const written: StagedFile[] = [];
      try {
        for (const { name, content } of names) {
          if (content === undefined || (name === hubFiles.card && keepsCard)) continue;
          written.push(await stageContent(path.join(folder, name), content));
        }
        await staged.write();
        const remove = (...parts: string[]) => rm(path.join(folder, ...parts), { force: true });
        if (!isSame) await remove('onnx', path.basename(model));
        if (!isSame || !hasSideFile) await remove('onnx', sideFileName(model));
        // Of an earlier export of another kind of model.
        for (const { name, content } of names) if (content === undefined) await remove(name);
        for (const file of written) await file.commit();
        await staged.commit();
      } finally {
        for (const file of written) await file.discard();
      }
      const held = names.filter(({ content }) => content !== undefined).map(({ name }) => name);
      return [...held, ...models.map((name) => `onnx/${name}`)];
    },
  };
}

function makeOrThrow(onnx: string, folder: string): string | undefined {
  try {
    return makeMissing(onnx);
  } catch (error) {
    throw unwritable(folder, error);
  }
}

/** Whether the file is the model or its side file. */
const isOf = (model: string, name: string): boolean =>
  name === path.basename(model) || name === sideFileName(model);

async function listModels(onnx: string): Promise<string[]> {
  const known = Object.values(hubPrecisions).flatMap(({ file }) => [file, sideFileName(file)]);
  const names: readonly string[] = await readdir(onnx).catch(() => []);
  // Several precisions share a name.
  return [...new Set(known)].filter((name) => names.includes(name));
}

/** Of which run the folder is an export; undefined where it is none. */
async function originOf(folder: string): Promise<string | undefined> {
  try {
    const config = JSON.parse(await readFile(path.join(folder, hubFiles.config), 'utf8')) as {
      graft?: { run?: unknown };
    };
    const run = config.graft?.run;
    return typeof run === 'string' ? run : undefined;
  } catch {
    return undefined;
  }
}

async function assertNothingOverwritten(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    if (!(await isThere(path.join(folder, name)))) continue;
    throw new GraftError(
      'USAGE',
      `--out ${folder} holds a ${name} that no export wrote, which would be overwritten; choose another folder.`,
    );
  }
}

const isThere = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
