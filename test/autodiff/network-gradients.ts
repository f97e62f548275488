/** Compares the gradients of an exported network with those that PyTorch computed; see make-network-gradients.py. */
import { readFile } from 'node:fs/promises';
import { differentiate } from '../../src/autodiff/differentiate.js';
import { dropInitializerInputs } from '../../src/graph/drop-initializer-inputs.js';
import { node, tensorValue, type Model } from '../../src/onnx/ir.js';
import { readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import type { Tensor } from '../../src/tensor/tensor.js';

export interface GradientDifference {
  readonly name: string;
  /** ‖ours − theirs‖ / ‖theirs‖ */
  readonly relative: number;
}

/** @param stem - path without .onnx and .safetensors */
export async function compareNetworkGradients(stem: string): Promise<GradientDifference[]> {
  const { tensors } = decodeSafetensors(await readFile(`${stem}.safetensors`), stem);
  const bare = dropInitializerInputs(await readModel(`${stem}.onnx`));
  const model = withLoss(bare, tensors.get('weighting')!);
  const feeds: Record<string, Tensor> = {};
  for (const { name } of model.graph.inputs) feeds[name] = tensors.get(name)!;
  const inputDims = new Map(Object.entries(feeds).map(([name, { dims }]) => [name, dims]));
  const shapes = await probeShapes(model, { inputDims });
  const parameters = [...tensors.keys()]
    .filter((name) => name.startsWith('grad/'))
    .map((name) => name.slice(5));
  const opset = model.opsets.get('')!;
  const { graph, gradients } = differentiate(model.graph, { loss: 'loss', parameters, shapes, opset });
  const session = await openSession(encodeModel({ ...model, graph }));
  try {
    const outputs = await session.run(feeds);
    const largest = Math.max(...parameters.map((name) => norm(tensors.get(`grad/${name}`)!)));
    const differences: GradientDifference[] = [
      { name: 'loss', relative: relativeDifference(outputs['loss']!, tensors.get('loss')!, 0) },
    ];
    for (const [name, gradient] of gradients) {
      differences.push({
        name,
        relative: relativeDifference(outputs[gradient]!, tensors.get(`grad/${name}`)!, largest),
      });
    }
    return differences;
  } finally {
    await session.release();
  }
}

/** The loss Σ output · weighting; `weighting` becomes an input. */
function withLoss(model: Model, weighting: Tensor): Model {
  const { graph } = model;
  const output = graph.outputs[0]!.name;
  const sum = node({
    opType: 'ReduceSum',
    inputs: ['weighted'],
    outputs: ['loss'],
    attributes: new Map([['keepdims', { kind: 'int', value: 0n }]]),
  });
  return {
    ...model,
    graph: {
      ...graph,
      inputs: [...graph.inputs, tensorValue('weighting', 'float32', weighting.dims)],
      nodes: [
        ...graph.nodes,
        node({ opType: 'Mul', inputs: [output, 'weighting'], outputs: ['weighted'] }),
        sum,
      ],
      outputs: [tensorValue('loss', 'float32', [])],
    },
  };
}

/**
 * Where a gradient vanishes for mathematical reasons (the bias of attention's keys) both sides are rounding noise: the
 * scale is then what rounding can reach beside the largest gradient of the network.
 */
function relativeDifference(ours: Tensor, theirs: Tensor, largest: number): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < theirs.data.length; i++) {
    const expected = Number(theirs.data[i]);
    difference += (Number(ours.data[i]) - expected) ** 2;
    size += expected ** 2;
  }
  if (ours.data.length !== theirs.data.length) return Infinity;
  return Math.sqrt(difference) / Math.max(Math.sqrt(size), 1e-2 * largest);
}

function norm({ data }: Tensor): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += Number(data[i]) ** 2;
  return Math.sqrt(sum);
}
