/**
 * A sampled Morlet wavelet: a plane wave under a Gaussian, made to average to zero.
 *
 *   ψ(u) = g(u) · (exp(i ξ u·θ) − κ),   g Gaussian with σ = 0.8 · scale, ξ = 3π / (4 · scale)
 *
 * κ makes the mean zero; the filter is scaled so that its absolute values sum to 1. The Gaussian is stretched by 2
 * across the wave (slant 0.5), as in Kymatio.
 */
export interface SampledWavelet {
  /** [width, width], row-major. */
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
  readonly width: number;
}

export function morlet(scale: number, angle: number): SampledWavelet {
  const sigma = 0.8 * scale;
  const xi = (3 * Math.PI) / (4 * scale);
  const slant = 0.5;
  const radius = Math.ceil(2.5 * sigma);
  const width = 2 * radius + 1;
  const gaussian = new Float64Array(width * width);
  const real = new Float64Array(width * width);
  const imaginary = new Float64Array(width * width);
  let sumGaussian = 0;
  let sumReal = 0;
  for (let i = 0; i < gaussian.length; i++) {
    const x = (i % width) - radius;
    const y = Math.floor(i / width) - radius;
    const along = x * Math.cos(angle) + y * Math.sin(angle);
    const across = -x * Math.sin(angle) + y * Math.cos(angle);
    gaussian[i] = Math.exp(-(along ** 2 + (slant * across) ** 2) / (2 * sigma ** 2));
    real[i] = gaussian[i]! * Math.cos(xi * along);
    imaginary[i] = gaussian[i]! * Math.sin(xi * along);
    sumGaussian += gaussian[i]!;
    sumReal += real[i]!;
  }
  const kappa = sumReal / sumGaussian;
  let total = 0;
  for (let i = 0; i < gaussian.length; i++) {
    real[i]! -= kappa * gaussian[i]!;
    total += Math.hypot(real[i]!, imaginary[i]!);
  }
  return {
    real: real.map((value) => value / total),
    imaginary: imaginary.map((value) => value / total),
    width,
  };
}
