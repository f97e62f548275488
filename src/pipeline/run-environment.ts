/** Where a run was made: what its numbers may depend on beside data and settings. */
import os from 'node:os';
import { resolveDevice } from '../runtime/providers.js';
import type { Device } from '../runtime/session.js';
import { packageVersion } from '../version.js';
import { installedVersion } from './examine-machine.js';

export interface RunEnvironment {
  readonly graft: string;
  readonly node: string;
  readonly onnxruntime: string;
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What ran the backbone. */
  readonly device: string;
  /** Null: as many as ONNX Runtime takes by itself. */
  readonly threads: number | null;
}

export async function runEnvironment(options: {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
}): Promise<RunEnvironment> {
  return {
    graft: packageVersion(),
    node: process.versions.node,
    onnxruntime: installedVersion('onnxruntime-node'),
    platform: `${process.platform}/${process.arch}`,
    cpu: os.cpus()[0]?.model ?? 'unknown',
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    device: (await resolveDevice(options.device ?? 'auto')).provider,
    threads: options.threads ?? null,
  };
}
