/** Activations by their definitions, and the error function by an integral. */
import { floatAttribute, stringAttribute } from '../../onnx/attributes.js';
import type { Float64Form, FormContext } from './float64-form.js';
import { columnOf, gaussLegendre, integrate } from './quadrature.js';

/** Beyond it erf is ±1 in float64. */
const erfBound = 6;
const nodesPerUnit = 4;

/**
 * erf(x) = erf(m) + 2d/√π ∫₀¹ exp(−(m + ds)²) ds with m the multiple of 1/4 that is next to x, and d = x − m: over so short a
 * way five points are exact to 1e-17.
 */
function erf(at: FormContext, x: string): string {
  const clamped = extreme(at, 'Max', extreme(at, 'Min', x, number(at, erfBound)), number(at, -erfBound));
  const nearest = at.op('Floor', [at.op('Add', [scale(at, clamped, nodesPerUnit), number(at, 0.5)])]);
  const node = scale(at, nearest, 1 / nodesPerUnit);
  const way = at.op('Sub', [clamped, node]);
  const [from, along] = [columnOf(at, node), columnOf(at, way)];
  const mean = integrate(at, x, 5, (s) => {
    const place = at.op('Add', [from, at.op('Mul', [along, at.tensor([1, s.length], s)])]);
    return at.op('Exp', [at.op('Neg', [at.op('Mul', [place, place])])]);
  });
  const table = erfAtNodes();
  const row = at.op('Add', [nearest, number(at, (table.length - 1) / 2)]);
  const base = at.op('Gather', [at.tensor([table.length], table), at.op('Cast', [row], { to: 7 })]);
  return at.op('Add', [base, scale(at, at.op('Mul', [way, mean]), 2 / Math.sqrt(Math.PI))]);
}

/** At −6, −5.75, …, 6. */
function erfAtNodes(): number[] {
  const { points, weights } = gaussLegendre(12);
  const rising = [0];
  for (let k = 0; k < erfBound * nodesPerUnit; k++) {
    const densities = points.map((s) => Math.exp(-(((k + s) / nodesPerUnit) ** 2)));
    const integral = densities.reduce((sum, density, i) => sum + density * weights[i]!, 0) / nodesPerUnit;
    rising.push(rising.at(-1)! + (2 / Math.sqrt(Math.PI)) * integral);
  }
  return [
    ...rising
      .slice(1)
      .reverse()
      .map((value) => -value),
    ...rising,
  ];
}

const number = (at: FormContext, value: number): string => at.tensor([], [value]);
/** The larger or smaller of two: (a + b ± |a − b|) / 2 before opset 8, where Max and Min have no float64 kernel. */
function extreme(at: FormContext, opType: 'Max' | 'Min', a: string, b: string): string {
  if (at.builder.opset >= 8) return at.op(opType, [a, b]);
  const [sum, distance] = [at.op('Add', [a, b]), at.op('Abs', [at.op('Sub', [a, b])])];
  return at.op('Mul', [at.op(opType === 'Max' ? 'Add' : 'Sub', [sum, distance]), number(at, 0.5)]);
}

const positive = (at: FormContext, x: string): string => extreme(at, 'Max', x, number(at, 0));
const negative = (at: FormContext, x: string): string => extreme(at, 'Min', x, number(at, 0));
const scale = (at: FormContext, x: string, factor: number): string => at.op('Mul', [x, number(at, factor)]);

function expMinusOne(at: FormContext, x: string): string {
  return at.op('Sub', [at.op('Exp', [x]), number(at, 1)]);
}

function softplus(at: FormContext, x: string): string {
  const tail = at.op('Log', [
    at.op('Add', [at.op('Exp', [at.op('Neg', [at.op('Abs', [x])])]), number(at, 1)]),
  ]);
  return at.op('Add', [positive(at, x), tail]);
}

function hardSigmoid(at: FormContext, x: string, alpha: number, beta: number): string {
  const line = at.op('Add', [scale(at, x, alpha), number(at, beta)]);
  return extreme(at, 'Min', positive(at, line), number(at, 1));
}

function gelu(at: FormContext, x: string, approximate: boolean): string {
  const inner = approximate
    ? at.op('Tanh', [
        at.op('Mul', [
          at.op('Add', [scale(at, x, 1), scale(at, at.op('Mul', [at.op('Mul', [x, x]), x]), 0.044715)]),
          number(at, Math.sqrt(2 / Math.PI)),
        ]),
      ])
    : erf(at, scale(at, x, Math.SQRT1_2));
  return at.op('Mul', [scale(at, x, 0.5), at.op('Add', [inner, number(at, 1)])]);
}

function swish(at: FormContext, x: string, alpha: number): string {
  return at.op('Mul', [x, at.op('Sigmoid', [scale(at, x, alpha)])]);
}

export const activationForms: readonly (readonly [string, Float64Form])[] = [
  ['Erf', (at) => erf(at, at.x[0]!)],
  ['Gelu', (at) => gelu(at, at.x[0]!, stringAttribute(at.node, 'approximate', 'none') === 'tanh')],
  ['com.microsoft:Gelu', (at) => gelu(at, at.x[0]!, false)],
  ['com.microsoft:BiasGelu', (at) => gelu(at, at.op('Add', [at.x[0]!, at.x[1]!]), false)],
  ['com.microsoft:FastGelu', (at) => gelu(at, at.x[1] ? at.op('Add', [at.x[0]!, at.x[1]]) : at.x[0]!, true)],
  ['com.microsoft:QuickGelu', (at) => swish(at, at.x[0]!, floatAttribute(at.node, 'alpha', 1.702))],
  ['Swish', (at) => swish(at, at.x[0]!, floatAttribute(at.node, 'alpha', 1))],
  ['Elu', (at) => elu(at, floatAttribute(at.node, 'alpha', 1), 1)],
  [
    'Selu',
    (at) =>
      elu(
        at,
        floatAttribute(at.node, 'alpha', 1.6732632423543772),
        floatAttribute(at.node, 'gamma', 1.0507009873554805),
      ),
  ],
  [
    'Celu',
    (at) => {
      const alpha = floatAttribute(at.node, 'alpha', 1);
      const below = scale(at, expMinusOne(at, scale(at, negative(at, at.x[0]!), 1 / alpha)), alpha);
      return at.op('Add', [positive(at, at.x[0]!), below]);
    },
  ],
  [
    'LeakyRelu',
    (at) => {
      const below = scale(at, negative(at, at.x[0]!), floatAttribute(at.node, 'alpha', 0.01));
      return at.op('Add', [positive(at, at.x[0]!), below]);
    },
  ],
  ['PRelu', (at) => at.op('Add', [positive(at, at.x[0]!), at.op('Mul', [negative(at, at.x[0]!), at.x[1]!])])],
  [
    'ThresholdedRelu',
    (at) => {
      const above = at.op('Greater', [at.x[0]!, number(at, floatAttribute(at.node, 'alpha', 1))]);
      return at.op('Mul', [at.x[0]!, at.op('Cast', [above], { to: 11 })]);
    },
  ],
  [
    'Shrink',
    (at) => {
      const x = at.x[0]!;
      const bound = floatAttribute(at.node, 'lambd', 0.5);
      const bias = number(at, floatAttribute(at.node, 'bias', 0));
      const [above, below] = [
        at.op('Greater', [x, number(at, bound)]),
        at.op('Less', [x, number(at, -bound)]),
      ];
      const [positiveSide, negativeSide] = [at.op('Sub', [x, bias]), at.op('Add', [x, bias])];
      return at.op('Where', [above, positiveSide, at.op('Where', [below, negativeSide, number(at, 0)])]);
    },
  ],
  [
    'HardSigmoid',
    (at) =>
      hardSigmoid(at, at.x[0]!, floatAttribute(at.node, 'alpha', 0.2), floatAttribute(at.node, 'beta', 0.5)),
  ],
  ['HardSwish', (at) => at.op('Mul', [at.x[0]!, hardSigmoid(at, at.x[0]!, 1 / 6, 0.5)])],
  ['Softplus', (at) => softplus(at, at.x[0]!)],
  ['Softsign', (at) => at.op('Div', [at.x[0]!, at.op('Add', [at.op('Abs', [at.x[0]!]), number(at, 1)])])],
  ['Mish', (at) => at.op('Mul', [at.x[0]!, at.op('Tanh', [softplus(at, at.x[0]!)])])],
  [
    'Clip',
    (at) => {
      const bound = (name: string, input: number): string | undefined =>
        at.node.attributes.has(name)
          ? number(at, floatAttribute(at.node, name, 0))
          : at.x[input] || undefined;
      const [low, high] = [bound('min', 1), bound('max', 2)];
      const raised = low ? extreme(at, 'Max', at.x[0]!, low) : at.x[0]!;
      return high ? extreme(at, 'Min', raised, high) : raised;
    },
  ],
  ['Mean', (at) => scale(at, at.op('Sum', at.x), 1 / at.x.length)],
];

/** γ (max(x, 0) + α (exp(min(x, 0)) − 1)) */
function elu(at: FormContext, alpha: number, gamma: number): string {
  const below = scale(at, expMinusOne(at, negative(at, at.x[0]!)), alpha);
  return scale(at, at.op('Add', [positive(at, at.x[0]!), below]), gamma);
}
