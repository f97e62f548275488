/** The `tokenizer.json` of a tokenizer without a vocabulary: of the text in lower case, every byte of its UTF-8 is a token. */

/**
 * Ids are the bytes plus one; 0 fills up.
 * @param options - `dividesPairs`: a blank stands between two texts
 */
export function byteTokenizer({ dividesPairs = false }: { readonly dividesPairs?: boolean } = {}): string {
  const vocab: Record<string, number> = { '<pad>': 0 };
  for (const [byte, letter] of byteLetters().entries()) vocab[letter] = byte + 1;
  return JSON.stringify({
    version: '1.0',
    added_tokens: [{ id: 0, content: '<pad>', special: true }],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] },
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: dividesPairs ? blankBetween : null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab, merges: [] },
  });
}

const blank = { id: 'Ġ', ids: [0x20 + 1], tokens: ['Ġ'] };
const [first, second] = ['A', 'B'].map((id) => ({ Sequence: { id, type_id: 0 } }));
const blankBetween = {
  type: 'TemplateProcessing',
  single: [first],
  pair: [first, { SpecialToken: { id: blank.id, type_id: 0 } }, second],
  special_tokens: { [blank.id]: blank },
};

/** Letters and digits of ASCII, and every byte of other letters. */
export function isWordByte(byte: number): boolean {
  return byte >= 0x80 || /[0-9a-z]/.test(String.fromCharCode(byte));
}

/** The letter that stands for each byte in byte-level vocabularies: itself where it is visible, else one from U+0100 on. */
function byteLetters(): string[] {
  let hidden = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    const isVisible =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
    return String.fromCharCode(isVisible ? byte : 0x100 + hidden++);
  });
}

const letters = byteLetters();
const encoder = new TextEncoder();

/** @example inByteLetters('é a') // 'Ã©Ġa' */
export function inByteLetters(text: string): string {
  return Array.from(encoder.encode(text), (byte) => letters[byte]).join('');
}
