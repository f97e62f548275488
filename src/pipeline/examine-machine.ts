/** What `graft doctor` reports. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { allProviders, type ProviderStatus } from '../runtime/providers.js';
import { packageVersion } from '../version.js';
import { cacheFolder } from './cache-folder.js';

export interface MachineReport {
  readonly providers: readonly ProviderStatus[];
  readonly platform: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Version of Node, of Graft and of each library that matters. */
  readonly versions: Readonly<Record<string, string>>;
  readonly cacheFolder: string;
}

export async function examineMachine(): Promise<MachineReport> {
  const libraries = ['onnxruntime-node', 'onnxruntime-web', 'sharp', 'protobufjs'];
  return {
    providers: await allProviders(),
    platform: `${process.platform}/${process.arch}`,
    cores: os.availableParallelism(),
    memoryBytes: os.totalmem(),
    versions: {
      graft: packageVersion(),
      node: process.versions.node,
      ...Object.fromEntries(libraries.map((name) => [name, installedVersion(name)])),
    },
    cacheFolder: cacheFolder(),
  };
}

/** The nearest package.json above a library's entry file: not every package exports its own. */
export function installedVersion(name: string): string {
  try {
    let folder = path.dirname(createRequire(import.meta.url).resolve(name));
    while (path.basename(folder) !== name) folder = path.dirname(folder);
    return (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version: string })
      .version;
  } catch {
    return 'not installed';
  }
}
