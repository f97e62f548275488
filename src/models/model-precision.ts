/** What an exported file computes in. */
export const modelPrecisions = ['float32', 'float16', 'float16-weights'] as const;

export type ModelPrecision = (typeof modelPrecisions)[number];
