import { GraftError } from '../errors.js';
import { openTextEncoder } from '../inputs/encode-texts.js';
import type { TokenSpec } from '../models/input-spec.js';
import { openModel } from '../runtime/open-model.js';
import type { Backbone } from './prepare-backbone.js';

/** Largest difference between a text as it is and filled up, in units of max(1, |value|). */
const tolerance = 1e-3;

/**
 * That a text's features stay what they are when it is filled up to the greatest length: a model without a mask may look at
 * what it was filled up with.
 * @param filled - the input that fills up
 * @throws GraftError UNSUPPORTED_MODEL
 */
export async function assertFillable(
  { features, input, outputName, path }: Backbone,
  filled: TokenSpec,
): Promise<void> {
  if (input.kind !== 'tokens' || input.inputs.fixedLength !== undefined) return;
  const session = await openModel(features, { threads: 1 });
  try {
    const rows: Float32Array[] = [];
    for (const spec of [input, filled]) {
      const encoder = openTextEncoder(spec);
      const tokens = encoder.tokensOfTrial('one text of a few words');
      rows.push((await session.run(encoder.arrange([tokens]).feeds(0, 1)))[outputName]!.data as Float32Array);
    }
    const [alone, full] = rows as [Float32Array, Float32Array];
    const isSame = alone.every(
      (value, i) => Math.abs(value - full[i]!) <= tolerance * Math.max(1, Math.abs(value)),
    );
    if (isSame) return;
  } finally {
    await session.release();
  }
  const [lacks, remedy] = input.inputs.mask
    ? ['has a mask that does not hide', 'without quantisation if it is quantised']
    : ['has no mask and looks at', 'with an attention_mask input'];
  throw new GraftError(
    'UNSUPPORTED_MODEL',
    `${path} ${lacks} what texts are filled up with, but with --unfreeze all of them are made ${filled.maxLength} tokens long; ` +
      `export it ${remedy} or for texts of one length, to which they are then always filled up, or leave --unfreeze away.`,
  );
}
