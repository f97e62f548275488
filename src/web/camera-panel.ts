/** The camera's picture with its answer, again and again until it is stopped. */
import { messageOf } from '../errors.js';
import type { ServedModel } from '../serve/served-model.js';
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
  const open = async (): Promise<void> => {
    const opened = await devices.getUserMedia({ video: { facingMode: 'environment' } });
    stream = opened;
    // As when the camera is unplugged.
    for (const track of opened.getTracks()) track.addEventListener('ended', close);
    button.textContent = 'Stop the camera';
    byId('live').replaceChildren();
    byId('live-times').textContent = '';
    byId('video').hidden = false;
    byId('camera-section').hidden = false;
    const video = byId<HTMLVideoElement>('video');
    video.srcObject = opened;
    await video.play();
    button.disabled = false;
    await watch(video, model, classifier, () => stream === opened);
  };
  button.addEventListener('click', () => {
    if (stream) {
      close();
      return;
    }
    // Until it is there: a second click must not open a second one.
    button.disabled = true;
    open()
      .catch((error: unknown) => {
        close();
        byId('video').hidden = true;
        byId('live').replaceChildren(`The camera cannot be used: ${messageOf(error)}.`);
        byId('camera-section').hidden = false;
      })
      .finally(() => {
        button.disabled = false;
      });
  });
}

async function watch(
  video: HTMLVideoElement,
  model: ServedModel,
  classifier: Classifier,
  isOpen: () => boolean,
): Promise<void> {
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
