/** ½ Σ penalty · w² of one parameter in a graph, in differences from an anchor where there is one. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { checked } from '../tensor/tensor.js';
import { replicatedDims } from './parameter-layout.js';

export interface PenalizedParameter {
  readonly name: string;
  readonly dims: readonly number[];
  /** Its value, of all replicas side by side: w, or what w differs from the anchor by, then float32. */
  readonly value: string;
}

export interface PenaltyOptions {
  readonly precision: 'float32' | 'float64';
  readonly isAnchored: boolean;
  /** Then the parameter is a matrix. */
  readonly hasReplicas: boolean;
}

export interface PenaltyTerms {
  /** Names of the inputs, of the parameter's shape; the anchor's is float64. */
  readonly input: string;
  readonly anchor: string | undefined;
  /** float64, [replicas] or a scalar. */
  readonly energy: string;
  /** penalty · w, or of the difference from the anchor: what it adds to the gradient, in the type of the parameter. */
  readonly pull: string;
}

export function appendPenalty(
  builder: GraphBuilder,
  { name, dims, value }: PenalizedParameter,
  { precision, isAnchored, hasReplicas }: PenaltyOptions,
): PenaltyTerms {
  const op = (opType: string, inputs: readonly string[], part: string, attributes = {}): string =>
    builder.op(opType, inputs, { name: `penalty/${name}/${part}`, attributes });
  const cast = (given: string, to: 'float32' | 'float64', part: string): string =>
    op('Cast', [given], part, { to: dtypeInfo(to).code });
  const input = builder.input(`penalty/${name}`, precision, replicatedDims(dims));
  let whole = value;
  let anchor: string | undefined;
  if (isAnchored) {
    anchor = builder.input(`anchor/${name}`, 'float64', replicatedDims(dims));
    whole = op('Add', [anchor, cast(value, 'float64', 'difference')], 'whole');
  }
  const pullOfWhole = op('Mul', [input, whole], 'pull');
  let energies = op('Mul', [pullOfWhole, whole], 'energies');
  if (precision === 'float32') energies = cast(energies, 'float64', 'energies64');
  const half = builder.shared('const/float64/0.5', checked('float64', [], Float64Array.of(0.5)));
  let energy: string;
  if (hasReplicas) {
    const [rows, columns] = dims as readonly [number, number];
    const matrices = op('Reshape', [energies, builder.ints([rows, -1, columns])], 'by_replica');
    energy = op('ReduceSum', [matrices, builder.ints([0, 2])], 'energy', { keepdims: 0 });
  } else energy = op('ReduceSum', [energies], 'energy', { keepdims: 0 });
  return {
    input,
    anchor,
    energy: op('Mul', [energy, half], 'half'),
    pull: isAnchored
      ? op('Mul', [cast(input, 'float32', 'as_float32'), value], 'pull_of_difference')
      : pullOfWhole,
  };
}
