/** A box for a text, or two for a pair; each text or pair becomes a card of the list. */
import type { ServedModel } from '../serve/served-model.js';
import { shortenText } from '../shorten-text.js';
import type { TextPair } from '../sources/text-pair.js';
import type { Classifier } from './classifier.js';
import { byId } from './element.js';
import { addResults } from './result-list.js';

/** Characters of a text, or of the texts of a pair together, that its card shows. */
const shownLength = 160;

export function startTextPanel(model: ServedModel, classifier: Classifier): void {
  const takesPairs = model.input.kind === 'text' && model.input.tokens.takesPairs === true;
  const box = byId<HTMLTextAreaElement>('text');
  const boxes = takesPairs ? [box, byId<HTMLTextAreaElement>('second')] : [box];
  const button = byId<HTMLButtonElement>('classify');
  if (takesPairs) {
    byId('second-part').hidden = false;
    byId('text-label').textContent = 'First text';
    button.textContent = 'Label the pair';
  }
  byId('text-section').hidden = false;
  const submit = (): void => {
    const empty = boxes.find(({ value }) => value.trim() === '');
    if (empty) {
      empty.focus();
      return;
    }
    const texts = boxes.map(({ value }) => value);
    const name = texts.map((text) => shortenText(text, shownLength / texts.length)).join(' | ');
    const input = takesPairs ? (texts as unknown as TextPair) : texts[0]!;
    addResults([{ name, input }], model, classifier);
    box.select();
  };
  button.addEventListener('click', submit);
  for (const each of boxes) {
    each.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      submit();
    });
  }
}
