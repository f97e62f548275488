/** Where the tokenizer library differs from Hugging Face's own, texts are changed so that both give the same ids. */

interface NormalizerConfig {
  readonly type?: string;
  readonly lowercase?: boolean;
  readonly handle_chinese_chars?: boolean;
  readonly normalizers?: readonly NormalizerConfig[];
}

/** Han beyond the 16 bits of one code unit, which the library does not set apart; the reference passes over 2b820 to 2b91f. */
const rareHan = /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** @param normalizer - that of a `tokenizer.json` */
export function referenceText(normalizer: unknown): (text: string) => string {
  const steps = flatten(normalizer ?? {});
  const isBert = ({ type }: NormalizerConfig): boolean => type === 'BertNormalizer';
  const setsHanApart = steps.some((step) => isBert(step) && step.handle_chinese_chars !== false);
  const lowers = steps.some((step) => step.type === 'Lowercase' || (isBert(step) && step.lowercase));
  return (text) => {
    let changed = setsHanApart ? text.replace(rareHan, ' $& ') : text;
    // JavaScript lowers a sigma at the end of a word to ς; the reference goes character by character.
    if (lowers) changed = changed.replaceAll('Σ', 'σ');
    return changed;
  };
}

function flatten(config: NormalizerConfig): NormalizerConfig[] {
  return config.type === 'Sequence' ? (config.normalizers ?? []).flatMap(flatten) : [config];
}
