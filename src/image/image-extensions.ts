/** Which files of a folder are taken for images, by their extension. */

const imageExtensions: ReadonlySet<string> = new Set([
  'avif',
  'bmp',
  'gif',
  'jpe',
  'jpeg',
  'jfif',
  'jpg',
  'pbm',
  'pgm',
  'png',
  'pnm',
  'ppm',
  'svg',
  'tif',
  'tiff',
  'webp',
]);

/** @example isImagePath('cats/Tom.JPG') // true */
export function isImagePath(path: string): boolean {
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  const dot = name.lastIndexOf('.');
  // A leading dot hides a file (macOS leaves "._photo.jpg" beside "photo.jpg"); it is not an extension either.
  return dot > 0 && !name.startsWith('.') && imageExtensions.has(name.slice(dot + 1).toLowerCase());
}
