import { expect } from 'chai';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { dropInitializerInputs } from '../../src/graph/drop-initializer-inputs.js';
import type { Model } from '../../src/onnx/ir.js';
import { readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { addGradients } from '../../src/pipeline/add-gradients.js';
import { openSession } from '../../src/runtime/open-session.js';
import { openWebSession } from '../../src/runtime/open-web-session.js';
import type { Session, TensorMap } from '../../src/runtime/session.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import type { Tensor } from '../../src/tensor/tensor.js';

async function runOn(open: (bytes: Uint8Array) => Promise<Session>, model: Model, feeds: TensorMap) {
  const session = await open(encodeModel(model));
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

function distance(a: Tensor, b: Tensor): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.data.length; i++) {
    difference += (Number(a.data[i]) - Number(b.data[i])) ** 2;
    size += Number(b.data[i]) ** 2;
  }
  return Math.sqrt(difference / size);
}

// Convolutions, pooling with indices, resizing; attention, embeddings, layer norm, masks.
const networks = ['residual-blocks-opset17-plain', 'fire-opset11', 'squeeze-excite-opset17', 'text-transformer-opset17-plain', 'vit-einsum-opset13-plain']; // prettier-ignore

describe('The gradients of a network', () => {
  for (const name of networks) {
    it(`are the same on onnxruntime-web's wasm as on the native runtime for ${name}`, async () => {
      const stem = path.resolve('test/fixtures/networks', name);
      const { tensors } = decodeSafetensors(await readFile(`${stem}.safetensors`), stem);
      const network = dropInitializerInputs(await readModel(`${stem}.onnx`));
      const feeds: Record<string, Tensor> = {};
      for (const input of network.graph.inputs) feeds[input.name] = tensors.get(input.name)!;
      const inputShapes = Object.fromEntries(Object.entries(feeds).map(([input, { dims }]) => [input, dims]));
      const { model, gradients } = await addGradients(network, { inputShapes });
      const [native, web] = [
        await runOn(openSession, model, feeds),
        await runOn(openWebSession, model, feeds),
      ];
      expect(gradients.size).to.be.greaterThan(10);
      const largest = Math.max(...[...gradients.values()].map((output) => norm(native[output]!)));
      for (const output of gradients.values()) {
        // Beside the largest, some are nothing but rounding (of the keys' bias).
        if (norm(native[output]!) < 1e-4 * largest) continue;
        expect(distance(web[output]!, native[output]!), output).to.be.below(1e-5);
      }
    });
  }
});

function norm({ data }: Tensor): number {
  let sum = 0;
  for (const value of data) sum += Number(value) ** 2;
  return Math.sqrt(sum);
}
