/** Real shapes of values, found by running the model once. */
import { GraftError } from '../errors.js';
import { boundLoops } from '../graph/bound-loops.js';
import { type FeedOptions, hasOpenImageSize, hasOpenSoundLength, planFeeds } from '../graph/plan-feeds.js';
import { subgraphs } from '../onnx/attributes.js';
import { type Graph, type Model, node, type Node, tensorValue } from '../onnx/ir.js';
import { layOutModel } from '../onnx/lay-out-model.js';
import type { Tensor } from '../tensor/tensor.js';
import { openSession } from './open-session.js';
import type { Session, TensorMap } from './session.js';

export interface ProbeOptions extends FeedOptions {
  /** Values to measure; default: all. */
  readonly names?: readonly string[];
  /** Inputs to run on in place of zeros. */
  readonly feeds?: TensorMap;
}

/**
 * Image sizes to try where the model leaves them open: what most models can take comes first, then what is cheap. One that cannot
 * take a size may say so in its last node, and attention takes the fourth power of the size in memory.
 */
const imageSizes = [224, 256, 128, 64, 32, 384, 416, 512, 640];

/** The same for sounds: one window of a detector of speech, one second. */
const soundLengths = [undefined, 512, 16000];

/**
 * Shape of every value (or of `names`) for one run on an example, inputs and initializers included. Values that are
 * not tensors are left out.
 * @throws GraftError UNSUPPORTED_MODEL for a loop that takes forever; INVALID_MODEL or RUNTIME_FAILURE with onnxruntime's own words where the model does not run.
 */
export async function probeShapes(
  model: Model,
  options: ProbeOptions = {},
): Promise<Map<string, readonly number[]>> {
  const { graph } = model;
  const wanted = options.names ?? graph.nodes.filter(givesTensors).flatMap(({ outputs }) => outputs);
  const names = [...new Set(wanted)].filter((name) => name !== '');
  // Not the values but their shapes leave the run, so that the runtime may forget each value when it is used up.
  const shapeOf = new Map(names.map((name, i) => [`shape/${i}/${name}`, name]));
  const shapeNodes = [...shapeOf].map(([output, name]) =>
    node({ opType: 'Shape', name: output, inputs: [name], outputs: [output] }),
  );
  const measured: Model = {
    ...model,
    opsets: model.opsets.has('') ? model.opsets : new Map([...model.opsets, ['', 17]]),
    graph: {
      ...graph,
      nodes: [...graph.nodes, ...shapeNodes],
      outputs: [...shapeOf.keys()].map((output) => tensorValue(output, 'int64', [null])),
    },
  };
  const session = await openWhole(measured);
  try {
    const shapes = new Map<string, readonly number[]>();
    const given = Object.entries(options.feeds ?? {});
    const feeds = await runFirst(
      session,
      sizesToTry(graph, options),
      (sizes) => new Map([...planFeeds(graph, { ...options, ...sizes }), ...given]),
    );
    for (const [name, { dims }] of feeds.inputs) shapes.set(name, dims);
    for (const [name, { dims }] of graph.initializers) shapes.set(name, dims);
    for (const [output, { data }] of Object.entries(feeds.outputs)) {
      shapes.set(shapeOf.get(output)!, Array.from(data as BigInt64Array, Number));
    }
    return shapes;
  } finally {
    await session.release();
  }
}

/**
 * Unoptimised: fused nodes would hide the values between them. Some float16 models (a Cast of float16 to itself, as
 * converters leave it) are taken with optimisations alone, of which the basic ones keep what is looked at.
 */
async function openWhole(model: Model): Promise<Session> {
  const { source, release } = await layOutModel(boundLoops(model));
  try {
    return await openSession(source, { optimization: 'disabled', planMemory: false });
  } catch (error) {
    try {
      return await openSession(source, { optimization: 'basic', planMemory: false });
    } catch {
      throw error;
    }
  } finally {
    await release();
  }
}

function sizesToTry(graph: Graph, { imageSize, soundLength }: ProbeOptions): readonly FeedOptions[] {
  if (hasOpenImageSize(graph) && imageSize === undefined)
    return imageSizes.map((size) => ({ imageSize: size }));
  if (hasOpenSoundLength(graph) && soundLength === undefined)
    return soundLengths.map((length) => (length === undefined ? {} : { soundLength: length }));
  return [{}];
}

/** The first sizes that run; the first failure where none do. */
async function runFirst(
  session: Session,
  alternatives: readonly FeedOptions[],
  plan: (sizes: FeedOptions) => ReadonlyMap<string, Tensor>,
) {
  let failure: unknown;
  for (const sizes of alternatives) {
    const inputs = plan(sizes);
    const fed = [...inputs].filter(([name]) => session.inputNames.includes(name));
    try {
      return { inputs, outputs: await session.run(Object.fromEntries(fed)) };
    } catch (error) {
      if (!(error instanceof GraftError) || error.code === 'UNSUPPORTED_MODEL') throw error;
      failure ??= error;
    }
  }
  throw failure;
}

/** Whether all outputs of the node are tensors, as far as the format says; only tensors have shapes. */
function givesTensors(node: Node): boolean {
  if (
    /^(Sequence(Construct|Empty|Insert|Erase|Map)|SplitToSequence|Optional|OptionalGetElement|ZipMap)$/.test(
      node.opType,
    )
  )
    return false;
  return subgraphs(node).every(({ outputs, nodes }) =>
    outputs.every(({ type, name }) => {
      if (type !== undefined) return type.kind === 'tensor';
      const producer = nodes.find((inner) => inner.outputs.includes(name));
      return producer === undefined || givesTensors(producer);
    }),
  );
}
