// Runs onnxruntime-node's own installer on demand; the environment variable overrides the `skip` of .npmrc.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

const entry = createRequire(import.meta.url).resolve('onnxruntime-node');
const installer = path.join(path.dirname(entry), '..', 'script', 'install.js');
const { status } = spawnSync(process.execPath, [installer], {
  stdio: 'inherit',
  env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'cuda12' },
});
if (status !== 0) {
  console.error('The CUDA libraries could not be fetched: the installer needs linux/x64 and api.nuget.org.');
}
process.exit(status ?? 1);
