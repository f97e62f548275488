/** The page of `graft serve` in a real browser. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import sharp, { type Sharp } from 'sharp';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import { createRng } from '../../src/rng.js';
import { graftJson, temporaryFolder } from '../e2e/graft.js';
import { openBrowser } from '../open-browser.js';
import { exportedModel, exportedTextModel } from './exported-model.js';
import { serve, type Serving } from './serving.js';

const hostile = '<img src=x onerror="document.title=\'owned\'">';
const labels = ['ash', hostile, 'oak & elm', '"fir"', 'yew', 'larch'];

describe('the page of graft serve', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const model = path.join(folder, 'model.onnx');
  const complaints: string[] = [];
  const strayRequests: string[] = [];
  let serving: Serving;
  let browser: Browser;
  let page: Page;

  before(async function () {
    writeFileSync(model, exportedModel(labels));
    serving = await serve(model);
    const film = path.join(folder, 'film.mjpeg');
    writeFileSync(film, Buffer.concat(new Array<Buffer>(4).fill(await draw(64, 48, 3).jpeg().toBuffer())));
    const camera = ['--use-fake-device-for-media-stream', `--use-file-for-fake-video-capture=${film}`];
    browser = await openBrowser(this, camera);
    page = await browser.newPage();
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      if (!request.url().startsWith(serving.url)) strayRequests.push(request.url());
    });
    await page.goto(`${serving.url}?threads=2`);
    await page.waitForSelector('#progress', { state: 'hidden' });
  });
  after(async () => {
    await browser?.close();
    await serving?.interrupt();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Card {
    readonly text: string;
    readonly scores: Readonly<Record<string, number>>;
  }

  /** The cards of files that are chosen with the picker, in the order of the list. */
  async function choose(...files: readonly string[]): Promise<Card[]> {
    await page.setInputFiles('#picker', files);
    await page.waitForSelector('#results .waiting', { state: 'detached' });
    const cards = await page.evaluate<Card[]>(readCards);
    await page.click('#clear');
    return cards;
  }

  /** A picture of waves and noise, raw. */
  function draw(width: number, height: number, channels: 3 | 4): Sharp {
    const rng = createRng(width);
    const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => {
      const x = Math.floor(i / channels) % width;
      if (i % channels === 3) return x < 8 ? 0 : rng.integer(256);
      return 110 + 80 * Math.sin(x / (3 + (i % channels))) + rng.integer(60);
    });
    return sharp(pixels, { raw: { width, height, channels } });
  }

  async function expectAsCommandLine(
    images: Readonly<Record<string, Buffer>>,
    tolerance: number,
  ): Promise<Prediction[]> {
    const files = Object.entries(images).map(([name, bytes]) => {
      const file = path.join(folder, name);
      writeFileSync(file, bytes);
      return file;
    });
    const [cards, predictions] = await Promise.all([
      choose(...files),
      graftJson<Prediction[]>(['predict', '--model', model, '--device', 'cpu', ...files]),
    ]);
    expect(cards).to.have.length(files.length);
    for (const [i, { label, scores, input }] of predictions.entries()) {
      const name = path.basename(input);
      expect(cards[i]!.text, name)
        .to.include(name)
        .and.satisfy((text: string) => text.startsWith(label!));
      const shown = Object.entries(cards[i]!.scores);
      expect(shown, name).to.have.length(5);
      for (const [own, score] of shown) {
        expect(score, `${name}: ${own}`).to.be.closeTo(scores![own]!, tolerance);
      }
    }
    return predictions;
  }

  it('gives the probabilities of graft predict for PNG: plain, grey, transparent, with a profile', async () => {
    await expectAsCommandLine(
      {
        'plain.png': await draw(70, 50, 3).png().toBuffer(),
        'grey.png': await draw(50, 90, 3).grayscale().png().toBuffer(),
        'transparent.png': await draw(61, 47, 4).png().toBuffer(),
        'profile.png': await draw(48, 48, 3).withIccProfile('p3').png().toBuffer(),
        'tiny.png': await draw(3, 5, 3).png().toBuffer(),
      },
      1e-5,
    );
  });

  it('gives them for JPEG and WebP too: baseline, progressive, turned by EXIF', async () => {
    const turned = await draw(120, 60, 3).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const predictions = await expectAsCommandLine(
      {
        'baseline.jpg': await draw(200, 150, 3).jpeg({ quality: 80 }).toBuffer(),
        'large.jpg': await draw(900, 700, 3).jpeg({ progressive: true }).toBuffer(),
        'turned.jpg': turned,
        'as-stored.jpg': await sharp(turned).jpeg({ quality: 100 }).toBuffer(),
        'lossy.webp': await draw(150, 100, 3).webp().toBuffer(),
      },
      // Decoders may differ by a level; Chromium's do not.
      1e-3,
    );
    const [upright, stored] = ['turned.jpg', 'as-stored.jpg'].map((name) =>
      predictions.find(({ input }) => input.endsWith(name)),
    );
    expect(upright!.scores!.ash).not.to.be.closeTo(stored!.scores!.ash!, 0.01);
  });

  it('turns a WebP as its EXIF says', async () => {
    const images: Record<string, Buffer> = {};
    for (let orientation = 1; orientation <= 8; orientation++) {
      const stored = draw(60, 45, 3).withMetadata({ orientation });
      images[`turned-${orientation}.webp`] = await stored.webp({ lossless: true }).toBuffer();
    }
    const predictions = await expectAsCommandLine(images, 1e-5);
    expect(new Set(predictions.map(({ score }) => score!.toFixed(4))).size).to.be.greaterThan(4);
  });

  it('refuses an image of too many pixels by its header, before it is decoded', async () => {
    const file = path.join(folder, 'bomb.png');
    const bomb = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    bomb.writeUInt32BE(60_000, 16);
    bomb.writeUInt32BE(60_000, 20);
    writeFileSync(file, bomb);
    expect((await choose(file))[0]!.text).to.match(/^The image has more than 178956970 pixels/);
  });

  it('shows a small picture of an image that EXIF turns, upright', async () => {
    const file = path.join(folder, 'on-its-side.jpg');
    const half = { create: { width: 300, height: 400, channels: 3, background: 'red' } } as const;
    const image = sharp(half).extend({ right: 300, background: 'blue' });
    writeFileSync(file, await image.withMetadata({ orientation: 6 }).jpeg().toBuffer());
    await page.setInputFiles('#picker', file);
    await page.waitForSelector('#results canvas');
    // As it is seen: what a canvas reads of another may be turned once more.
    const seen = await page.locator('#results canvas').screenshot();
    const { data, info } = await sharp(seen).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const colourAt = (y: number): number[] => {
      const at = 3 * (y * info.width + (info.width >> 1));
      return [...data.subarray(at, at + 3)].map((level) => (level > 128 ? 1 : 0));
    };
    expect([colourAt(9), colourAt(info.height - 9)]).to.deep.equal([
      [1, 0, 0],
      [0, 0, 1],
    ]);
    await page.click('#clear');
  });

  it('shows labels as text, never as markup', async () => {
    const file = path.join(folder, 'plain.png');
    writeFileSync(file, await draw(70, 50, 3).png().toBuffer());
    const [card] = await choose(file);
    expect(Object.keys(card!.scores)).to.include(hostile);
    expect(await page.$$('#results img')).to.deep.equal([]);
    expect(await page.title()).to.equal('model.onnx · Graft');
  });

  it('says what is wrong with a file beside the answers for the others', async () => {
    const good = path.join(folder, 'good.png');
    const broken = path.join(folder, 'broken.jpg');
    const other = path.join(folder, 'other.png');
    const empty = path.join(folder, 'empty.png');
    writeFileSync(good, await draw(40, 40, 3).png().toBuffer());
    writeFileSync(broken, (await draw(300, 300, 3).jpeg().toBuffer()).subarray(0, 2000));
    writeFileSync(other, 'GIF, or so it says');
    writeFileSync(empty, '');
    const cards = await choose(broken, good, other, empty);
    expect(cards[0]!.text).to.match(/JPEG is truncated or damaged/);
    expect(Object.keys(cards[1]!.scores)).to.have.length(5);
    expect(cards[2]!.text).to.match(/not an image of a known format/);
    expect(cards[3]!.text).to.match(/empty file/);
  });

  it('gives up what waits when the list is cleared', async () => {
    const image = await draw(40, 40, 3).png().toBuffer();
    const files = Array.from({ length: 40 }, (_, i) => path.join(folder, `waits-${i}.png`));
    const last = path.join(folder, 'last.png');
    for (const file of [...files, last]) writeFileSync(file, image);
    await page.evaluate(`
      announced = [];
      watching = new MutationObserver(() => announced.push(announcer.textContent));
      document.getElementById('picker').addEventListener('change', () => {
        document.getElementById('clear').click();
        watching.observe(announcer, { childList: true });
      }, { once: true });`);
    await page.setInputFiles('#picker', files);
    expect(await choose(last)).to.have.length(1);
    const announced = await page.evaluate<string[]>('watching.disconnect(), announced');
    expect(announced.filter((text) => !text.startsWith('last.png'))).to.deep.equal([]);
  });

  it('labels texts as graft predict does, for a model that takes texts', async () => {
    const file = path.join(folder, 'text.onnx');
    writeFileSync(file, exportedTextModel(['good', 'bad', 'neither']));
    const own = await serve(file);
    const tab = await browser.newPage();
    try {
      tab.on('console', (message) => complaints.push(message.text()));
      await tab.goto(own.url);
      const texts = [
        'This film was GREAT, and the card is fine!',
        'poor  café 😀\nunheard-of words',
        'it'.repeat(90),
        'this film is bad '.repeat(20),
      ];
      for (const text of texts) {
        await tab.fill('#text', text);
        await tab.press('#text', 'Enter');
      }
      await tab.waitForSelector('#results .waiting', { state: 'detached' });
      const cards = await tab.evaluate<Card[]>(readCards);
      const predictions = await graftJson<Prediction[]>(['predict', '--model', file, ...texts]);
      expect(cards).to.have.length(texts.length);
      for (const [i, { scores, label }] of predictions.entries()) {
        const { text, scores: shown } = cards[texts.length - 1 - i]!;
        expect(text).to.satisfy((start: string) => start.startsWith(label!));
        const isLong = texts[i]!.length > 180;
        expect(text.includes('longer than the 24 tokens that the model reads'), texts[i]).to.equal(isLong);
        for (const name of ['good', 'bad', 'neither']) {
          expect(shown[name], texts[i]).to.be.closeTo(scores![name]!, 1e-5);
        }
      }
      expect(new Set(predictions.map(({ score }) => score)).size).to.equal(texts.length);
      expect(await tab.isVisible('#drop')).to.equal(false);
    } finally {
      await tab.close();
      await own.interrupt();
    }
  });

  it('has two boxes for a model that takes pairs of texts, and labels them as graft predict does', async () => {
    const file = path.join(folder, 'pairs.onnx');
    writeFileSync(file, exportedTextModel(['good', 'bad', 'neither'], { takesPairs: true }));
    const own = await serve(file);
    const tab = await browser.newPage();
    try {
      tab.on('console', (message) => complaints.push(message.text()));
      await tab.goto(own.url);
      const pairs = [
        ['This film was GREAT', 'and the card is fine!'],
        ['poor film', 'this film is bad '.repeat(20)],
      ];
      await tab.fill('#text', 'alone');
      await tab.press('#text', 'Enter');
      expect(await tab.evaluate<string>('document.activeElement.id')).to.equal('second');
      expect(await tab.isVisible('#results-section')).to.equal(false);
      for (const [first, second] of pairs) {
        await tab.fill('#text', first!);
        await tab.fill('#second', second!);
        await tab.press('#second', 'Enter');
      }
      await tab.waitForSelector('#results .waiting', { state: 'detached' });
      const cards = await tab.evaluate<Card[]>(readCards);
      const predictions = await graftJson<Prediction[]>(['predict', '--model', file, ...pairs.flat()]);
      expect(cards).to.have.length(2);
      for (const [i, { scores }] of predictions.entries()) {
        const { text, scores: shown } = cards[1 - i]!;
        expect(text.includes('longer than the 24 tokens that the model reads')).to.equal(i === 1);
        for (const name of ['good', 'bad', 'neither'])
          expect(shown[name]).to.be.closeTo(scores![name]!, 1e-5);
      }
      expect(await tab.innerText('#facts')).to.include('pairs of texts, up to 24 tokens');
    } finally {
      await tab.close();
      await own.interrupt();
    }
  });

  it('labels what the camera sees until it is stopped or switched off', async () => {
    await page.context().grantPermissions(['camera']);
    await page.click('#camera');
    await page.waitForSelector('#live .answer');
    const [seen, frame] = await page.evaluate<[Card, string]>(readCamera);
    await page.click('#camera');
    expect(await page.isVisible('#camera-section')).to.equal(false);
    const file = path.join(folder, 'frame.png');
    writeFileSync(file, Buffer.from(frame, 'base64'));
    const [card] = await choose(file);
    expect(Object.keys(seen.scores)).to.have.length(5);
    for (const [name, score] of Object.entries(seen.scores)) {
      expect(score, name).to.be.closeTo(card!.scores[name]!, 1e-5);
    }
    await page.click('#camera');
    await page.waitForSelector('#live .answer');
    await page.evaluate("video.srcObject.getTracks()[0].dispatchEvent(new Event('ended'))");
    expect(await page.innerText('#camera-section')).to.equal('The camera was switched off.');
    expect(await page.innerText('#camera')).to.equal('Use the camera');
  });

  it('says what to do where the camera may not be used', async () => {
    await page.context().clearPermissions();
    await page.click('#camera');
    await page.waitForSelector('#camera-note:not(:empty)');
    expect(await page.innerText('#camera-section')).to.match(/^The camera may not be used: allow it/);
    expect(await page.textContent('#announcer')).to.match(/camera may not be used/);
    expect(await page.isEnabled('#camera')).to.equal(true);
  });

  it('runs on WebAssembly with threads and says why not on WebGPU', async () => {
    expect(await page.evaluate('crossOriginIsolated')).to.equal(true);
    expect(await page.textContent('#state')).to.match(/^WebAssembly, 2 threads\. Not WebGPU: .+\.$/);
  });

  it('asks nobody but its server, and breaks no rule of its own', () => {
    expect(strayRequests).to.deep.equal([]);
    expect(complaints).to.deep.equal([]);
  });
});

/** These are run in the page. */
const readCard = `((card) => ({
  text: card.textContent,
  scores: Object.fromEntries([...card.querySelectorAll('tr')].map((row) => [
    row.querySelector('th').textContent,
    Number(row.querySelector('data').value),
  ])),
}))`;
const readCards = `[...document.querySelectorAll('#results > li')].map(${readCard})`;
/** With the frame as PNG in base64. */
const readCamera = `(() => {
  const canvas = document.createElement('canvas');
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext('2d').drawImage(video, 0, 0);
  return [${readCard}(live), canvas.toDataURL().split(',')[1]];
})()`;
