/**
 * Einsum. With operands A, B of the terms s, t and the output term u:
 *
 *   Y = einsum(s, t -> u)      dA = einsum(u, t -> s)      dB = einsum(s, u -> t)
 *
 * A label that only A has was summed, so its gradient repeats along it, as it does along one of which all others have a
 * single place. An axis of 1 that was broadcast is summed.
 */
import { GraftError } from '../../errors.js';
import { stringAttribute } from '../../onnx/attributes.js';
import { unsqueeze } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { reduceSum } from '../unbroadcast.js';

export const einsum: readonly GradientRule[] = [
  {
    opTypes: ['Einsum'],
    differentiable: Array.from({ length: 26 }, (_, i) => i),
    backward(at) {
      const { operands, output } = parseEquation(at);
      const gradients = new Map<number, string>();
      for (const [i, own] of operands.entries()) {
        if (!at.needs(i)) continue;
        const others = operands.map((term, j) => ({ term, value: at.x[j]! })).filter((_, j) => j !== i);
        const sources = [{ term: output, value: at.dY[0]! }, ...others];
        const present = own.filter((label) => sources.some(({ term }) => term.includes(label)));
        const equation = `${sources.map(({ term }) => term.join('')).join(',')}->${present.join('')}`;
        const isAsItIs = sources.length === 1 && present.join('') === output.join('');
        let dX = isAsItIs ? at.dY[0]! : at.op('Einsum', sources.map(({ value }) => value), { equation }); // prettier-ignore
        const shape = at.shapeOf(at.x[i]!);
        const sizes = sizesOf(at, sources.map(({ term }, j) => [term, j === 0 ? at.y[0]! : sources[j]!.value])); // prettier-ignore
        const broadcast = present.flatMap((label, axis) =>
          shape[own.indexOf(label)] === 1 && sizes.get(label)! > 1 ? [axis] : [],
        );
        dX = reduceSum(at, dX, broadcast, 1);
        const absent = own.flatMap((label, axis) => (present.includes(label) ? [] : [axis]));
        const isRepeated = present.some((label) => shape[own.indexOf(label)]! > 1 && sizes.get(label) === 1);
        if (absent.length > 0 || isRepeated)
          dX = at.op('Expand', [unsqueeze(at, dX, absent), at.shape(at.x[i]!)]);
        gradients.set(i, dX);
      }
      return gradients;
    },
  },
];

type Term = readonly string[];

/** The terms with a letter of its own for each axis of an ellipsis, and the output term written out. */
function parseEquation(at: RuleContext): { readonly operands: readonly Term[]; readonly output: Term } {
  const equation = stringAttribute(at.node, 'equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->') as [string, string?];
  const texts = left.split(',');
  const ranks = texts.map((text, i) => at.shapeOf(at.x[i]!).length - text.replace('...', '').length);
  const hidden = Math.max(0, ...ranks.filter((_, i) => texts[i]!.includes('...')));
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'].filter(
    (letter) => !equation.includes(letter),
  );
  const ellipsis = letters.slice(0, hidden);
  const operands = texts.map((text, i) => write(text, ellipsis.slice(hidden - Math.max(0, ranks[i]!))));
  for (const [i, term] of operands.entries()) {
    if (new Set(term).size < term.length || term.length !== at.shapeOf(at.x[i]!).length) {
      throw new GraftError(
        'NO_GRADIENT_RULE',
        `Einsum "${at.node.name}" takes a diagonal ("${texts[i]}" in "${equation}"), for which there is no gradient rule.`,
      );
    }
  }
  // Without an arrow: the ellipsis, then every label that occurs once, in the alphabet's order.
  const once = [...left.replaceAll(/[.,]/g, '')].filter(
    (label, _, all) => all.filter((other) => other === label).length === 1,
  );
  const output = right === undefined ? [...ellipsis, ...once.sort()] : write(right, ellipsis);
  return { operands, output };
}

function write(text: string, ellipsis: readonly string[]): string[] {
  const at = text.indexOf('...');
  return at < 0 ? [...text] : [...text.slice(0, at), ...ellipsis, ...text.slice(at + 3)];
}

/** The size of each label: the largest, as 1 is broadcast. */
function sizesOf(at: RuleContext, terms: readonly (readonly [Term, string])[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const [term, value] of terms) {
    const shape = at.shapeOf(value);
    for (const [axis, label] of term.entries())
      sizes.set(label, Math.max(sizes.get(label) ?? 1, shape[axis]!));
  }
  return sizes;
}
