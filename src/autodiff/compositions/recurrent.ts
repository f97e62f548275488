/**
 * Recurrent layers as a Scan, so that sequences may have any length. What does not depend on the state, X W + b, is one
 * product before it; a step adds what the state gives:
 *
 *   RNN    h' = f(x W + b + h R)
 *   LSTM   i, o, f, c̃ = gates of (x W + b + h R);  c' = f c + i c̃;  h' = o tanh(c')
 *   GRU    z, r = gates of (x W + b + h R);  h' = h̃ + z (h − h̃)
 *          h̃ = g(x W + b + (r h) R), or with linear_before_reset g(x W + b + r (h R + b'))
 *
 * Behind the end of a shorter sequence the state stays and the output is zero.
 */
import { floatAttribute, intAttribute, stringAttribute, stringsAttribute } from '../../onnx/attributes.js';
import { dtypeInfo } from '../../tensor/dtype.js';
import type { Composition, CompositionContext } from './composition.js';
import { cut } from './cut.js';

interface Direction {
  readonly activations: readonly string[];
  readonly size: number;
  /** [I, gates · H], [H, gates · H] and, where there are any, [gates · H]. */
  readonly input: string;
  readonly recurrence: string;
  readonly biases: readonly [string, string] | undefined;
}

type Step = (states: readonly string[], projected: string) => readonly string[];

interface Kind {
  readonly activations: readonly string[];
  /** The bias that is added before the steps, and a step: from states and a row of X W + b to the next states. */
  readonly write: (at: CompositionContext, of: Direction) => { readonly bias: string | undefined; readonly step: Step };
} // prettier-ignore

const known = ['Sigmoid', 'Tanh', 'Relu'];

const both = (at: CompositionContext, biases: Direction['biases']): string | undefined =>
  biases && at.op('Add', biases);

const rnn: Kind = {
  activations: ['Tanh'],
  write: (at, { activations: [f], recurrence, biases }) => ({
    bias: both(at, biases),
    step: ([h], projected) => [at.op(f!, [at.op('Add', [projected, at.op('MatMul', [h!, recurrence])])])],
  }),
};

const lstm: Kind = {
  activations: ['Sigmoid', 'Tanh', 'Tanh'],
  write: (at, { activations: [f, g, last], size, recurrence, biases }) => ({
    bias: both(at, biases),
    step([h, c], projected) {
      const all = at.op('Add', [projected, at.op('MatMul', [h!, recurrence])]);
      const [gates, candidate] = cut(at, all, [3 * size, size]) as [string, string];
      const [i, o, forget] = cut(at, at.op(f!, [gates]), [size, size, size]) as [string, string, string];
      const kept = at.op('Mul', [forget, c!]);
      const next = at.op('Add', [kept, at.op('Mul', [i, at.op(g!, [candidate])])]);
      return [at.op('Mul', [o, at.op(last!, [next])]), next];
    },
  }),
};

const gru: Kind = {
  activations: ['Sigmoid', 'Tanh'],
  write(at, { activations: [f, g], size, recurrence, biases }) {
    const isLinear = intAttribute(at.node, 'linear_before_reset', 0) !== 0;
    const pieces = [2 * size, size];
    const [ofGates, ofCandidate] = cut(at, recurrence, pieces) as [string, string];
    return {
      bias: isLinear ? biases?.[0] : both(at, biases),
      step([h], projected) {
        const own = isLinear ? at.op('MatMul', [h!, recurrence]) : at.op('MatMul', [h!, ofGates]);
        const [added, reset] = isLinear
          ? (cut(at, biases ? at.op('Add', [own, biases[1]]) : own, pieces) as [string, string])
          : [own, undefined];
        const [gates, candidate] = cut(at, projected, pieces) as [string, string];
        const [z, r] = cut(at, at.op(f!, [at.op('Add', [gates, added])]), [size, size]) as [string, string];
        const past =
          reset === undefined
            ? at.op('MatMul', [at.op('Mul', [r, h!]), ofCandidate])
            : at.op('Mul', [r, reset]);
        const next = at.op(g!, [at.op('Add', [candidate, past])]);
        return [at.op('Add', [next, at.op('Mul', [z, at.op('Sub', [h!, next])])])];
      },
    };
  },
};

/** Entry `d` of the first axis, with all but the last axis of the rest joined. */
function entry(at: CompositionContext, value: string, d: number): string {
  const [count, ...rest] = at.shapeOf(value) as [number, ...number[]];
  const one = count === 1 ? value : at.op('Gather', [value, at.ints([d])], { attributes: { axis: 0 }, shape: [1, ...rest] }); // prettier-ignore
  return at.op('Reshape', [one, at.ints(rest.length === 1 ? [-1] : [-1, rest.at(-1)!])]);
}

/** bool [T, N, 1]: whether a sequence has so many steps. */
function withinLengths(at: CompositionContext, X: string, lengths: string): string {
  const [steps, batch] = at.shapeOf(X) as [number, number];
  const length = at.op('Gather', [at.op('Shape', [X], { shape: [3] }), at.ints([0])], { shape: [1] });
  const whole = at.op('ConstantOfShape', [length], { shape: [steps] });
  const ones = at.op('Add', [at.op('Cast', [whole], { attributes: { to: int64Code } }), at.ints([1])]);
  // Places from 1 on: step t is within a length that is not less.
  const places = at.op('CumSum', [ones, at.ints([0])], { shape: [steps] });
  const column = at.op('Reshape', [places, at.ints([-1, 1])]);
  const beyond = at.op('Greater', [column, lengths], { shape: [steps, batch] });
  return at.op('Reshape', [at.op('Not', [beyond]), at.ints([0, -1, 1])]);
}

const int64Code = dtypeInfo('int64').code;

/** Zeros [N, size]. */
function noState(at: CompositionContext, X: string, size: number): string {
  const batch = at.op('Gather', [at.op('Shape', [X], { shape: [3] }), at.ints([1])], { shape: [1] });
  const shape = at.op('Concat', [batch, at.ints([size])], { attributes: { axis: 0 }, shape: [2] });
  return at.op('Expand', [at.scalar(0), shape], { shape: [at.shapeOf(X)[1]!, size] });
}

function recurrent({ activations, write }: Kind): Composition {
  return (at) => {
    const { node } = at;
    const [X, W, R, B, lengthsGiven, h0, c0, peepholes] = at.x as [string, string, string, ...(string | undefined)[]];
    if (peepholes) at.refuse('peepholes');
    for (const name of ['layout', 'input_forget'])
      if (intAttribute(node, name, 0) !== 0) at.refuse(`the attribute ${name}`);
    if (floatAttribute(node, 'clip', 0) !== 0) at.refuse('the attribute clip');
    const isMany = node.opType === 'LSTM';
    const size = at.shapeOf(R)[2]!;
    const direction = stringAttribute(node, 'direction', 'forward');
    const directions = { forward: [false], reverse: [true], bidirectional: [false, true] }[direction] ?? [];
    const named = stringsAttribute(node, 'activations') ?? directions.flatMap(() => activations);
    // ONNX Runtime takes them in any case.
    const given = named.map(
      (name) => known.find((each) => each.toLowerCase() === name.toLowerCase()) ?? at.refuse(`the activation ${name}`),
    );
    // Scan had other inputs before opset 9; cumulative sums came with 11.
    const needed = lengthsGiven ? 11 : 9;
    if (at.opset < needed) at.refuse(`operator set ${at.opset}, below ${needed}`);
    const lengths = lengthsGiven && at.op('Cast', [lengthsGiven], { attributes: { to: int64Code } });
    const within = lengths && withinLengths(at, X, lengths);
    const turn = (value: string): string =>
      at.op('ReverseSequence', [value, lengths!], { attributes: { time_axis: 0, batch_axis: 1 }, shape: at.shapeOf(value) });
    const ofDirections = directions.map((isReverse, d) => {
      const [input, recurrence] = [W, R].map((value) =>
        at.op('Transpose', [entry(at, value, d)], { attributes: { perm: [1, 0] } }),
      ) as [string, string];
      const gates = at.shapeOf(recurrence)[1]!;
      const biases = B ? (cut(at, entry(at, B, d), [gates, gates]) as [string, string]) : undefined;
      const own = given.slice(d * activations.length, (d + 1) * activations.length);
      const { bias, step } = write(at, { activations: own, size, input, recurrence, biases });
      const product = at.op('MatMul', [X, input]);
      const projected = bias ? at.op('Add', [product, bias]) : product;
      const states = (isMany ? [h0, c0] : [h0]).map((state) => (state ? entry(at, state, d) : noState(at, X, size)));
      const { states: last, outputs: [Y] } = at.scan({
        states,
        inputs: [lengths && isReverse ? turn(projected) : projected, ...(within ? [within] : [])],
        isBackwards: isReverse && !lengths,
        step(before, [row, isWithin]) {
          const next = step(before, row!);
          if (!isWithin) return { states: next, outputs: [next[0]!] };
          const kept = next.map((state, i) => at.op('Where', [isWithin, state, before[i]!]));
          return { states: kept, outputs: [at.op('Where', [isWithin, next[0]!, at.scalar(0)])] };
        },
      });
      return { Y: lengths && isReverse ? turn(Y!) : Y!, last };
    });
    const join = (values: readonly string[], axis: number, shape: readonly number[]): string => {
      const apart = values.map((value) => at.op('Reshape', [value, at.ints(shape)]));
      return apart.length === 1 ? apart[0]! : at.op('Concat', apart, { attributes: { axis } });
    };
    const lasts = (isMany ? [0, 1] : [0]).map((i) => join(ofDirections.map(({ last }) => last[i]!), 0, [1, -1, size]));
    return [join(ofDirections.map(({ Y }) => Y), 1, [0, 1, -1, size]), ...lasts];
  };
} // prettier-ignore

export const [recurrentRnn, recurrentLstm, recurrentGru] = [rnn, lstm, gru].map(recurrent) as [
  Composition,
  Composition,
  Composition,
];
