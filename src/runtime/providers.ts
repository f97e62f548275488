/** Which execution providers run on this machine, and why the others do not. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { GraftError } from '../errors.js';
import { quoteForShell } from '../quote-for-shell.js';
import { packageFolder } from '../version.js';
import { type Device, type NodeProvider, nodeProviders } from './session.js';

export type { NodeProvider };

export interface ProviderStatus {
  readonly name: NodeProvider;
  readonly available: boolean;
  /** Why it is not available and what to do, or how it was seen to work. */
  readonly reason: string;
}

export interface ResolvedDevice {
  readonly provider: NodeProvider;
  /** One sentence: what was taken and why not the others. */
  readonly explanation: string;
}

const probes = new Map<NodeProvider, Promise<ProviderStatus>>();

/** Whether a provider really runs a small model here. Looked at once a process. */
export function providerStatus(name: NodeProvider): Promise<ProviderStatus> {
  let probe = probes.get(name);
  if (!probe) {
    probe = probeProvider(name);
    probes.set(name, probe);
  }
  return probe;
}

export function allProviders(): Promise<ProviderStatus[]> {
  return Promise.all(nodeProviders.map(providerStatus));
}

/**
 * The provider behind `--device`. 'auto' takes CUDA where it runs, else the CPU. WebGPU, CoreML and DirectML are taken only when
 * named: their results differ from the CPU's in more digits than a cache that is shared between machines should see.
 * @throws GraftError PROVIDER_UNAVAILABLE for a named device that does not run, with the remedy.
 */
export async function resolveDevice(device: Device): Promise<ResolvedDevice> {
  if (device === 'cpu') return { provider: 'cpu', explanation: 'Running on the CPU, as asked.' };
  if (device !== 'auto') {
    const status = await providerStatus(device);
    if (status.available) return { provider: device, explanation: `Running on ${device}, as asked.` };
    throw new GraftError(
      'PROVIDER_UNAVAILABLE',
      `The device ${device} does not run here: ${status.reason} Use --device cpu to go on without it.`,
    );
  }
  const cuda = await providerStatus('cuda');
  if (cuda.available) return { provider: 'cuda', explanation: 'Running on CUDA.' };
  return {
    provider: 'cpu',
    explanation: `Running on the CPU. Not on CUDA: ${cuda.reason} Other devices are used only when named (--device webgpu).`,
  };
}

/** The folder of onnxruntime-node that holds its native libraries for this platform. */
function nativeFolder(): string {
  const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
  return path.join(path.dirname(entry), '..', 'bin', 'napi-v6', process.platform, process.arch);
}

/** The cheap look first; only what may work is started, in a process of its own since a native crash takes it along. */
async function probeProvider(name: NodeProvider): Promise<ProviderStatus> {
  const missing = missingFor(name);
  if (missing) return { name, available: false, reason: missing };
  const script = fileURLToPath(new URL('../runtime/probe-provider.js', import.meta.url));
  return new Promise((resolve) => {
    execFile(process.execPath, [script, name], { timeout: 60_000 }, (error, stdout, stderr) => {
      if (!error) resolve({ name, available: true, reason: 'It ran a small model.' });
      else {
        const said = (stdout.trim() || stderr.trim().split('\n').at(-1) || error.message).replace(
          /\.?$/,
          '.',
        );
        resolve({ name, available: false, reason: `${said} ${remedies[name]}` });
      }
    });
  });
}

function missingFor(name: NodeProvider): string | undefined {
  if (name === 'cuda') return missingForCuda();
  if (name === 'webgpu') return missingForWebgpu();
  if (name === 'coreml' && process.platform !== 'darwin') {
    return `CoreML is a part of macOS, and this is ${process.platform}.`;
  }
  if (name === 'dml' && process.platform !== 'win32') {
    return `DirectML is a part of Windows, and this is ${process.platform}.`;
  }
  return undefined;
}

const remedies: Readonly<Record<NodeProvider, string>> = {
  cpu: 'Reinstall onnxruntime-node.',
  cuda: 'It needs an NVIDIA driver, CUDA 12 and cuDNN 9 on the library path; see docs/cuda.md.',
  coreml: 'It needs macOS 12 or newer on Apple silicon.',
  dml: 'It needs Windows 10 1903 or newer and a GPU with a Direct3D 12 driver.',
  webgpu: 'It needs a GPU with a Vulkan, Metal or Direct3D 12 driver.',
};

function missingForCuda(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return `onnxruntime-node has CUDA only for linux/x64, and this is ${process.platform}/${process.arch}.`;
  }
  const library = 'libonnxruntime_providers_cuda.so';
  if (existsSync(path.join(nativeFolder(), library))) return undefined;
  return `${library} is not installed; ${cudaRemedy()}.`;
}

/**
 * What fetches CUDA's libraries.
 * @param folder - of this package; of one that was installed the scripts are not there
 */
export function cudaRemedy(folder = packageFolder()): string {
  if (existsSync(path.join(folder, 'scripts', 'setup-cuda.mjs')))
    return 'run `npm run setup:cuda` (see docs/cuda.md)';
  const script = path.resolve(nativeFolder(), '..', '..', '..', '..', 'script', 'install.js');
  return `run ONNXRUNTIME_NODE_INSTALL=cuda12 node ${quoteForShell(script)} (see docs/cuda.md of onnx-graft)`;
}

function missingForWebgpu(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const folders = [
    ...(process.env.LD_LIBRARY_PATH ?? '').split(':'),
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/lib/x86_64-linux-gnu',
    '/usr/lib64',
    '/usr/lib',
    '/usr/local/lib',
  ];
  if (folders.some((folder) => folder && existsSync(path.join(folder, 'libvulkan.so.1')))) return undefined;
  return 'the Vulkan loader libvulkan.so.1 is not installed; install it with the driver of your GPU.';
}
