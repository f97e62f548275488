import { once } from 'node:events';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import type { serveModel } from '../../src/pipeline/serve-model.js';
import { graft, temporaryFolder } from '../e2e/graft.js';
import { tinyBackbone } from '../features/tiny-backbone.js';
import { exportedModel } from './exported-model.js';
import { serve, type Serving } from './serving.js';

describe('graft serve', function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const model = path.join(folder, 'model.onnx');
  let serving: Serving;

  before(async () => {
    writeFileSync(model, exportedModel(['left', 'right']));
    serving = await serve(model);
  });
  after(async () => {
    await serving.interrupt();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The answer to a request whose first line is sent as it stands. */
  async function ask(line: string, host: string | null = `127.0.0.1:${serving.port}`): Promise<string> {
    const socket = connect(serving.port, '127.0.0.1');
    const hostLine = host === null ? '' : `Host: ${host}\r\n`;
    socket.write(`${line}\r\n${hostLine}Connection: close\r\n\r\n`, 'latin1');
    return text(socket);
  }
  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);

  it('prints one document once it listens, and serves the model as it is in the file', async () => {
    expect(JSON.parse(serving.printed())).to.include({ url: serving.url, model, task: 'single' });
    const response = await fetch(new URL('model.onnx', serving.url));
    expect(Buffer.from(await response.arrayBuffer()).equals(readFileSync(model))).to.equal(true);
  });

  it('serves nothing but the files of its table, however the address is written', async () => {
    for (const address of [
      '/../package.json',
      '/modules/../../package.json',
      '/modules/web/../web/main.js',
      '/modules/./web/main.js',
      '/%2e%2e/package.json',
      '/modules/%2e%2e%2fcli/index.js',
      '/%6dodel.onnx',
      '/..%5c..%5cpackage.json',
      '/\\..\\package.json',
      '//model.onnx',
      '/etc/passwd',
      'file:///etc/passwd',
      `http://127.0.0.1:${serving.port}/model.onnx`,
      '/modules/cli/index.js',
      '/modules/web/main.js/',
      '/modules/web/main.js%00',
      '/modules/web/main.js\0',
      '/model.onnx\0.js',
      '/constructor',
      '/__proto__',
      '*',
      'model.onnx',
    ]) {
      expect(statusOf(await ask(`GET ${address} HTTP/1.1`)), address).to.be.oneOf([400, 404]);
    }
    expect(statusOf(await ask('GET /modules/web/main.js?again HTTP/1.1'))).to.equal(200);
  });

  it('serves a model of images without what texts need', async () => {
    for (const [address, status] of Object.entries({
      '/modules/web/image-reader.js': 200,
      '/modules/web/text-reader.js': 404,
      '/modules/inputs/encode-texts.js': 404,
      '/runtime/tokenizers.mjs': 404,
      '/tokenizer.json': 404,
    })) {
      expect(statusOf(await ask(`GET ${address} HTTP/1.1`)), address).to.equal(status);
    }
  });

  it('answers GET and HEAD only', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE']) {
      expect(statusOf(await ask(`${method} / HTTP/1.1`)), method).to.equal(405);
    }
    const answer = await ask('HEAD /model.onnx HTTP/1.1');
    expect(answer).to.match(
      new RegExp(`^HTTP/1.1 200[^]*content-length: ${readFileSync(model).length}\r\n`, 'i'),
    );
    expect(answer.split('\r\n\r\n')[1]).to.equal('');
  });

  it('answers only to the names of this machine, against DNS rebinding', async () => {
    const { port } = serving;
    for (const host of [
      `evil.example:${port}`,
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      `127.0.0.1:${port}.evil.example`,
      `evil.example@127.0.0.1:${port}`,
      `127.0.0.1:${port + 1}`,
      '127.0.0.1',
      '',
    ]) {
      expect(statusOf(await ask('GET /model.onnx HTTP/1.1', host)), host).to.equal(403);
    }
    expect(await ask('GET /model.json HTTP/1.0', null)).to.match(/ 403 /);
    for (const host of [`localhost:${port}`, `LOCALHOST:${port}`, `[::1]:${port}`]) {
      expect(statusOf(await ask('GET /model.json HTTP/1.1', host)), host).to.equal(200);
    }
  });

  it('sends the headers that keep the page to itself with every answer', async () => {
    for (const [line, host] of [
      ['GET / HTTP/1.1'],
      ['GET /runtime/ort.wasm.min.mjs HTTP/1.1'],
      ['GET /x HTTP/1.1'],
      ['POST / HTTP/1.1'],
      ['GET / HTTP/1.1', 'evil.example'],
    ] as const) {
      // prettier-ignore
      const answer = await ask(line, host);
      for (const header of [
        "content-security-policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval';",
        'cross-origin-opener-policy: same-origin',
        'cross-origin-embedder-policy: require-corp',
        'cross-origin-resource-policy: same-origin',
        'x-content-type-options: nosniff',
      ]) {
        expect(answer, line).to.include(`\r\n${header}`);
      }
      const [head] = answer.split('\r\n\r\n');
      expect(head).not.to.match(/unsafe-inline|'unsafe-eval'|https?:\/\//);
    }
  });

  it('refuses what predict refuses, in the same words', async () => {
    const foreign = path.join(folder, 'foreign.onnx');
    writeFileSync(foreign, tinyBackbone());
    for (const file of [foreign, path.join(folder, 'missing.onnx')]) {
      const served = await graft(['serve', '--model', file]);
      const predicted = await graft(['predict', '--model', file, file]);
      expect(served).to.deep.equal({ ...predicted, stdout: '' });
      expect(served.status).to.equal(1);
    }
  });

  it('says so where the port is taken, impossible, or the host is another machine', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const { status, stderr, stdout } = await graft([
      'serve',
      '--model',
      model,
      '--port',
      String(port),
      '--json',
    ]);
    taken.close();
    expect(status).to.equal(1);
    expect(stderr).to.equal(`graft: Port ${port} of 127.0.0.1 is taken; choose another with --port, or leave it out for any that is free.\n`); // prettier-ignore
    expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'ADDRESS_UNAVAILABLE');
    expect((await graft(['serve', '--model', model, '--port', '70000'])).status).to.equal(2);
    expect((await graft(['serve', '--model', model, '--host', '192.0.2.1'])).stderr).to.match(
      /no address of this machine/,
    );
  });

  it('ends with status 0 on Ctrl-C, also while a reader keeps a connection open', async () => {
    const own = await serve(model);
    const socket = connect(own.port, '127.0.0.1');
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    expect(await own.interrupt()).to.equal(0);
    await closed;
  });

  it('is a function too, whose server ends with close', async () => {
    const built = (await import(path.resolve('dist/index.js'))) as { serveModel: typeof serveModel };
    const { url, labels, close } = await built.serveModel({ model });
    expect(labels).to.deep.equal(['left', 'right']);
    expect((await fetch(url)).status).to.equal(200);
    await close();
    const isGone = await fetch(url).then(
      () => false,
      () => true,
    );
    expect(isGone).to.equal(true);
  });
});
