import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { differentiate } from '../../src/autodiff/differentiate.js';
import type { AttributeInput } from '../../src/onnx/attributes.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { probeShapes } from '../../src/runtime/probe-shapes.js';
import { float32, int64, type Tensor } from '../../src/tensor/tensor.js';

interface Values {
  readonly dims: readonly number[];
  readonly values: readonly number[];
}

/** As scripts/fixtures/make-operator-gradients.py writes it. */
interface Row {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly output: number;
  readonly outputs: number;
  readonly tensors: readonly Values[];
  readonly forms: readonly {
    readonly opset: number;
    readonly attributes: Readonly<Record<string, AttributeInput>>;
    /** A number is the place of a tensor. */
    readonly inputs: readonly (
      number | (Values & { readonly dtype: 'int64' | 'int32' | 'float32' | 'bool' })
    )[];
  }[];
  readonly weighting: readonly number[];
  readonly result: Values;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const rows = JSON.parse(readFileSync('test/fixtures/operator-gradients.json', 'utf8')) as readonly Row[];

function constant({ dtype, dims, values }: Extract<Row['forms'][number]['inputs'][number], object>): Tensor {
  if (dtype === 'bool') return { dtype, dims, data: Uint8Array.from(values) };
  if (dtype === 'int32') return { dtype, dims, data: Int32Array.from(values) };
  return dtype === 'int64' ? int64(dims, values) : float32(dims, values);
}

async function run(row: Row, { opset, attributes, inputs }: Row['forms'][number]) {
  const b = new GraphBuilder({ opset });
  const parameters = row.tensors.map(({ dims, values }, i) => b.constant(`x${i}`, float32(dims, values)));
  const operands = inputs.map((input) =>
    typeof input === 'number' ? parameters[input]! : b.constant('constant', constant(input)),
  );
  const { opType, domain } = row;
  const y = b.ops(opType, operands, row.outputs, { domain, attributes })[row.output]!;
  const weighting = b.constant('weighting', float32(row.result.dims, row.weighting));
  const weighted = b.op('Mul', [y, weighting], { name: 'weighted' });
  const loss = b.op('ReduceSum', [weighted], { name: 'loss', attributes: { keepdims: 0 } });
  b.output(y, 'float32');
  b.output(loss, 'float32', []);
  const opsets = new Map([['', opset], ['com.microsoft', 1]]); // prettier-ignore
  const model = b.model({ opsets, irVersion: opset > 21 ? 11 : 8 });
  const shapes = await probeShapes(model);
  const differentiated = differentiate(model, { loss, parameters, shapes });
  const session = await openSession(encodeModel(differentiated.model));
  try {
    const found = await session.run({});
    return {
      result: found[y]!,
      gradients: parameters.map((name) => found[differentiated.gradients.get(name)!]!),
    };
  } finally {
    await session.release();
  }
}

/** Largest difference as a share of the largest number. */
function error({ data }: Tensor, expected: readonly number[]): number {
  if (data.length !== expected.length) return Infinity;
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(Number(data[i]) - value))) / scale;
}

describe("An operator's gradient is PyTorch's", () => {
  for (const row of rows) {
    it(`${row.name} (${row.domain && `${row.domain}.`}${row.opType}, opsets ${row.forms.map(({ opset }) => opset).join(', ')})`, async () => {
      for (const form of row.forms) {
        const { result, gradients } = await run(row, form);
        expect(error(result, row.result.values), `result at opset ${form.opset}`).to.be.below(2e-6);
        for (const [i, expected] of Object.entries(row.gradients)) {
          const own = error(gradients[Number(i)]!, expected);
          expect(own, `gradient of input ${i} at opset ${form.opset}`).to.be.below(5e-6);
        }
      }
    });
  }
});
