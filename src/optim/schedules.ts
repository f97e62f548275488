/**
 * Learning rates over time, as factors of the full rate: pure functions of the step, with PyTorch's definitions.
 *
 *   constant   1
 *   step       γ^⌊t / size⌋                       (StepLR), a third of the steps each, γ = 0.1
 *   cosine     ½ (1 + cos(π t / T))               (CosineAnnealingLR)
 *   one-cycle  cosine from 1/25 up to 1 in 30 % of the steps, then down to 1/250 000     (OneCycleLR)
 *   plateau    halved where the loss has not improved for some epochs                     (ReduceLROnPlateau)
 *
 * t counts steps from 0, T is their number. A warm-up rises in equal steps to 1 before the schedule begins.
 */
export type ScheduleKind = 'constant' | 'step' | 'cosine' | 'one-cycle' | 'plateau';

export const scheduleKinds: readonly ScheduleKind[] = ['constant', 'step', 'cosine', 'one-cycle', 'plateau'];

export interface Schedule {
  readonly kind: ScheduleKind;
  /** All steps, with those of the warm-up. */
  readonly steps: number;
  /** Steps in which the rate rises. */
  readonly warmUp?: number;
}

/** Whether the first steps are the same however many there are to be. */
export function isOpenEnded({ kind, warmUp = 0 }: Pick<Schedule, 'kind' | 'warmUp'>): boolean {
  return (kind === 'constant' || kind === 'plateau') && warmUp === 0;
}

/** Share of the full rate at step `t` of `schedule.steps`; a plateau's own factor comes on top. */
export function scheduleFactor({ kind, steps, warmUp = 0 }: Schedule, t: number): number {
  if (t < warmUp) return (t + 1) / (warmUp + 1);
  const total = steps - warmUp;
  const at = t - warmUp;
  switch (kind) {
    case 'constant':
    case 'plateau':
      return 1;
    case 'step':
      return stepDecay(at, { size: Math.ceil(total / 3) });
    case 'cosine':
      return cosineDecay(at, total);
    case 'one-cycle':
      return oneCycle(at, total);
  }
}

function stepDecay(t: number, { size, gamma = 0.1 }: { size: number; gamma?: number }): number {
  return gamma ** Math.floor(t / size);
}

function cosineDecay(t: number, total: number): number {
  return 0.5 * (1 + Math.cos((Math.PI * Math.min(t, total)) / total));
}

function oneCycle(
  t: number,
  total: number,
  { rise = 0.3, start = 1 / 25, end = 1 / 250_000 }: { rise?: number; start?: number; end?: number } = {},
): number {
  const between = (from: number, to: number, share: number): number =>
    to + 0.5 * (from - to) * (1 + Math.cos(Math.PI * share));
  // PyTorch's would be the last step of the fall, and train nothing.
  if (total === 1) return 1;
  const top = rise * total - 1;
  if (t <= top) return between(start, 1, t / top);
  return between(1, end, Math.min(1, (t - top) / (total - 1 - top)));
}

/** What a plateau remembers between epochs. */
export interface PlateauState {
  readonly factor: number;
  readonly best: number;
  /** Epochs without an improvement since the last one, or since the factor last fell. */
  readonly waited: number;
}

export const plateauStart: PlateauState = { factor: 1, best: Number.POSITIVE_INFINITY, waited: 0 };

/** The state after an epoch with this loss. */
export function afterEpoch(
  { factor, best, waited }: PlateauState,
  loss: number,
  { patience = 3, shrink = 0.5, threshold = 1e-4 } = {},
): PlateauState {
  if (loss < best * (1 - threshold)) return { factor, best: loss, waited: 0 };
  if (waited >= patience) return { factor: factor * shrink, best, waited: 0 };
  return { factor, best, waited: waited + 1 };
}
