/** A box for a text; each becomes a card of the list. */
import type { ServedModel } from '../serve/served-model.js';
import { shortenText } from '../shorten-text.js';
import type { Classifier } from './classifier.js';
import { byId } from './element.js';
import { addResults } from './result-list.js';

/** Characters of a text that its card shows. */
const shownLength = 160;

export function startTextPanel(model: ServedModel, classifier: Classifier): void {
  const box = byId<HTMLTextAreaElement>('text');
  const button = byId<HTMLButtonElement>('classify');
  byId('text-section').hidden = false;
  const submit = (): void => {
    const input = box.value;
    if (input.trim() === '') return;
    const name = shortenText(input, shownLength);
    addResults([{ name, input }], model, classifier);
    box.select();
  };
  button.addEventListener('click', submit);
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
}
