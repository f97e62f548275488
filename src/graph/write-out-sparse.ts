import { GraftError } from '../errors.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import type { Initializer, Model, SparseInitializer } from '../onnx/ir.js';
import { quoteName } from '../onnx/quote-name.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { sizeOf } from '../tensor/shape.js';

/** Of one tensor; ONNX Runtime writes it out too, before it runs. */
const mostBytes = 2 ** 31;

/**
 * The same model with sparse initializers as plain ones, which is what ONNX Runtime makes of them: only of plain ones are types
 * converted, rows counted and gradients taken. Those in bodies of nodes stay as they are.
 * @throws GraftError INVALID_MODEL for indices that lie outside, UNSUPPORTED_MODEL for a tensor of 2 GiB and more.
 */
export function writeOutSparse(model: Model): Model {
  const { graph } = model;
  if (graph.sparseInitializers.length === 0) return model;
  const plain = graph.sparseInitializers.map((sparse) => [sparse.values.name, writtenOut(sparse)] as const);
  return {
    ...model,
    graph: { ...graph, sparseInitializers: [], initializers: new Map([...graph.initializers, ...plain]) },
  };
}

function writtenOut({ values, indices, dims }: SparseInitializer): Initializer {
  const { name, dtype } = values;
  const size = sizeOf(dims);
  const { bits, array } = dtypeInfo(dtype);
  if (!Number.isSafeInteger(size) || size * array.BYTES_PER_ELEMENT >= mostBytes) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The sparse tensor ${quoteName(name)} of shape [${dims}] takes 2 GiB or more when it is written out, as it is to run.`,
    );
  }
  if (bits !== 8 * array.BYTES_PER_ELEMENT) {
    throw new GraftError(
      'UNSUPPORTED_MODEL',
      `The sparse tensor ${quoteName(name)} is ${dtype}; export it as a plain one.`,
    );
  }
  const given = toTensor(values).data;
  const places = toTensor(indices).data;
  const rank = indices.dims.length === 2 ? dims.length : 1;
  // Rows of one index count over the whole tensor, others along each axis.
  const sizes = rank === 1 ? [size] : dims;
  const wrong = (what: string): GraftError =>
    new GraftError('INVALID_MODEL', `The sparse tensor ${quoteName(name)} of shape [${dims}] ${what}.`);
  if (places.length !== given.length * rank)
    throw wrong(`has ${given.length} values but ${places.length} indices`);
  const data = new array(size);
  for (let i = 0; i < given.length; i++) {
    let at = 0;
    for (let axis = 0; axis < rank; axis++) {
      const place = Number(places[i * rank + axis]);
      if (!(place >= 0 && place < sizes[axis]!)) throw wrong(`has an index outside, ${place}`);
      at = at * sizes[axis]! + place;
    }
    data[at] = given[i]!;
  }
  return { ...values, ...toInitializer(name, { dtype, dims, data }) };
}
