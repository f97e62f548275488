/**
 * What a `Split` of a `tokenizer.json` makes of matches and of what is between them, as Hugging Face's tokenizers do it
 * (`SplitDelimiterBehavior`). The JavaScript library knows Isolated, and Removed of regular expressions.
 *
 *   Removed             the matches are left out
 *   Isolated            each match and each stretch between is a piece
 *   Contiguous          as Isolated, but matches beside each other are one piece
 *   MergedWithPrevious  a match ends the piece that the stretch before it began
 *   MergedWithNext      a match begins the piece that the stretch after it ends
 *
 * `invert` has matches and stretches change places.
 */

/** The part of the library's pre-tokenizers that is read and replaced here. */
export interface PreTokenizer {
  readonly config?: {
    readonly type?: unknown;
    readonly behavior?: unknown;
    readonly invert?: unknown;
    readonly pattern?: { readonly Regex?: unknown } | undefined;
  };
  /** Of a Split or a ByteLevel. */
  pattern?: RegExp | null;
  /** Of a sequence. */
  readonly tokenizers?: readonly (PreTokenizer | null)[];
  pre_tokenize_text(text: string): string[];
}

/** GPT-2's words. In JavaScript `\s` has U+FEFF too, and lacks U+0085. */
const byteLevelWords =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** Lets each Split do what its description says, and ByteLevel find blanks as Unicode has them. */
export function giveBehaviors(preTokenizer: PreTokenizer | null): void {
  for (const each of preTokenizer?.tokenizers ?? []) giveBehaviors(each);
  if (preTokenizer?.config?.type === 'ByteLevel') preTokenizer.pattern = byteLevelWords;
  const { pattern, config } = preTokenizer ?? {};
  if (config?.type !== 'Split' || !pattern) return;
  const behavior = String(config.behavior).toLowerCase();
  const invert = config.invert === true;
  const isKnown =
    behavior === 'removed' ? config.pattern?.Regex !== undefined : behavior === 'isolated' && !invert;
  if (!isKnown) preTokenizer!.pre_tokenize_text = (text) => divideText(text, pattern, behavior, invert);
}

interface Piece {
  text: string;
  isMatch: boolean;
}

function divideText(text: string, pattern: RegExp, behavior: string, invert: boolean): string[] {
  const pieces: Piece[] = [];
  const add = (start: number, end: number, isMatch: boolean): void => {
    if (end > start) pieces.push({ text: text.slice(start, end), isMatch: isMatch !== invert });
  };
  let at = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    add(at, index, false);
    add(index, (at = index + match.length), true);
  }
  add(at, text.length, false);
  return join(pieces, behavior).map((piece) => piece.text);
}

function join(pieces: readonly Piece[], behavior: string): readonly Piece[] {
  if (behavior === 'removed') return pieces.filter(({ isMatch }) => !isMatch);
  const joins: ((left: Piece, right: Piece) => boolean) | undefined = {
    contiguous: (left: Piece, right: Piece) => left.isMatch === right.isMatch,
    mergedwithprevious: (left: Piece, right: Piece) => right.isMatch && !left.isMatch,
    mergedwithnext: (left: Piece, right: Piece) => left.isMatch && !right.isMatch,
  }[behavior];
  if (joins === undefined) return pieces;
  const joined: Piece[] = [];
  pieces.forEach((piece, i) => {
    // What was beside it in the text decides, whatever that was joined to.
    if (i > 0 && joins(pieces[i - 1]!, piece)) joined.at(-1)!.text += piece.text;
    else joined.push({ ...piece });
  });
  return joined;
}
