import { GraftError } from '../errors.js';
import { listCatalogue } from './catalogue.js';

/**
 * For the `catch` of reading an exported model: a backbone's name in its place is told what it is.
 * @example await readModel(path).catch(explainBackboneName(path))
 */
export function explainBackboneName(named: string): (error: unknown) => never {
  return (error) => {
    const isMissing = error instanceof GraftError && error.code === 'FILE_NOT_FOUND';
    if (!isMissing || !(named.startsWith('hf:') || listCatalogue().some(({ name }) => name === named)))
      throw error;
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${named} is a backbone, which has no head and no labels yet: train one with ` +
        `graft run --backbone ${named} --data DATA --out RUN, and name the model.onnx that it writes.`,
      { cause: error },
    );
  };
}
