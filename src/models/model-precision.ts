/** What an exported file computes in. */
export const modelPrecisions = ['float32', 'float16', 'float16-weights', 'int8', 'int8-dynamic'] as const;

export type ModelPrecision = (typeof modelPrecisions)[number];
