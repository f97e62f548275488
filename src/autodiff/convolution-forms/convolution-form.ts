import type { FormTape } from './form-tape.js';

/** Of a convolution over two axes. */
export interface ConvolutionSizes {
  /** In the probe run. */
  readonly batch: number;
  /** Channels in and out. */
  readonly from: number;
  readonly to: number;
  readonly groups: number;
  /** Height and width, as in all pairs here. */
  readonly kernel: readonly [number, number];
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** Rows above and columns to the left. */
  readonly pads: readonly [number, number];
}

/** Another way to write a convolution. */
export interface ConvolutionForm {
  /**
   * Whether it can be written so, and is likely to run faster.
   * @param isBatchLast - whether the input lies with the batch last already
   */
  suits(sizes: ConvolutionSizes, isBatchLast: boolean): boolean;
  write(tape: FormTape, sizes: ConvolutionSizes): void;
}
