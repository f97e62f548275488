/** Images by picker, drop and paste; each becomes a card of the list. */
import type { ServedModel } from '../serve/served-model.js';
import type { Classifier } from './classifier.js';
import { byId } from './element.js';
import { addResults } from './result-list.js';

export function startImagePanel(model: ServedModel, classifier: Classifier): void {
  byId('drop').hidden = false;
  const add = (files: Iterable<File>): void => {
    const items = [...files].map((file) => ({ name: file.name || 'pasted image', input: file }));
    addResults(items, model, classifier);
  };
  const picker = byId<HTMLInputElement>('picker');
  picker.addEventListener('change', () => {
    add(picker.files ?? []);
    // The same file can be chosen again.
    picker.value = '';
  });
  document.addEventListener('paste', ({ clipboardData }) => add(clipboardData?.files ?? []));
  acceptDrops(add);
}

/** Anywhere on the page: a file that misses the box must not replace the page. */
function acceptDrops(add: (files: Iterable<File>) => void): void {
  const box = byId('drop');
  const mark = (isOver: boolean): void => void box.classList.toggle('over', isOver);
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener('dragleave', ({ relatedTarget }) => {
    if (relatedTarget === null) mark(false);
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    add(event.dataTransfer?.files ?? []);
  });
}
