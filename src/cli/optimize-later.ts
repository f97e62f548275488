import { setFlagsFromString } from 'node:v8';

/**
 * Lets V8 optimise a function only after it has run eight times as long as usual. Most of what Graft does is native code and
 * WebAssembly; in Node 20 every thread otherwise compiles anew what hardly pays: 0.8 s of processor time in a run over
 * 2000 small photos, a sixteenth of it all. Loops that matter get there some milliseconds later.
 *
 * For the whole process, so a library must not; from V8 12 on there is no such flag, and V8 itself waits longer.
 */
export function optimizeLater(): void {
  if (process.versions.v8.startsWith('11.')) setFlagsFromString('--interrupt-budget=500000');
}
