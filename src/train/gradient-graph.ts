/** A forward graph whose gradient of the logits is known becomes one that computes the gradient of every parameter. */
import { differentiate } from '../autodiff/differentiate.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { probeShapes } from '../runtime/probe-shapes.js';
import type { TensorMap } from '../runtime/session.js';

/** Opset of every graph that training builds. */
export const trainingOpset = 17;

export interface GradientGraph {
  readonly model: Model;
  /** Output that holds the gradient of each parameter, by parameter. */
  readonly gradients: ReadonlyMap<string, string>;
}

export interface GradientGraphInput {
  readonly logits: string;
  /** Value that holds the gradient of the loss by the logits, of their shape. */
  readonly dLogits: string;
  readonly parameters: readonly string[];
  /** Small real sizes of the inputs, for a probe run on zeros. */
  readonly inputDims: ReadonlyMap<string, readonly number[]>;
  /** Inputs that zeros would not do for. */
  readonly feeds?: TensorMap | undefined;
}

/**
 * The loss is differentiated by hand as far as the logits, where a closed form is both shorter and more exact; the
 * head is differentiated by rule.
 */
export async function buildGradientGraph(
  builder: GraphBuilder,
  { logits, dLogits, parameters, inputDims, feeds = {} }: GradientGraphInput,
): Promise<GradientGraph> {
  const shapes = await probeShapes(builder.model(), { inputDims, feeds });
  const { graph, gradients } = differentiate(builder.graph(), {
    loss: logits,
    seed: dLogits,
    parameters,
    shapes,
    opset: trainingOpset,
  });
  return { model: builder.model({ graph }), gradients };
}
