export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** Pixels of one image: uint8 [height, width, channels], rows from the top. */
export interface DecodedImage extends ImageSize {
  readonly channels: 1 | 3;
  readonly data: Uint8Array;
}

/** The size from which Pillow too refuses an image as a decompression bomb. */
export const maxImagePixels = 178_956_970;
