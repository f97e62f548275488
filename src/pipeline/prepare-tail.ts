/** Cuts a prepared backbone once more, where training is to begin: what is cached, and what is trained on it. */
import { GraftError } from '../errors.js';
import { copyInputs } from '../graph/copy-inputs.js';
import { feedFloat32 } from '../graph/feed-float32.js';
import { asFloat32 } from '../graph/as-float32.js';
import { mixesExamples } from '../graph/mixes-examples.js';
import { trainableForm } from '../graph/trainable-form.js';
import { raiseOpset } from '../graph/opset/raise-opset.js';
import { type Making, madeOf } from '../graph/made-of.js';
import { splitAfter, type TrainableSplit } from '../graph/split-after.js';
import { type InputSpec, takesOne } from '../models/input-spec.js';
import type { Model } from '../onnx/ir.js';
import { sizeOf } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Tail } from '../train/tail.js';
import { assertFillable } from './assert-fillable.js';
import { findConstants, withConstants } from './find-constants.js';
import { packActivations } from './pack-activations.js';
import { findRows } from './find-rows.js';
import type { Backbone } from './prepare-backbone.js';

export interface UnfrozenBackbone {
  /** As it was given: up to the pooled features. */
  readonly backbone: Backbone;
  /** Computes the activations at the cut as one row, [batch, activations], in place of the features. */
  readonly frozen: Backbone;
  readonly tail: Tail;
}

/**
 * Texts are filled up to their greatest length, so that all activations have one shape; the masks that the tail reads are
 * cached with them.
 * @param unfreeze - value of the backbone after which everything is trained
 * @throws GraftError UNKNOWN_VALUE, or UNSUPPORTED_MODEL where the cut leaves nothing to train, or values cross it that
 *   have no batch axis.
 */
export async function prepareTail(backbone: Backbone, unfreeze: string): Promise<UnfrozenBackbone> {
  const { features: filled, input } = await ofOneLength(backbone);
  const features = trainableForm(filled);
  let cut = await examineCut(features, unfreeze, input);
  let remade: ReadonlyMap<string, Making> = new Map();
  if (cut.strange.length > 0) {
    // What has the size may be the image itself, and a cut is behind a node.
    const copied = input.kind === 'pixels' ? copyInputs(features) : features;
    remade = await remakeable(
      copied,
      cut.strange.filter((name) => name !== unfreeze),
      input,
    );
    if (remade.size > 0) cut = await examineCut(copied, unfreeze, input, remade);
  }
  const { split, shapes, constants, strange } = cut;
  if (strange.length > 0) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      (strange.includes(unfreeze)
        ? `"${unfreeze}" has no batch axis (its first one counts windows, steps or the like)`
        : `The layers after "${unfreeze}" also read "${strange[0]}", which has no batch axis`) +
        ', so its values cannot be cached an example each; unfreeze another layer.',
    );
  }
  const cached = split.crossing.filter((name) => !constants.has(name));
  const dims = cached.map((name) => shapes.get(name)!.slice(1));
  const dim = dims.reduce((sum, each) => sum + sizeOf(each), 0);
  const packed = packActivations(split.frozen, cached, dim, input.kind === 'tokens');
  const shared = [...split.tail.graph.initializers.keys()].filter((name) =>
    split.frozen.graph.initializers.has(name),
  );
  const { model, inputs } = takeFloats(asFloat32(withConstants(split.tail, constants), ['float16']), cached);
  if (mixesExamples(model) === 'reduction') {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The layers after "${unfreeze}" reduce a whole tensor to one number, as the mean of all examples of a run, so they cannot be ` +
        'trained on several; unfreeze a later layer, or export the model so that it reduces each example by itself.',
    );
  }
  return {
    backbone,
    frozen: {
      ...backbone,
      input,
      layer: cached.join(' + '),
      pool: 'none',
      dim,
      features: packed.model,
      outputName: packed.output,
    },
    tail: {
      model: newestRules(model),
      crossing: inputs.map((name, i) => ({ name, dims: dims[i]! })),
      output: backbone.outputName,
      dim: backbone.dim,
      // What the tail makes once more is made as before.
      frozenWeights: new Set([
        ...shared,
        ...constants.keys(),
        ...[...remade.values()].flatMap(({ way }) => [...way]),
      ]),
    },
  };
}

interface Cut {
  readonly split: TrainableSplit;
  /** Of the crossing values, of one example. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly constants: ReadonlyMap<string, Tensor>;
  /** Crossing values that are neither constant nor one row an example. */
  readonly strange: readonly string[];
}

async function examineCut(
  features: Model,
  unfreeze: string,
  input: InputSpec,
  remade: ReadonlyMap<string, Making> = new Map(),
): Promise<Cut> {
  const sources = new Map([...remade].map(([name, making]) => [name, making.sources]));
  const split = splitAfter(features, unfreeze, sources);
  const { names: rows, shapes } = await findRows(split.frozen, split.crossing, input).catch(
    (error: unknown) => {
      if (!takesOne(input) || !(error instanceof GraftError)) throw error;
      throw new GraftError(
        'UNSUPPORTED_MODEL',
        'The backbone takes one image a run, so its layers cannot be trained on several; export it with a free batch, or leave --unfreeze away.',
        { cause: error },
      );
    },
  );
  const others = split.crossing.filter((name) => !rows.has(name));
  const constants = await findConstants(split.frozen, others, input);
  return { split, shapes, constants, strange: others.filter((name) => !constants.has(name)) };
}

/** Of values without a row for each example those that the tail can make by itself, of such rows and of sizes. */
async function remakeable(
  model: Model,
  strange: readonly string[],
  input: InputSpec,
): Promise<ReadonlyMap<string, Making>> {
  const { graph } = model;
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const isComputed = (name: string): boolean => computed.has(name);
  const fed = new Set(graph.inputs.map(({ name }) => name));
  const copies = graph.nodes.filter(({ opType, inputs }) => opType === 'Identity' && fed.has(inputs[0]!));
  const copied = new Set(copies.map(({ outputs }) => outputs[0]!));
  // Of what the inputs alone are enough for, all that lies between them is a candidate.
  const ways = strange.flatMap((name) => [...(madeOf(graph, name, (each) => copied.has(each))?.way ?? [])]);
  const candidates = [...new Set(ways)].filter(isComputed);
  const rows = candidates.length > 0 ? (await findRows(model, candidates, input)).names : new Set<string>();
  const made = new Map<string, Making>();
  for (const name of strange) {
    const making = madeOf(graph, name, (each) => rows.has(each)) ?? madeOf(graph, name);
    if (making) made.set(name, making);
  }
  return made;
}

/** The same features from texts that are filled up to the greatest length; a cut may lie right behind the inputs. */
async function ofOneLength(backbone: Backbone): Promise<Pick<Backbone, 'features' | 'input'>> {
  const { features, input } = backbone;
  if (input.kind === 'pixels') return { features, input };
  if (input.inputs.isSingle) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `${backbone.path} takes one text a run, so its layers cannot be trained on several; export it with a free batch and without dynamic quantisation, or leave --unfreeze away.`,
    );
  }
  const inputs = { ...input.inputs, fixedLength: input.inputs.fixedLength ?? input.maxLength };
  const filled = { ...input, inputs };
  await assertFillable(backbone, filled);
  return { features: copyInputs(features), input: filled };
}

/** The tail with float32 inputs, cast to what it reads: masks are integers. */
function takeFloats(tail: Model, names: readonly string[]): { model: Model; inputs: string[] } {
  let model = tail;
  const inputs = names.map((name) => {
    const fed = feedFloat32(model, name, `${name}/cached`);
    model = fed.model;
    return fed.input;
  });
  return { model, inputs };
}

/** Losses and gradients are written for this operator set or a newer one. */
const trainingOpset = 17;

/** The tail on a newer operator set, where every operator can be raised; otherwise as it is. */
function newestRules(tail: Model): Model {
  if ((tail.opsets.get('') ?? trainingOpset) >= trainingOpset) return tail;
  try {
    return raiseOpset(tail, trainingOpset);
  } catch (error) {
    if (error instanceof GraftError) return tail;
    throw error;
  }
}
