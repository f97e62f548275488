import { Worker } from 'node:worker_threads';
import { expect } from 'chai';

/** Parts of Node that a fresh thread loads for these files of ours. */
async function builtinsOf(...files: string[]): Promise<string[]> {
  const urls = files.map((file) => new URL(`../../src/${file}.js`, import.meta.url).href);
  const program = `
    const { parentPort } = require('node:worker_threads');
    Promise.all(${JSON.stringify(urls)}.map((url) => import(url))).then(() => parentPort.postMessage(process.moduleLoadList));`;
  const worker = new Worker(program, { eval: true, execArgv: [] });
  const list = await new Promise<string[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  await worker.terminate();
  return list.filter((name) => name.startsWith('NativeModule ')).map((name) => name.slice(13));
}

describe('A thread that computes features of images', () => {
  it('loads neither cryptography nor networks, which take it a tenth of its start', async () => {
    const builtins = await builtinsOf('features/encode-batch', 'runtime/open-on-provider');
    expect(builtins).to.include('internal/fs/promises');
    expect(builtins.filter((name) => ['crypto', 'child_process', 'net'].includes(name))).to.deep.equal([]);
  });
});
