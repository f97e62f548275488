/** Real shapes of values, found by running the model once. */
import { GraftError } from '../errors.js';
import { type FeedOptions, hasOpenImageSize, planFeeds } from '../graph/plan-feeds.js';
import { subgraphs } from '../onnx/attributes.js';
import { type Model, node, type Node, tensorValue } from '../onnx/ir.js';
import { encodeModel } from '../onnx/write-model.js';
import type { Tensor } from '../tensor/tensor.js';
import { openSession } from './open-session.js';
import type { Session, TensorMap } from './session.js';

export interface ProbeOptions extends FeedOptions {
  /** Values to measure; default: all. */
  readonly names?: readonly string[];
  /** Inputs to run on in place of zeros. */
  readonly feeds?: TensorMap;
}

/** Image sizes to try where the model leaves them open: what most models can take comes first. */
const imageSizes = [224, 256, 384, 416, 640, 512, 128, 64, 32];

/**
 * Shape of every value (or of `names`) for one run on an example, inputs and initializers included. Values that are
 * not tensors are left out.
 * @throws GraftError INVALID_MODEL or RUNTIME_FAILURE with onnxruntime's own words where the model does not run.
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
  // Unoptimised: fused nodes would hide the values between them.
  const session = await openSession(encodeModel(measured), { optimization: 'disabled' });
  try {
    const shapes = new Map<string, readonly number[]>();
    const sizes = hasOpenImageSize(graph) && !options.imageSize ? imageSizes : [options.imageSize ?? 224];
    const given = Object.entries(options.feeds ?? {});
    const feeds = await runFirst(
      session,
      sizes,
      (imageSize) => new Map([...planFeeds(graph, { ...options, imageSize }), ...given]),
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

/** The first size that runs; the first failure where none does. */
async function runFirst(
  session: Session,
  sizes: readonly number[],
  plan: (imageSize: number) => ReadonlyMap<string, Tensor>,
) {
  let failure: unknown;
  for (const size of sizes) {
    const inputs = plan(size);
    const fed = [...inputs].filter(([name]) => session.inputNames.includes(name));
    try {
      return { inputs, outputs: await session.run(Object.fromEntries(fed)) };
    } catch (error) {
      if (!(error instanceof GraftError)) throw error;
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
