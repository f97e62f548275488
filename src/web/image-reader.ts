/** Images and camera frames to the one tensor that an image model takes. */
import { toChannels, writeImage } from '../image/write-image.js';
import { pixelShape } from '../models/pixel-shape.js';
import type { TensorMap } from '../runtime/session.js';
import type { ImageInput } from '../serve/served-model.js';
import { decodeBlob, readPixels } from './decode-blob.js';
import type { InputReader } from './input-reader.js';

const thumbnailSize = 192;

export function openImageReader({ preprocess }: ImageInput): InputReader {
  const { channels, height, width } = pixelShape(preprocess);
  const dims = preprocess.layout === 'nchw' ? [1, channels, height, width] : [1, height, width, channels];
  const feed = (name: string, fill: (pixels: Float32Array) => void): TensorMap => {
    const data = new Float32Array(channels * height * width);
    fill(data);
    return { [name]: { dtype: 'float32', dims, data } };
  };
  return {
    trial: (name) =>
      feed(name, (pixels) => {
        for (let i = 0; i < pixels.length; i++) pixels[i] = Math.sin(i * 0.01);
      }),
    async read(input, name) {
      const bitmap = input instanceof ImageBitmap ? input : await decodeBlob(input as Blob, preprocess);
      try {
        const image = toChannels(readPixels(bitmap, preprocess), preprocess);
        const feeds = feed(name, (pixels) => writeImage(image, preprocess, pixels));
        return { feeds, thumbnail: drawThumbnail(bitmap) };
      } finally {
        bitmap.close();
      }
    },
  };
}

/** At least `thumbnailSize` on the shorter side, unless the image is smaller. */
function drawThumbnail(bitmap: ImageBitmap): ImageBitmap {
  const factor = Math.min(1, thumbnailSize / Math.min(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * factor));
  const height = Math.max(1, Math.round(bitmap.height * factor));
  // A bitmap of a bitmap would lie on its side in Chromium, where EXIF turns the image.
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'medium';
  context.drawImage(bitmap, 0, 0, width, height);
  return canvas.transferToImageBitmap();
}
