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
  /** Null where there is no home for it, and none is named. */
  readonly cacheFolder: string | null;
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
    cacheFolder: folderIfAny(),
  };
}

function folderIfAny(): string | null {
  try {
    return cacheFolder();
  } catch {
    return null;
  }
}

/** The library's own package.json above its entry file, whatever its folder is called: not every package exports it. */
export function installedVersion(name: string): string {
  try {
    const entry = createRequire(import.meta.url).resolve(name);
    for (let folder = path.dirname(entry); folder !== path.dirname(folder); folder = path.dirname(folder)) {
      const found = readPackage(path.join(folder, 'package.json'));
      if (found?.name === name && found.version !== undefined) return found.version;
    }
    return 'unknown';
  } catch {
    return 'not installed';
  }
}

function readPackage(file: string): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
  } catch {
    return undefined;
  }
}
