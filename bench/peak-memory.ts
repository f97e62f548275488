import { readFileSync } from 'node:fs';

/**
 * The most memory that this process ever held, in bytes. Not `maxRSS` where the kernel tells it otherwise: there a child begins with
 * what its parent held when it was started.
 */
export function peakMemory(): number {
  try {
    const found = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
    if (found) return Number(found[1]) * 1024;
  } catch {
    // Another system than Linux.
  }
  return process.resourceUsage().maxRSS * 1024;
}
