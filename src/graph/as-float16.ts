/**
 * A model that takes and gives float32 and computes in float16 between: half the bytes, and on graphics processors less time. What
 * an operator takes in float32 only, by its definition, it still gets.
 */
import { toAttribute } from '../onnx/attributes.js';
import { constantOfNode } from '../onnx/constant-node.js';
import { toInitializer, toTensor } from '../onnx/initializer.js';
import { type Graph, type Initializer, type Model, type Node, node } from '../onnx/ir.js';
import { dtypeInfo } from '../tensor/dtype.js';
import { toHalfArray } from '../tensor/float16.js';
import { float32, type Tensor } from '../tensor/tensor.js';
import { convertFloats } from './convert-floats.js';
import { namesOf } from './names-of.js';
import { keepNames, mapSubgraphs, renameGraph } from './rename-graph.js';
import { UniqueNames } from './unique-names.js';
import { valueDtype } from './value-dtype.js';

/** Largest finite float16, and the least above zero: what is added to a divisor must not become zero. */
const [largest, least] = [65504, 2 ** -24];
/** In which type a sum is taken (stash_type) stays. */
const typeAttributes = new Set(['to', 'dtype', 'output_dtype']);

/** Inputs that are float32 by the operator's definition; the other ones, and the outputs, may be float16. */
const singleInputs: ReadonlyMap<string, readonly number[]> = new Map([
  ['Resize', [1, 2]],
  ['Upsample', [1]],
]);
/** Operators without a float16 form, in some version of the operator set or at all. */
const singleOnly = new Set([
  'Range',
  'CumSum',
  'NonMaxSuppression',
  'MelWeightMatrix',
  'RoiAlign',
  'Celu',
  'IsInf',
]);

/** Weights beyond float16 become its largest number, those that would vanish its least. A model without float32 comes back as it is. */
export function asFloat16(model: Model): Model {
  const kept = new WeakSet<Node | Initializer>();
  const plain = new SinglePlaces(model.graph, kept).settle(model.graph);
  const graph = convertFloats(plain, {
    from: ['float32'],
    to: 'float16',
    convert: toHalfTensor,
    typeAttributes,
    kept,
  });
  return graph === plain ? model : { ...model, graph: betweenCasts(graph, model.graph) };
}

/** A weight under another name, its values as `asFloat16` has them. */
export function toHalfInitializer(name: string, weight: Initializer): Initializer {
  return toInitializer(name, toHalfTensor(toTensor(weight)));
}

function toHalfTensor({ dims, data }: Tensor): Tensor {
  const values = Float32Array.from(data as Float32Array);
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]!);
    if (size > largest && size < Infinity) values[i] = Math.sign(values[i]!) * largest;
    else if (size > 0 && size < least) values[i] = Math.sign(values[i]!) * least;
  }
  return { dtype: 'float16', dims, data: toHalfArray(values) };
}

/** Says what is float32 without a word, and puts casts around what must stay so. */
class SinglePlaces {
  readonly #names: UniqueNames;
  readonly #kept: WeakSet<Node | Initializer>;

  constructor(graph: Graph, kept: WeakSet<Node | Initializer>) {
    this.#names = new UniqueNames({ taken: namesOf(graph).values });
    this.#kept = kept;
  }

  /** @param around - the graphs that a body lies in, the innermost first */
  settle(graph: Graph, around: readonly Graph[] = []): Graph {
    const scopes = [graph, ...around];
    const isFloat32 = (value: string): boolean => valueDtype(graph, value, around) === 'float32';
    const initializers = new Map(graph.initializers);
    const nodes = graph.nodes.flatMap((row): Node[] => {
      const one = spellOut({
        ...row,
        attributes: mapSubgraphs(row.attributes, (body) => this.settle(body, scopes)),
      });
      const isSingle = singleOnly.has(one.opType) && one.domain === '';
      const places = isSingle
        ? [...one.inputs.keys()]
        : (one.domain === '' && singleInputs.get(one.opType)) || [];
      if (places.length === 0) return [one];
      const [before, after]: [Node[], Node[]] = [[], []];
      const inputs = one.inputs.map((name, i) => {
        if (name === '' || !places.includes(i) || !isFloat32(name)) return name;
        const single = this.#names.take(`${name}/float32`);
        const weight = scopes
          .map((scope) => scope.initializers.get(name))
          .find((found) => found !== undefined);
        if (weight) initializers.set(single, this.#keep({ ...weight, name: single }));
        else before.push(this.#keep(cast(name, single, 'float32')));
        return single;
      });
      const outputs = one.outputs.map((name) => {
        if (!isSingle || name === '' || !isFloat32(name)) return name;
        const single = this.#names.take(`${name}/float32`);
        after.push(cast(single, name, 'float16'));
        return single;
      });
      return [...before, { ...one, inputs, outputs }, ...after];
    });
    return { ...graph, nodes, initializers };
  }

  #keep<T extends Node | Initializer>(row: T): T {
    this.#kept.add(row);
    return row;
  }
}

/** A node that gives `from` as `to`, in another type. */
export function cast(from: string, to: string, dtype: 'float16' | 'float32'): Node {
  const attributes = new Map([['to', toAttribute(dtypeInfo(dtype).code)]]);
  return node({ opType: 'Cast', inputs: [from], outputs: [to], attributes });
}

/** Constants whose float32 the format leaves unsaid. */
function spellOut(row: Node): Node {
  const { opType, domain, attributes } = row;
  const isZero = opType === 'ConstantOfShape' && domain === '' && !attributes.has('value');
  const constant = isZero ? toInitializer('', float32([1], [0])) : constantOfNode(row);
  return constant ? { ...row, attributes: new Map([['value', toAttribute(constant)]]) } : row;
}

/** The graph in float16 behind inputs and before outputs of the types they had. */
function betweenCasts(graph: Graph, { inputs, outputs, initializers }: Graph): Graph {
  const isSingle = ({ type }: (typeof inputs)[number]): boolean =>
    type?.kind === 'tensor' && type.dtype === 'float32';
  const taken = inputs
    .filter((info) => isSingle(info) && !initializers.has(info.name))
    .map(({ name }) => name);
  const given = outputs.filter(isSingle).map(({ name }) => name);
  const names = new UniqueNames({ taken: namesOf(graph).values });
  const inner = new Map(
    [...new Set([...taken, ...given])].map((name) => [name, names.take(`${name}/float16`)]),
  );
  const renamed = renameGraph(graph, { ...keepNames, value: (name) => inner.get(name) ?? name });
  const open = taken.map((name) => cast(name, inner.get(name)!, 'float16'));
  const close = given
    .filter((name) => !taken.includes(name))
    .map((name) => cast(inner.get(name)!, name, 'float32'));
  const declared = (now: readonly (typeof inputs)[number][], before: typeof inputs) =>
    now.map((info, i) => (inner.has(before[i]!.name) ? before[i]! : info));
  return {
    ...renamed,
    nodes: [...open, ...renamed.nodes, ...close],
    inputs: declared(renamed.inputs, inputs),
    outputs: declared(renamed.outputs, outputs),
  };
}
