/**
 * The end of a text at which it is cut, by the `tokenizer_config.json` and else the `tokenizer.json` that were parsed.
 * @example truncationSide({}, { truncation: { direction: 'Left' } }) // 'left'
 */
export function truncationSide(
  settings: { readonly truncation_side?: unknown },
  description: { readonly truncation?: { readonly direction?: unknown } | null },
): 'left' | 'right' {
  const side = settings.truncation_side ?? description.truncation?.direction;
  return typeof side === 'string' && side.toLowerCase() === 'left' ? 'left' : 'right';
}
