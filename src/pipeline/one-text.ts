/** Text models that take one text a run: whether they can be changed to take several. */
import { bearsFilling } from '../graph/token-inputs.js';
import { openTextEncoder } from '../inputs/encode-texts.js';
import type { TokenSpec } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { openModel } from '../runtime/open-model.js';
import type { Session, TensorMap } from '../runtime/session.js';
import { toFloat32 } from '../tensor/to-float32.js';

/** What rounding may change, as a share of the largest value. */
const tolerance = 1e-3;

/**
 * Whether two texts of different words and lengths have the features together that each has alone. Exporters who trace
 * one text write constants that a batch does not change, such as where the mask of the first text lies.
 * @param features - tokens → `outputName` [texts, dim], its batch freed
 * @param single - the same with the batch as the file says it
 */
export async function areSameTogether(
  features: Model,
  single: Model,
  { spec, outputName }: { spec: TokenSpec; outputName: string },
): Promise<boolean> {
  const { inputs } = spec;
  const encoder = openTextEncoder(spec);
  const long = encoder.tokensOfTrial('one text of a few words');
  const length = bearsFilling(inputs) ? Math.ceil(long.ids.length / 2) : long.ids.length;
  const other = { ids: long.ids.toReversed().slice(0, length), types: long.types.slice(0, length) };
  const { feeds } = encoder.arrange([other, long]);
  const alone = [
    ...(await outputsOf(single, [feeds(0, 1)], outputName)),
    ...(await outputsOf(single, [feeds(1, 2)], outputName)),
  ];
  let together: Float32Array;
  try {
    [together] = (await outputsOf(features, [feeds(0, 2)], outputName)) as [Float32Array];
  } catch {
    return false;
  }
  const expected = alone.flatMap((values) => [...values]);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return (
    together.length === expected.length &&
    expected.every((value, i) => Math.abs(value - together[i]!) <= tolerance * largest)
  );
}

async function outputsOf(
  model: Model,
  batches: readonly TensorMap[],
  outputName: string,
): Promise<Float32Array[]> {
  const session: Session = await openModel(model, { threads: 1 });
  try {
    const outputs: Float32Array[] = [];
    for (const feeds of batches) outputs.push(toFloat32((await session.run(feeds))[outputName]!));
    return outputs;
  } finally {
    await session.release();
  }
}
