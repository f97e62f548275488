/** Images by picker, drop and paste; each becomes a card of the list, the newest first. */
import { messageOf } from '../errors.js';
import type { ServedModel } from '../serve/served-model.js';
import type { Classifier } from './classifier.js';
import { byId, element } from './element.js';
import { rankOutputs } from './rank-outputs.js';
import { showRanking } from './show-ranking.js';
import type { Result } from './worker-messages.js';

export function startImagePanel(model: ServedModel, classifier: Classifier): void {
  const list = byId('results');
  const add = (files: Iterable<File>): void => {
    const cards = [...files].map((file) => addCard(file, model, classifier));
    if (cards.length === 0) return;
    list.prepend(...cards);
    byId('results-section').hidden = false;
  };
  const picker = byId<HTMLInputElement>('picker');
  picker.addEventListener('change', () => {
    add(picker.files ?? []);
    // The same file can be chosen again.
    picker.value = '';
  });
  document.addEventListener('paste', ({ clipboardData }) => add(clipboardData?.files ?? []));
  acceptDrops(add);
  byId('clear').addEventListener('click', () => {
    list.replaceChildren();
    byId('results-section').hidden = true;
    picker.focus();
  });
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

function addCard(file: File, model: ServedModel, classifier: Classifier): HTMLElement {
  const picture = element('div', { class: 'picture', 'aria-hidden': 'true' });
  const body = element('div', { class: 'body' });
  const caption = element('p', { class: 'muted' }, file.name || 'pasted image');
  const card = element('li', { class: 'waiting' }, picture, body);
  body.append(element('p', { class: 'answer' }, 'Waiting …'), caption);
  classifier
    .classify(file)
    .then((result) => {
      const ranking = rankOutputs(model, result.outputs);
      picture.append(paint(result.thumbnail));
      body.replaceChildren(...showRanking(ranking), caption);
      caption.append(` · ${describeTimes(result)}`);
      announce(`${file.name}: ${ranking.answer} ${ranking.detail ?? ''}`);
    })
    .catch((error: unknown) => {
      card.classList.add('refused');
      body.replaceChildren(element('p', { class: 'answer' }, messageOf(error)), caption);
      announce(`${file.name}: ${messageOf(error)}`);
    })
    .finally(() => card.classList.remove('waiting'));
  return card;
}

/** To screen readers. */
function announce(text: string): void {
  byId('announcer').textContent = text;
}

function paint(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = element('canvas', { width: String(bitmap.width), height: String(bitmap.height) });
  canvas.getContext('bitmaprenderer')!.transferFromImageBitmap(bitmap);
  return canvas;
}

export function describeTimes({ prepareMs, runMs }: Pick<Result, 'prepareMs' | 'runMs'>): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  return `${ms(runMs)} ms to run, ${ms(prepareMs)} ms to decode and resize`;
}
