/** The image input of a backbone and its preprocessing: named, found beside the model, or guessed. */
import { GraftError } from '../errors.js';
import { isPast } from '../graph/empty-pasts.js';
import { feedFloat32 } from '../graph/feed-float32.js';
import { inputScale } from '../graph/input-scale.js';
import { knownShape } from '../graph/plan-feeds.js';
import type { Logger } from '../logger.js';
import { guessPreprocess } from '../models/guess-preprocess.js';
import { exampleDims } from '../models/input-spec.js';
import { preparedValue } from '../models/model-metadata.js';
import type { PreprocessSpec } from '../models/preprocess-spec.js';
import { findPreprocess } from '../models/read-preprocess.js';
import type { Graph, Model, ValueInfo } from '../onnx/ir.js';
import { formatShape } from '../tensor/shape.js';
import type { FoundInput } from './find-input.js';

/** The one input that takes pixels, or as many as may be it. Of several, one of a single pixel is none. */
export function imageInputs(graph: Graph): ValueInfo[] {
  const images = graph.inputs.filter(
    (input) => input.type?.kind === 'tensor' && !isPast(input) && knownShape(graph, input)?.length === 4,
  );
  const ofColours = images.filter((input) => {
    const shape = knownShape(graph, input)!;
    const isOnePixel = shape.slice(1).filter((size) => size === 1).length >= 2;
    return !isOnePixel && [shape[1], shape[3]].some((size) => size === 1 || size === 3);
  });
  return images.length !== 1 && ofColours.length === 1 ? ofColours : images;
}

/** @throws GraftError INVALID_PREPROCESS where the preprocessing does not make what the input takes, UNSUPPORTED_MODEL for a file that prepares pixels itself. */
export async function findPixelInput(
  decoded: Model,
  image: ValueInfo,
  file: string,
  preprocess: string | undefined,
  logger: Logger,
): Promise<FoundInput> {
  if (preparedValue(decoded, file) !== undefined) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${file} prepares pixels itself, so that it is no backbone: take a file that was exported without --pixels.`,
    );
  }
  const found = await findPreprocess({
    ...(preprocess !== undefined && { preprocess }),
    modelPath: file,
    metadata: decoded.metadata,
    logger,
  });
  const { model, input: name } = feedFloat32(decoded, image.name);
  return {
    model,
    probe: { inputDims: found && new Map([[name, fedDims(found, image, file)]]) },
    what: 'image',
    names: [name],
    describe: (shapes) => ({
      kind: 'pixels',
      name,
      preprocess: found ?? guessSpec(decoded.graph, image, shapes.get(name)!, logger),
    }),
  };
}

function guessSpec(
  graph: Graph,
  { name, type }: ValueInfo,
  shape: readonly number[],
  logger: Logger,
): PreprocessSpec {
  const dtype = type?.kind === 'tensor' ? type.dtype : 'float32';
  const { spec, explanation } = guessPreprocess({ name, shape, dtype, scale: inputScale(graph, name) });
  logger.warn(explanation);
  return spec;
}

/** The input's shape for one image, checked against what the preprocessing makes. */
function fedDims(spec: PreprocessSpec, { name, type }: ValueInfo, file: string): readonly number[] {
  const declared = (type?.kind === 'tensor' ? type.shape : undefined) ?? [];
  const dims = exampleDims({ kind: 'pixels', name, preprocess: spec }).get(name)!;
  const fits =
    declared.length === 0 ||
    declared.every((dim, axis) => axis === 0 || typeof dim !== 'number' || dim <= 0 || dim === dims[axis]);
  if (!fits) {
    throw new GraftError(
      'INVALID_PREPROCESS',
      `Input "${name}" of ${file} takes ${formatShape(declared)} but the preprocessing makes ${formatShape(dims)}; ` +
        'give a spec with the right size, layout and channels with --preprocess.',
    );
  }
  return dims;
}
