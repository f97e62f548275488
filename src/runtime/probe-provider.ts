/** Run as a process of its own: `node probe-provider.js NAME` exits 0 where the provider runs a small model. */
import { messageOf } from '../errors.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import { encodeModel } from '../onnx/write-model.js';
import { float32 } from '../tensor/tensor.js';
import { openOnProvider } from './open-on-provider.js';
import type { NodeProvider } from './providers.js';

try {
  const builder = new GraphBuilder();
  const x = builder.input('x', 'float32', [2, 2]);
  const y = builder.op('MatMul', [x, x]);
  builder.output(y, 'float32', [2, 2]);
  const session = await openOnProvider(encodeModel(builder.model()), process.argv[2] as NodeProvider);
  const result = await session.run({ x: float32([2, 2], [1, 2, 3, 4]) });
  await session.release();
  const product = String(result[y]?.data);
  if (product !== '7,10,15,22') throw new Error(`it computed a wrong product: ${product}`);
} catch (error) {
  process.stdout.write(`${messageOf(error).split('\n')[0]}\n`);
  process.exitCode = 1;
}
