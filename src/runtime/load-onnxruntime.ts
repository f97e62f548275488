/**
 * onnxruntime-node, loaded on the first call.
 *
 * The native library of 1.30 reports to Microsoft unless told otherwise: it keeps a device id and a database in the
 * user's cache folder, a log in the temporary one, and uploads what models were loaded. A tool that works on other
 * people's data does not; who wants it sets ORT_DISABLE_TELEMETRY=0.
 */
import { createRequire } from 'node:module';
import type * as onnxruntime from 'onnxruntime-node';

/**
 * Must have been called on the main thread before any thread loads the library: the variables of a worker thread are a
 * copy that native code does not see.
 */
export function disableTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY ??= '1';
}

export function loadOnnxruntime(): typeof onnxruntime {
  disableTelemetry();
  // `import` would search the CommonJS files for their exports, in every thread anew.
  return createRequire(import.meta.url)('onnxruntime-node') as typeof onnxruntime;
}
