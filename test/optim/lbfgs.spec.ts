import { expect } from 'chai';
import { lbfgs, type Objective } from '../../src/optim/lbfgs.js';
import { VectorSpace } from '../../src/optim/vector-space.js';
import { searchLine } from '../../src/optim/wolfe-line-search.js';

const rosenbrock: Objective = async (x, gradient) => {
  gradient.fill(0);
  let value = 0;
  for (let i = 0; i + 1 < x.length; i++) {
    const [a, b] = [1 - x[i]!, x[i + 1]! - x[i]! ** 2];
    value += a * a + 100 * b * b;
    gradient[i]! += -2 * a - 400 * x[i]! * b;
    gradient[i + 1]! += 200 * b;
  }
  return { value };
};

/** The Rosenbrock valley and its gradient at a point. */
async function valleyAt(x: Float64Array): Promise<{ value: number; gradient: Float64Array }> {
  const gradient = new Float64Array(x.length);
  return { ...(await rosenbrock(x, gradient)), gradient };
}

/** ½ Σ c (x - 1)², with curvatures c. */
const bowl =
  (curvatures: readonly number[]): Objective =>
  async (x, gradient) => {
    gradient.set(curvatures.map((c, i) => c * (x[i]! - 1)));
    return { value: curvatures.reduce((sum, c, i) => sum + 0.5 * c * (x[i]! - 1) ** 2, 0) };
  };

describe('lbfgs', () => {
  it('finds the bottom of the Rosenbrock valley in ten dimensions', async () => {
    const { x, value, converged } = await lbfgs(rosenbrock, new Float64Array(10).fill(-1));
    expect(converged).to.equal(true);
    expect(value).to.be.below(1e-12);
    for (const xi of x) expect(xi).to.be.closeTo(1, 1e-5);
  });

  it('finds the minimum of a bowl whose curvatures span eight decades', async () => {
    const curvatures = Array.from({ length: 9 }, (_, i) => 10 ** (i - 4));
    const { x } = await lbfgs(bowl(curvatures), new Float64Array(9), { gradientTolerance: 1e-14 });
    for (const xi of x) expect(xi).to.be.closeTo(1, 1e-4);
  });

  it('stops at once where it starts at the minimum', async () => {
    const { iterations, evaluations } = await lbfgs(bowl([1, 2]), Float64Array.of(1, 1));
    expect([iterations, evaluations]).to.deep.equal([0, 1]);
  });

  it('stops where the gradient, measured as the caller wants, is no more than a limit, and says that this was the reason', async () => {
    const inTens = (gradient: Float64Array) => 10 * Math.max(...gradient.map(Math.abs));
    const measured: Objective = async (x, gradient) => {
      const { value } = await rosenbrock(x, gradient);
      return { value, size: inTens(gradient) };
    };
    const options = { gradientTolerance: 0, valueTolerance: 0 };
    const start = new Float64Array(10).fill(-1);
    const found = await lbfgs(measured, start, { ...options, gradientLimit: 1e-3 });
    expect(found.reason).to.equal('gradient');
    expect(found.gradientSize).to.equal(inTens((await valleyAt(found.x)).gradient));
    expect(found.gradientSize).to.be.at.most(1e-3);
    const before = await lbfgs(measured, start, { ...options, maxIterations: found.iterations - 1 });
    expect(before.reason).to.equal('iterations');
    expect(before.gradientSize).to.be.above(1e-3);
  });

  it('stops as soon as ten iterations gained less than the share that was asked for', async () => {
    const values: number[] = [];
    const { converged, iterations } = await lbfgs(
      async (x, gradient) => ({ value: (await rosenbrock(x, gradient)).value + 1 }),
      new Float64Array(10).fill(-1),
      {
        stallTolerance: 0.05,
        onIteration: async (_, __, value) => void values.push(value),
      },
    );
    const gains = values.slice(10).map((value, i) => (values[i]! - value) / value);
    expect([converged, iterations]).to.deep.equal([true, values.length]);
    expect(gains.at(-1)).to.be.below(0.05);
    expect(Math.min(...gains.slice(0, -1))).to.be.at.least(0.05);
  });

  it('does not change the starting point', async () => {
    const start = Float64Array.of(5, 5);
    await lbfgs(bowl([1, 2]), start);
    expect([...start]).to.deep.equal([5, 5]);
  });

  it('stops after the most iterations it was allowed, and says that it had not converged', async () => {
    const result = await lbfgs(rosenbrock, new Float64Array(10).fill(-1), { maxIterations: 3 });
    expect(result.iterations).to.equal(3);
    expect(result.converged).to.equal(false);
  });

  it('stops where the caller says so', async () => {
    const { iterations } = await lbfgs(rosenbrock, new Float64Array(4), {
      onIteration: async (iteration) => iteration === 2,
    });
    expect(iterations).to.equal(2);
  });

  it('takes no step but such as satisfy both strong Wolfe conditions', async () => {
    let before: { x: Float64Array; value: number; gradient: Float64Array } | undefined;
    let taken = 0;
    const start = new Float64Array(10).fill(-1);
    before = { x: start, ...(await valleyAt(start)) };
    await lbfgs(rosenbrock, start, {
      maxIterations: 40,
      onIteration: async (_, __, ___, state) => {
        const { x, value, gradient } = state();
        const slopeAlong = (g: Float64Array) =>
          g.reduce((sum, gi, i) => sum + gi * (x[i]! - before!.x[i]!), 0);
        const slope = slopeAlong(before!.gradient);
        expect(slope).to.be.below(0);
        expect(value).to.be.at.most(before!.value + 1e-4 * slope + 1e-12);
        expect(Math.abs(slopeAlong(gradient))).to.be.at.most(-0.9 * slope * (1 + 1e-9));
        before = { x: x.slice(), value, gradient: gradient.slice() };
        taken++;
        return false;
      },
    });
    expect(taken).to.equal(40);
  });

  it('goes on with the curvature of an earlier search as if it had not stopped', async () => {
    const start = new Float64Array(10).fill(-1);
    const whole = await lbfgs(rosenbrock, start, { maxIterations: 25 });
    const first = await lbfgs(rosenbrock, start, { maxIterations: 10 });
    const second = await lbfgs(rosenbrock, first.x, { maxIterations: 15, curvature: first.curvature });
    expect([...second.x]).to.deep.equal([...whole.x]);
  });
});

/** Memory of a line search from `start` down the gradient. */
async function rayFrom(objective: Objective, start: readonly number[], first: number) {
  const space = new VectorSpace(start.length, 6);
  const [x, gradient, direction] = [space.take(), space.take(), space.take()];
  x.set(start);
  const { value } = await objective(x, gradient);
  direction.set(gradient.map((g) => -g));
  const slope = -gradient.reduce((sum, g) => sum + g * g, 0);
  return {
    ray: { x, value, gradient, direction, slope, first, noise: 0 },
    memory: { space, x: space.take(), gradients: [space.take(), space.take()] },
  } as const;
}

describe('the line search', () => {
  for (const first of [1e-3, 1, 1e3]) {
    it(`satisfies the strong Wolfe conditions from a first step of ${first}`, async () => {
      const { ray, memory } = await rayFrom(rosenbrock, [-1.2, 1], first);
      const found = await searchLine(rosenbrock, ray, memory);
      expect(found.step).to.be.above(0);
      expect(found.value).to.be.at.most(ray.value + 1e-4 * found.step * ray.slope);
      expect(Math.abs(found.slope)).to.be.at.most(-0.9 * ray.slope);
      expect([...found.gradient]).to.deep.equal([...(await valleyAt(memory.x)).gradient]);
    });
  }

  it('ends at the point that it found where it tried others after it', async () => {
    const slope: Objective = async (x, gradient) => {
      gradient.fill(-1);
      return { value: -x[0]! };
    };
    const { ray, memory } = await rayFrom(slope, [3], 1);
    const found = await searchLine(slope, ray, memory);
    expect(found.evaluations).to.be.above(2);
    expect([found.value, memory.x[0]]).to.deep.equal([-3 - found.step, 3 + found.step]);
  });
});
