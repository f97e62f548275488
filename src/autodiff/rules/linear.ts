/**
 * Matrix products.
 *
 *   MatMul  Y = A B                      dA = dY Bᵀ            dB = Aᵀ dY, both summed over broadcast batch axes
 *   Gemm    Y = α op(A) op(B) + β C      d op(A) = α dY op(B)ᵀ,  d op(B) = α op(A)ᵀ dY,  dC = β dY, summed
 *
 * Weights of two axes meet the data flattened to a matrix, as one Gemm, which reads a transposed operand in place.
 */
import { floatAttribute, intAttribute } from '../../onnx/attributes.js';
import { gemm, reshapeLike, transpose, unsqueeze } from '../append.js';
import type { GradientRule, RuleContext } from '../gradient-rule.js';
import { unbroadcast } from '../unbroadcast.js';

/** The value as a matrix or a stack of them: vectors get the missing axis. */
interface Matrices {
  readonly value: string;
  readonly shape: readonly number[];
}

function matrices(at: RuleContext, value: string, shape: readonly number[], axis: 0 | 1): Matrices {
  if (shape.length > 1) return { value, shape };
  return { value: unsqueeze(at, value, [axis]), shape: axis === 0 ? [1, shape[0]!] : [shape[0]!, 1] };
}

function flat(at: RuleContext, { value, shape }: Matrices): string {
  return shape.length === 2 ? value : at.op('Reshape', [value, at.builder.ints([-1, shape.at(-1)!])]);
}

function turned(at: RuleContext, { value, shape }: Matrices): string {
  const perm = shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  return transpose(at, value, perm);
}

/** The gradient [batch…, m, n] of one operand, in that operand's own shape. */
function fit(
  at: RuleContext,
  gradient: string,
  shape: readonly number[],
  operand: string,
  axis: 0 | 1,
): string {
  const own = at.shapeOf(operand);
  if (own.length > 1) return unbroadcast(at, gradient, operand, shape);
  // A vector: all batches of its matrix are summed, and the axis that it had been given goes.
  const batches = shape.slice(0, -2).map((_, i) => i);
  const axes = [...batches, batches.length + axis];
  return at.opset < 13
    ? at.op('ReduceSum', [gradient], { axes, keepdims: 0 })
    : at.op('ReduceSum', [gradient, at.builder.ints(axes)], { keepdims: 0 });
}

const matMul: GradientRule = {
  opTypes: ['MatMul'],
  differentiable: [0, 1],
  backward(at) {
    const [nameA, nameB] = at.x as [string, string];
    const [ownA, ownB] = [at.shapeOf(nameA), at.shapeOf(nameB)];
    const a = matrices(at, nameA, ownA, 0);
    const b = matrices(at, nameB, ownB, 1);
    const dY = gradientMatrices(at, ownA, ownB);
    const batch = dY.shape.slice(0, -2);
    const gradients = new Map<number, string>();
    if (at.needs(0)) {
      if (ownB.length === 2 && ownA.length > 1) {
        const product = gemm(at, flat(at, dY), nameB, { transB: 1 });
        gradients.set(0, ownA.length === 2 ? product : reshapeLike(at, product, nameA));
      } else {
        const product = at.op('MatMul', [dY.value, turned(at, b)]);
        gradients.set(0, fit(at, product, [...batch, ...a.shape.slice(-2)], nameA, 0));
      }
    }
    if (at.needs(1)) {
      if (ownB.length === 2 && ownA.length > 1)
        gradients.set(1, gemm(at, flat(at, a), flat(at, dY), { transA: 1 }));
      else {
        const product = at.op('MatMul', [turned(at, a), dY.value]);
        gradients.set(1, fit(at, product, [...batch, ...b.shape.slice(-2)], nameB, 1));
      }
    }
    return gradients;
  },
};

/** dY with the axes back that a product with vectors drops. */
function gradientMatrices(at: RuleContext, a: readonly number[], b: readonly number[]): Matrices {
  let shape = at.shapeOf(at.y[0]!);
  let value = at.dY[0]!;
  if (b.length === 1) {
    value = unsqueeze(at, value, [shape.length]);
    shape = [...shape, 1];
  }
  if (a.length === 1) {
    const axis = shape.length - 1;
    value = unsqueeze(at, value, [axis]);
    shape = shape.toSpliced(axis, 0, 1);
  }
  return { value, shape };
}

const generalMatMul: GradientRule = {
  opTypes: ['Gemm'],
  differentiable: [0, 1, 2],
  backward(at) {
    const [A, B, C] = at.x as [string, string, string?];
    const dY = at.dY[0]!;
    const transA = intAttribute(at.node, 'transA', 0) === 1;
    const transB = intAttribute(at.node, 'transB', 0) === 1;
    const alpha = floatAttribute(at.node, 'alpha', 1);
    const beta = floatAttribute(at.node, 'beta', 1);
    const product = (left: string, right: string, turnLeft: boolean, turnRight: boolean): string =>
      gemm(at, left, right, {
        ...(turnLeft && { transA: 1 }),
        ...(turnRight && { transB: 1 }),
        ...(alpha !== 1 && { alpha: { float: alpha } }),
      });
    const gradients = new Map<number, string>();
    if (at.needs(0)) gradients.set(0, transA ? product(B, dY, transB, true) : product(dY, B, false, !transB));
    if (at.needs(1)) gradients.set(1, transB ? product(dY, A, true, transA) : product(A, dY, !transA, false));
    if (C && at.needs(2)) {
      const scaled = beta === 1 ? dY : at.op('Mul', [dY, at.scalar(beta)]);
      gradients.set(2, unbroadcast(at, scaled, C));
    }
    return gradients;
  },
};

export const linear: readonly GradientRule[] = [matMul, generalMatMul];
