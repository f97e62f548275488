/** The page: tells what the model is, loads it in a worker, and starts the panel for what it takes. */
import { messageOf } from '../errors.js';
import { pixelShape } from '../models/pixel-shape.js';
import type { ServedInput, ServedModel } from '../serve/served-model.js';
import { startCameraPanel } from './camera-panel.js';
import { type Classifier, startClassifier } from './classifier.js';
import { byId } from './element.js';
import { startImagePanel } from './image-panel.js';
import { startTextPanel } from './text-panel.js';
import type { Wishes } from './worker-messages.js';

const panels: Readonly<Record<ServedInput['kind'], (model: ServedModel, classifier: Classifier) => void>> = {
  image(model, classifier) {
    startImagePanel(model, classifier);
    startCameraPanel(model, classifier);
  },
  text: startTextPanel,
};

/** A graphics driver that compiles for longer than this may be one that never ends. */
const patienceMs = 15_000;

try {
  const model = (await (await fetch('/model.json')).json()) as ServedModel;
  describe(model);
  const classifier = startClassifier(model, readWishes(), (receivedBytes) =>
    showDownload(receivedBytes, model.sizeBytes),
  );
  panels[model.input.kind](model, classifier);
  byId('state').textContent = await classifier.ready;
} catch (error) {
  byId('state-section').classList.add('warning');
  byId('state').textContent = messageOf(error);
} finally {
  byId('progress').hidden = true;
}

/** What is not understood is taken for absent. */
function readWishes(): Wishes {
  const asked = new URLSearchParams(location.search);
  const device = (['wasm', 'webgpu'] as const).find((name) => name === asked.get('device'));
  const threads = Number(asked.get('threads'));
  return { device, threads: Number.isInteger(threads) && threads > 0 && threads <= 64 ? threads : undefined };
}

function describe({ name, task, labels, sizeBytes, input }: ServedModel): void {
  document.title = `${name} · Graft`;
  byId('name').textContent = name;
  const count = labels.length;
  const tasks = {
    single: `Predicts one of ${count} classes`,
    multi: `Predicts any of ${count} labels`,
    ordered: `Predicts one of ${count} ordered classes`,
    regression: count === 1 ? 'Predicts a number' : `Predicts ${count} numbers`,
  };
  const size =
    sizeBytes < 1e5 ? `${(sizeBytes / 1e3).toFixed(1)}\u00a0kB` : `${megabytes(sizeBytes)}\u00a0MB`;
  byId('facts').textContent = `${tasks[task]} · ${describeInput(input)} · ${size}`;
}

function describeInput(input: ServedInput): string {
  if (input.kind === 'text') {
    const { maxLength, takesPairs } = input.tokens;
    return `${takesPairs ? 'pairs of texts, ' : ''}up to ${maxLength} tokens`;
  }
  const { width, height } = pixelShape(input.preprocess);
  return `input of ${width}\u00a0×\u00a0${height} pixels`;
}

function showDownload(receivedBytes: number, sizeBytes: number): void {
  const bar = byId<HTMLProgressElement>('progress');
  if (receivedBytes < sizeBytes) {
    bar.value = receivedBytes / sizeBytes;
    byId('state').textContent =
      `Loading the model: ${megabytes(receivedBytes)} of ${megabytes(sizeBytes)} MB`;
  } else {
    bar.removeAttribute('value');
    byId('state').textContent = 'Starting ONNX Runtime …';
    setTimeout(() => {
      if (bar.hidden) return;
      byId('state').textContent +=
        ' This is taking long. If it does not end, add ?device=wasm to the address.';
    }, patienceMs);
  }
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
