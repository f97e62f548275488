/** Where an image's pixels go: the resized size, and the window of it that the backbone sees. */
import type { PixelShape, PreprocessSpec } from '../models/preprocess-spec.js';

export interface ResizePlan {
  /** Size of the whole image after the resize. */
  readonly width: number;
  readonly height: number;
  /** The output's top left corner in the resized image; negative where the output is padded with black. */
  readonly left: number;
  readonly top: number;
}

/**
 * `fill` stretches; `cover` fills the box and cuts the rest off evenly; `contain` fits inside and pads with black
 * evenly; `shortest-edge` gives the shorter side min(width, height) and the other one its share, rounded down as
 * torchvision and Hugging Face do. Crops start where `crop.margins` says; one larger than the image is padded with black.
 */
export function planResize(
  { resize, crop }: PreprocessSpec,
  image: { readonly width: number; readonly height: number },
  output: PixelShape,
): ResizePlan {
  let { width, height } = image;
  let box = image;
  if (resize) {
    box = resize;
    if (resize.fit === 'fill') ({ width, height } = resize);
    else if (resize.fit === 'shortest-edge') {
      const edge = Math.min(resize.width, resize.height);
      const [short, long] = width < height ? [width, height] : [height, width];
      const other = Math.floor((edge * long) / short);
      [width, height] = width < height ? [edge, other] : [other, edge];
      box = { width, height };
    } else {
      const ratios = [resize.width / width, resize.height / height] as const;
      const ratio = resize.fit === 'cover' ? Math.max(...ratios) : Math.min(...ratios);
      width = ratio === ratios[0] ? resize.width : Math.max(1, Math.round(width * ratio));
      height = ratio === ratios[1] ? resize.height : Math.max(1, Math.round(height * ratio));
    }
  }
  const cropped = crop ?? output;
  if (crop?.margins === 'even') {
    return {
      width,
      height,
      left: evenMargin(width - cropped.width),
      top: evenMargin(height - cropped.height),
    };
  }
  // Two centred windows: the box in the resized image, then the crop in the box.
  const inside = (outer: number, inner: number): number => Math.floor((outer - inner) / 2);
  return {
    width,
    height,
    left: inside(width, box.width) + inside(box.width, cropped.width),
    top: inside(height, box.height) + inside(box.height, cropped.height),
  };
}

/** Half of what is cut off, to the even number of two that are as near; of what is added, below 0, the half nearer to 0. */
function evenMargin(pixels: number): number {
  const half = Math.trunc(pixels / 2);
  return pixels > 0 && pixels % 2 === 1 ? half + (half % 2) : half;
}
