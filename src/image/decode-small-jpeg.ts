/**
 * Small JPEGs in WebAssembly: for 100 x 100 pixels, libvips takes 0.8 ms and two other threads to set up and run what
 * libjpeg-turbo decodes in 0.15 ms where it is called. Both are libjpeg-turbo, so the pixels are the same (but for levels
 * far outside 0 to 255, which damage alone makes: vector code clips them, plain code wraps). Whatever is
 * not a plain, upright, intact JPEG of few pixels is left to libvips, and what is wrong with it for libvips to tell.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type openModule from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs';
import type { JpegDecoder } from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs';
import type { DecodedImage } from './decoded-image.js';
import { readJpegFrame } from './image-format.js';

/** Up to here it is faster (512 x 384 takes 1.2 ms instead of 1.4); above, libvips' native code is. */
const mostPixels = 2 ** 17;
/** A JPEG of so few pixels that is larger than this is no usual one. */
const mostBytes = 2 ** 20;

// The part of the platform that is used: the types of Node leave it to those of the browser.
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  Instance: new (module: object, imports: object) => object;
};

const require = createRequire(import.meta.url);
let opening: Promise<JpegDecoder> | undefined;
let compiling: Promise<object> | undefined;

/** The pixels, uint8 [height, width, 1 or 3], or undefined where libvips has to look at it. */
export async function decodeSmallJpeg(
  bytes: Uint8Array,
  maxPixels: number,
): Promise<DecodedImage | undefined> {
  const frame = readJpegFrame(bytes);
  if (!frame || frame.mayBeTurned || frame.precision !== 8 || bytes.length > mostBytes) return undefined;
  const { width, height, components: channels } = frame;
  if ((channels !== 1 && channels !== 3) || width * height > Math.min(mostPixels, maxPixels))
    return undefined;
  const decoder = await (opening ??= openDecoder());
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    // Of the frame's size: whatever libjpeg-turbo would read in another way than `readJpegFrame`, it warns of.
    const data = decoder.getDecodedBuffer();
    // The next image is decoded into the same memory.
    return { width, height, channels, data: data.slice() };
  } catch {
    // After an error nothing is known of its memory.
    opening = undefined;
    return undefined;
  }
}

async function openDecoder(): Promise<JpegDecoder> {
  // `import` would search these 57 kB for their exports, in every thread anew.
  const open = require('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs') as typeof openModule;
  const module = await (compiling ??= compile());
  const { JPEGDecoder } = await open({
    instantiateWasm(imports, receive) {
      receive(new WebAssembly.Instance(module, imports));
      return {};
    },
  });
  return new JPEGDecoder();
}

/** Once: compiling takes several times as long as a decoder that is opened again after a damaged image. */
async function compile(): Promise<object> {
  const file = require.resolve('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm');
  return WebAssembly.compile(await readFile(file));
}
