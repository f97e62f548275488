import type { Logger } from '../logger.js';
import type { InputSpec } from '../models/input-spec.js';

/** Of texts that a model does not read to their end: how many, once. */
export function sayCut(cut: number, total: number, input: InputSpec, logger: Logger): void {
  if (cut === 0 || input.kind !== 'tokens') return;
  const what = input.takesPairs ? 'pair' : 'text';
  const which = total === 1 ? `The ${what} is` : `${cut} of ${total} ${what}s ${cut === 1 ? 'is' : 'are'}`;
  logger.warn(
    `${which} longer than the ${input.maxLength} tokens that the model reads: the rest is left out.`,
  );
}
