/** The list of results, the newest first: a card for each input, from when it waits until it is answered. */
import { messageOf } from '../errors.js';
import type { ServedModel } from '../serve/served-model.js';
import { announce } from './announce.js';
import type { Classifier } from './classifier.js';
import { byId, element } from './element.js';
import { rankOutputs } from './rank-outputs.js';
import { showRanking } from './show-ranking.js';
import type { ClassifierInput, Result } from './worker-messages.js';

export interface ListedInput {
  readonly name: string;
  readonly input: ClassifierInput;
}

/** Ends what the cards of the list wait for. */
let shown = new AbortController();

export function addResults(inputs: readonly ListedInput[], model: ServedModel, classifier: Classifier): void {
  if (inputs.length === 0) return;
  byId('results').prepend(...inputs.map((input) => addCard(input, model, classifier)));
  byId('results-section').hidden = false;
  byId('clear').onclick = () => {
    shown.abort();
    shown = new AbortController();
    byId('results').replaceChildren();
    byId('results-section').hidden = true;
    // The button is gone with them, and with it the place of who uses the keyboard.
    byId(model.input.kind === 'text' ? 'text' : 'picker').focus();
  };
}

function addCard({ name, input }: ListedInput, model: ServedModel, classifier: Classifier): HTMLElement {
  const { signal } = shown;
  const body = element('div', { class: 'body' });
  // A name that turns the direction of writing must not turn the times beside it.
  const caption = element('p', { class: 'muted' }, element('bdi', {}, name));
  const card = element('li', { class: 'waiting' }, body);
  const picture = element('div', { class: 'picture', 'aria-hidden': 'true' });
  if (input instanceof Blob) card.prepend(picture);
  body.append(element('p', { class: 'answer' }, 'Waiting …'), caption);
  classifier
    .classify(input, signal)
    .then((result) => {
      const ranking = rankOutputs(model, result.outputs);
      if (result.thumbnail) picture.append(paint(result.thumbnail));
      body.replaceChildren(...showRanking(ranking), caption);
      if (result.note) caption.append(` · ${result.note}`);
      caption.append(` · ${describeTimes(result, model)}`);
      announce(
        [`${name}: ${ranking.answer} ${ranking.detail ?? ''}`, result.note].filter(Boolean).join('; '),
      );
    })
    .catch((error: unknown) => {
      if (signal.aborted) return;
      card.classList.add('refused');
      body.replaceChildren(element('p', { class: 'answer' }, messageOf(error)), caption);
      announce(`${name}: ${messageOf(error)}`);
    })
    .finally(() => card.classList.remove('waiting'));
  return card;
}

function paint(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = element('canvas', { width: String(bitmap.width), height: String(bitmap.height) });
  canvas.getContext('bitmaprenderer')!.transferFromImageBitmap(bitmap);
  return canvas;
}

export function describeTimes(
  { prepareMs, runMs }: Pick<Result, 'prepareMs' | 'runMs'>,
  { input }: ServedModel,
): string {
  const ms = (value: number): string => value.toFixed(value < 10 ? 1 : 0);
  const preparing = { image: 'decode and resize', text: 'make tokens' }[input.kind];
  return `${ms(runMs)} ms to run, ${ms(prepareMs)} ms to ${preparing}`;
}
