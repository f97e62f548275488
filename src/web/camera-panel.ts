/** The camera's picture with its answer, again and again until it is stopped. */
import { messageOf } from '../errors.js';
import type { ServedModel } from '../serve/served-model.js';
import { announce } from './announce.js';
import type { Classifier } from './classifier.js';
import { byId } from './element.js';
import { rankOutputs } from './rank-outputs.js';
import { describeTimes } from './result-list.js';
import { showRanking } from './show-ranking.js';

export function startCameraPanel(model: ServedModel, classifier: Classifier): void {
  // Browsers have it on localhost and by https only.
  const devices = navigator.mediaDevices as MediaDevices | undefined;
  const button = byId<HTMLButtonElement>('camera');
  if (!devices) return;
  button.hidden = false;
  let stream: MediaStream | undefined;
  const close = (): void => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = undefined;
    byId('camera-section').hidden = true;
    button.textContent = 'Use the camera';
  };
  const closeSaying = (note: string): void => {
    close();
    byId('live-view').hidden = true;
    byId('camera-note').textContent = note;
    byId('camera-section').hidden = false;
    announce(note);
  };
  const open = async (): Promise<MediaStream> => {
    const opened = await devices.getUserMedia({ video: { facingMode: 'environment' } });
    stream = opened;
    // As when the camera is unplugged, or taken back in the browser's own menu.
    for (const track of opened.getTracks()) {
      track.addEventListener('ended', () => {
        if (stream === opened) closeSaying('The camera was switched off.');
      });
    }
    button.textContent = 'Stop the camera';
    byId('live').replaceChildren();
    byId('live-times').textContent = '';
    byId('live-view').hidden = false;
    byId('camera-section').hidden = false;
    const video = byId<HTMLVideoElement>('video');
    video.srcObject = opened;
    await video.play();
    return opened;
  };
  const start = async (): Promise<void> => {
    // Until it is there: a second click must not open a second one.
    button.disabled = true;
    byId('camera-note').textContent = '';
    byId('camera-section').hidden = true;
    const opened = await open().finally(() => {
      button.disabled = false;
    });
    const isOpen = (): boolean => stream === opened;
    await watch(model, classifier, isOpen).catch((error: unknown) => {
      // What a camera that was just stopped has no more of is no error.
      if (isOpen()) throw error;
    });
  };
  button.addEventListener('click', () => {
    if (stream) close();
    else start().catch((error: unknown) => closeSaying(whyNot(error)));
  });
}

/** Browsers' own words for these are no help: "The request is not allowed by the user agent". */
function whyNot(error: unknown): string {
  switch (error instanceof DOMException && error.name) {
    case 'NotAllowedError':
      return 'The camera may not be used: allow it in what the browser shows beside the address of this page.';
    case 'NotFoundError':
      return 'This device has no camera.';
    case 'NotReadableError':
      return 'The camera gives no pictures; perhaps another program is using it.';
    default:
      return `The camera cannot be used: ${messageOf(error).replace(/\.$/, '')}.`;
  }
}

async function watch(model: ServedModel, classifier: Classifier, isOpen: () => boolean): Promise<void> {
  const video = byId<HTMLVideoElement>('video');
  while (isOpen()) {
    const result = await classifier.classify(await createImageBitmap(video));
    result.thumbnail?.close();
    if (!isOpen()) return;
    byId('live').replaceChildren(...showRanking(rankOutputs(model, result.outputs)));
    byId('live-times').textContent = describeTimes(result, model);
    // The page draws before the next picture.
    await new Promise(requestAnimationFrame);
  }
}
