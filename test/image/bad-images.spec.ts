import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'chai';
import type { Sharp } from 'sharp';
import { GraftError } from '../../src/errors.js';
import { type DecodedImage, type DecodeOptions, decodeImage } from '../../src/image/decode-image.js';
import { createRng } from '../../src/rng.js';
import { draw } from './read-pixels.js';

/** The image, or the message of the refusal; anything else that is thrown is a bug and goes on. */
async function decodeOrRefusal(bytes: Uint8Array, options?: DecodeOptions): Promise<DecodedImage | string> {
  try {
    return await decodeImage(bytes, options);
  } catch (error) {
    if (error instanceof GraftError && error.code === 'INVALID_IMAGE') return error.message;
    throw error;
  }
}

async function expectRefusal(bytes: Uint8Array, reason: RegExp, options?: DecodeOptions): Promise<void> {
  const outcome = await decodeOrRefusal(bytes, options);
  expect(outcome).to.be.a('string');
  expect(outcome).to.match(reason);
}

const picture = draw(40, 30, (x, y) => [(x * 6) % 256, (y * 8) % 256, ((x + y) * 13) % 256]);
const encoders: readonly (readonly [string, (image: Sharp) => Sharp])[] = [
  ['JPEG', (image) => image.jpeg()],
  ['progressive JPEG', (image) => image.jpeg({ progressive: true })],
  ['PNG', (image) => image.png()],
  ['WebP', (image) => image.webp()],
  ['lossless WebP', (image) => image.webp({ lossless: true })],
  ['AVIF', (image) => image.avif({ effort: 0 })],
  ['GIF', (image) => image.gif()],
  ['TIFF', (image) => image.tiff({ compression: 'lzw' })],
];

describe('Bad images', () => {
  for (const [kind, start] of [
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1'],
    ['JPEG XL', '\xff\x0a\xfa\x1f'],
    ['JPEG 2000', '\0\0\0\x0cjP  \r\n\x87\n'],
    ['a PDF', '%PDF-1.7'],
  ] as const) {
    it(`of a kind that is not read are named: ${kind}`, async () => {
      const bytes = Buffer.from(start.padEnd(64, '\0'), 'latin1');
      await expectRefusal(bytes, new RegExp(`^The image is ${kind}, which is not read; convert it to JPEG`));
    });
  }

  it('that Git has not fetched are told to be pointers', async () => {
    const pointer = Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n');
    await expectRefusal(pointer, /is a Git LFS pointer; fetch the image itself with "git lfs pull"/);
  });

  for (const [name, encode] of encoders) {
    it(`cut off anywhere are refused, or give the whole picture, for ${name}`, async () => {
      const bytes = await encode(picture.clone()).toBuffer();
      const whole = await decodeImage(bytes);
      const step = Math.max(1, Math.floor(bytes.length / 80));
      let [cuts, refused] = [0, 0];
      for (let length = 1; length < bytes.length; length += step, cuts++) {
        const outcome = await decodeOrRefusal(bytes.subarray(0, length));
        if (typeof outcome === 'string') refused++;
        else
          expect(Buffer.compare(outcome.data, whole.data), `cut at ${length} of ${bytes.length}`).to.equal(0);
      }
      expect(refused).to.be.above(0.8 * cuts);
    });

    it(`with changed bytes are refused or decoded, never worse, for ${name}`, async () => {
      const bytes = await encode(picture.clone()).toBuffer();
      const rng = createRng(11);
      for (let i = 0; i < 60; i++) {
        const changed = Uint8Array.from(bytes);
        for (let k = 0; k <= i % 5; k++) changed[rng.integer(bytes.length)] = rng.integer(256);
        const outcome = await decodeOrRefusal(changed, { maxPixels: 1e6 });
        if (typeof outcome !== 'string') {
          expect(outcome.data).to.have.length(outcome.width * outcome.height * outcome.channels);
        }
      }
    });
  }

  it('of no bytes, of text and of other formats are refused for what they are', async () => {
    await expectRefusal(new Uint8Array(), /empty file/);
    await expectRefusal(Buffer.from('Dear aunt,'), /10 bytes are not an image of a known format/);
    await expectRefusal(Buffer.from('PK\x03\x04 and so on'), /not an image of a known format/);
    await expectRefusal(new Uint8Array(4096), /not an image of a known format/);
    await expectRefusal(Buffer.from('<html><body>404 Not Found</body></html>'), /a page of HTML/);
  });

  it('that are images of another format than their name says are simply read', async () => {
    const { width, height } = await decodeImage(await picture.clone().webp().toBuffer());
    expect([width, height]).to.deep.equal([40, 30]);
  });

  describe('that claim many pixels', () => {
    it('are refused before they are unpacked, for PNG', async () => {
      const png = await draw(4, 4, () => [0, 0, 0])
        .png()
        .toBuffer();
      const header = Buffer.from(png);
      header.writeUInt32BE(60_000, 16);
      header.writeUInt32BE(60_000, 20);
      header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
      const before = process.memoryUsage().rss;
      await expectRefusal(header, /more than 178956970 pixels/);
      expect(process.memoryUsage().rss - before).to.be.below(200 * 2 ** 20);
    });

    it('are refused by the limit that is given', async () => {
      for (const [, encode] of encoders) {
        const bytes = await encode(picture.clone()).toBuffer();
        await expectRefusal(bytes, /more than 1199 pixels/, { maxPixels: 1199 });
        expect(await decodeOrRefusal(bytes, { maxPixels: 1200 })).not.to.be.a('string');
      }
    });

    it('are refused at a lower size for SVG, whose drawing costs what its bytes do not show', async () => {
      const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9000" height="9000"/>';
      await expectRefusal(Buffer.from(svg), /more than 16777216 pixels/);
      await expectRefusal(Buffer.from(`<!--${' '.repeat(9_000_000)}-->${svg}`), /bytes, more than 8388608/);
    });
  });

  describe('of SVG', () => {
    const size =
      'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="8" height="8"';
    let folder: string;
    before(async () => {
      folder = mkdtempSync(path.join(tmpdir(), 'graft-svg-'));
      await draw(8, 8, () => [255, 0, 0])
        .png()
        .toFile(path.join(folder, 'secret.png'));
      writeFileSync(path.join(folder, 'secret.txt'), 'secret');
    });
    after(() => rmSync(folder, { recursive: true }));

    it('read no other file', async () => {
      const secret = path.join(folder, 'secret.png');
      for (const link of [`file://${secret}`, secret, path.relative(process.cwd(), secret)]) {
        for (const attribute of ['href', 'xlink:href']) {
          const svg = `<svg ${size}><image ${attribute}="${link}" width="8" height="8"/></svg>`;
          const outcome = await decodeOrRefusal(Buffer.from(svg));
          if (typeof outcome !== 'string') expect(Math.min(...outcome.data), svg).to.equal(255);
        }
      }
    });

    it('draw an image that they hold themselves', async () => {
      const data = (
        await draw(8, 8, () => [255, 0, 0])
          .png()
          .toBuffer()
      ).toString('base64');
      const svg = `<svg ${size}><image href="data:image/png;base64,${data}" width="8" height="8"/></svg>`;
      const { data: pixels } = await decodeImage(Buffer.from(svg));
      expect([...pixels.subarray(0, 3)]).to.deep.equal([255, 0, 0]);
    });

    it('include no other file by an entity', async () => {
      const entity = `<!DOCTYPE svg [<!ENTITY x SYSTEM "file://${path.join(folder, 'secret.txt')}">]>`;
      const plain = await decodeOrRefusal(Buffer.from(`<svg ${size}><text y="8">.</text></svg>`));
      const outcome = await decodeOrRefusal(
        Buffer.from(`${entity}<svg ${size}><text y="8">.&x;</text></svg>`),
      );
      if (typeof outcome !== 'string') expect(outcome).to.deep.equal(plain);
    });

    it('ask no server for anything', async () => {
      let requests = 0;
      const server = createServer((_request, response) => {
        requests++;
        response.end();
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      try {
        for (const body of [
          `<image href="${address}/a.png" width="8" height="8"/>`,
          `<style>@import url("${address}/a.css");</style><rect width="8" height="8"/>`,
          `<use href="${address}/a.svg#b"/>`,
          `<rect width="8" height="8" fill="url(${address}/a.svg#b)"/>`,
        ]) {
          await decodeOrRefusal(Buffer.from(`<svg ${size}>${body}</svg>`));
        }
        expect(requests).to.equal(0);
      } finally {
        server.close();
      }
    });

    it('that multiply entities or copy themselves end soon', async () => {
      const entities = Array.from(
        { length: 12 },
        (_, i) => `<!ENTITY e${i + 1} "${`&e${i};`.repeat(10)}">`,
      ).join('');
      const laughs = `<!DOCTYPE svg [<!ENTITY e0 "ha">${entities}]><svg ${size}><text>&e12;</text></svg>`;
      const loop = `<svg ${size}><g id="a"><use href="#a"/></g></svg>`;
      for (const svg of [laughs, loop]) await decodeOrRefusal(Buffer.from(svg));
    });
  });

  it('do not disturb good ones decoded at the same time', async () => {
    const good = await picture.clone().png().toBuffer();
    const whole = await decodeImage(good);
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        decodeOrRefusal(i % 3 === 0 ? good.subarray(0, 60 + i) : i % 3 === 1 ? new Uint8Array(i) : good),
      ),
    );
    for (const [i, outcome] of outcomes.entries()) {
      if (i % 3 === 2) expect(outcome).to.deep.equal(whole);
      else expect(outcome).to.be.a('string');
    }
  });
});
