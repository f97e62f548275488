/** The camera's picture with its answer, again and again until it is stopped. */
import { messageOf } from '../errors.js';
import type { ServedModel } from '../serve/served-model.js';
import type { Classifier } from './classifier.js';
import { byId } from './element.js';
import { describeTimes } from './image-panel.js';
import { rankOutputs } from './rank-outputs.js';
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
  button.addEventListener('click', () => {
    if (stream) {
      close();
      return;
    }
    button.disabled = true;
    devices
      .getUserMedia({ video: { facingMode: 'environment' } })
      .then((opened) => {
        stream = opened;
        button.textContent = 'Stop the camera';
        byId('camera-section').hidden = false;
        const video = byId<HTMLVideoElement>('video');
        video.srcObject = opened;
        return watch(video, model, classifier, () => stream === opened);
      })
      .catch((error: unknown) => {
        close();
        byId('camera-section').hidden = false;
        byId('live').textContent = `The camera cannot be used: ${messageOf(error)}.`;
      });
    button.disabled = false;
  });
}

async function watch(
  video: HTMLVideoElement,
  model: ServedModel,
  classifier: Classifier,
  isOpen: () => boolean,
): Promise<void> {
  await video.play();
  while (isOpen()) {
    const result = await classifier.classify(await createImageBitmap(video));
    result.thumbnail.close();
    if (!isOpen()) return;
    byId('live').replaceChildren(...showRanking(rankOutputs(model, result.outputs)));
    byId('live-times').textContent = describeTimes(result);
    // The page draws before the next picture.
    await new Promise(requestAnimationFrame);
  }
}
