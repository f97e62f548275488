import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { GraftError } from '../../src/errors.js';
import { readExamples } from '../../src/features/read-examples.js';
import { HashMemo } from '../../src/features/hash-memo.js';
import { evaluateModel } from '../../src/pipeline/evaluate-model.js';
import { predictInputs } from '../../src/pipeline/predict-inputs.js';
import { runAll } from '../../src/pipeline/run-all.js';
import { drawImages } from '../features/tiny-backbone.js';

describe('Images at an address that is never answered', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-silent-'));
  const table = path.join(folder, 'photos.csv');
  let server: Server;
  let model = '';
  let asked = (): void => {};
  before(async () => {
    server = createServer(() => asked());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    writeFileSync(table, `image,label\n${address}/1.jpg,a\n${address}/2.jpg,b\n`);
    const data = path.join(folder, 'data');
    for (const [label, seed] of [
      ['a', 1],
      ['b', 2],
    ] as const)
      await drawImages(path.join(data, label), 6, seed);
    const out = path.join(folder, 'run');
    ({ model } = await runAll({ backbone: 'scattering', data, out, cache: path.join(folder, 'cache') }));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });

  /** Aborted when the server has been asked. */
  function untilAsked(): AbortSignal {
    const stop = new AbortController();
    asked = () => setTimeout(() => stop.abort(), 10);
    return stop.signal;
  }

  for (const [command, start] of [
    ['predict', (signal: AbortSignal) => predictInputs({ model, inputs: [table] }, { signal })],
    ['eval', (signal: AbortSignal) => evaluateModel({ model, data: table }, { signal })],
  ] as const) {
    it(`do not hold graft ${command} up when it is stopped, and count as no mistake of theirs`, async () => {
      const started = performance.now();
      const error: unknown = await start(untilAsked()).catch((reason: unknown) => reason);
      expect((error as GraftError).code).to.equal('INTERRUPTED');
      expect((error as GraftError).message).to.match(/^Stopped after 0 of 2 /);
      expect(performance.now() - started).to.be.below(5000);
    });
  }

  it('are not waited for by who leaves the list', async () => {
    const examples = ['/1.jpg', '/2.jpg'].map((name) => {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${name}`;
      return { path: url, source: { kind: 'url' as const, url } };
    });
    const memo = await HashMemo.open(folder, examples);
    const signal = untilAsked();
    for await (const { content } of readExamples(examples, { memo, isWanted: () => true, signal })) {
      expect(content.kind === 'unreadable' && content.error.code).to.equal('INTERRUPTED');
      break;
    }
  });
});
