/** Keyed by operator, with the domain before it where it is not ai.onnx: `com.microsoft:QuickGelu`. */
import { activationForms } from './activation.js';
import type { Float64Form } from './float64-form.js';
import { normalizationForms } from './normalization.js';
import { resizeForms } from './resize.js';
import { trigonometryForms } from './trigonometry.js';
import { windowForms } from './window.js';

export type { Float64Form, FormContext } from './float64-form.js';

export const float64Forms: ReadonlyMap<string, Float64Form> = new Map([
  ...activationForms,
  ...trigonometryForms,
  ...windowForms,
  ...normalizationForms,
  ...resizeForms,
]);
