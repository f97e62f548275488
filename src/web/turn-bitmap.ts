/** Of each EXIF orientation, where a step to the right and one down go to: (x, y) each. */
const steps: Readonly<Record<number, readonly [number, number, number, number]>> = {
  2: [-1, 0, 0, 1],
  3: [-1, 0, 0, -1],
  4: [1, 0, 0, -1],
  5: [0, 1, 1, 0],
  6: [0, 1, -1, 0],
  7: [0, -1, -1, 0],
  8: [0, -1, 1, 0],
};

/** The image upright; itself where it is, or where there is no such orientation. Otherwise `bitmap` is closed. */
export function turnBitmap(bitmap: ImageBitmap, orientation: number): ImageBitmap {
  const step = steps[orientation];
  if (!step) return bitmap;
  const { width, height } = bitmap;
  const canvas = orientation > 4 ? new OffscreenCanvas(height, width) : new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d', { colorSpace: 'srgb' })!;
  context.setTransform(...step, canvas.width / 2, canvas.height / 2);
  context.drawImage(bitmap, -width / 2, -height / 2);
  bitmap.close();
  return canvas.transferToImageBitmap();
}
