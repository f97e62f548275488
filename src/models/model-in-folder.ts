/** Which ONNX file of a folder, or of a repository, is its model. */
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, unreadable } from '../errors.js';

/** Where exporters put the model; the first that is there is taken, also beside variants in fewer bits. */
const usualPlaces = ['onnx/model.onnx', 'model.onnx'];

/**
 * The model at a usual place, else the only one; undefined where neither tells.
 * @param files - paths in the folder, with `/`
 */
export function usualModel(files: readonly string[]): string | undefined {
  const models = files.filter(isModel);
  return usualPlaces.find((place) => models.includes(place)) ?? (models.length === 1 ? models[0] : undefined);
}

export const isModel = (file: string): boolean => /\.onnx$/i.test(file);

/**
 * The path of the model in a folder as transformers.js, Optimum and `graft export --format huggingface` lay it out; what is no
 * folder is returned as it is.
 * @throws GraftError FILE_NOT_FOUND where there is none, or several; FILE_UNREADABLE
 */
export async function modelInFolder(named: string): Promise<string> {
  const isFolder = async (place: string): Promise<boolean> =>
    stat(place).then(
      (info) => info.isDirectory(),
      () => false,
    );
  // What is no path at all is refused by whoever opens it.
  if (typeof named !== 'string' || !(await isFolder(named))) return named;
  const inner = path.join(named, 'onnx');
  const files = [
    ...(await listModels(named, '')),
    ...((await isFolder(inner)) ? await listModels(inner, 'onnx/') : []),
  ];
  const chosen = usualModel(files);
  if (chosen !== undefined) return path.join(named, chosen);
  throw new GraftError(
    'FILE_NOT_FOUND',
    files.length === 0
      ? `The folder ${named} holds no .onnx file, nor does its folder onnx; expected the path of an ONNX file.`
      : `The folder ${named} holds several models; name one of them: ${files.slice(0, 8).join(', ')}.`,
  );
}

async function listModels(folder: string, prefix: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    // What macOS leaves beside a copied file begins with a dot.
    return names
      .filter((name) => isModel(name) && !name.startsWith('.'))
      .toSorted()
      .map((name) => prefix + name);
  } catch (error) {
    throw unreadable(folder, error);
  }
}
