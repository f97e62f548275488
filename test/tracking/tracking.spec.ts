import { spawnSync } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { crc32c, maskedCrc32c } from '../../src/tracking/crc32c.js';
import { trackInMlflow } from '../../src/tracking/mlflow.js';
import { mlflowClient } from '../../src/tracking/mlflow-client.js';
import { trackInTensorboard } from '../../src/tracking/tensorboard.js';
import { silentLogger } from '../../src/logger.js';

const run = {
  name: 'first',
  parameters: { l2: 1, solver: 'adamw', standardize: true },
  tags: { data: 'photos' },
};
const record = (epoch: number) => ({
  epoch,
  objective: 100 / epoch,
  train: { loss: 1 / epoch, accuracy: 0.5 },
  validation: { loss: 2 / epoch, accuracy: 0.25 },
});

describe('event files', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-events-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are checked by CRC-32C as its definition has it', () => {
    expect(crc32c(new TextEncoder().encode('123456789'))).to.equal(0xe3069283);
    expect(crc32c(new Uint8Array(32))).to.equal(0x8a9136aa);
  });

  it('are whole records: length, checksum, data, checksum', async () => {
    const tracker = trackInTensorboard(folder, run, silentLogger);
    for (let epoch = 1; epoch <= 5; epoch++) tracker.epoch(record(epoch));
    await tracker.end('finished', { 'validation/accuracy': 0.25 });
    expect(readdirSync(folder)).to.include.members(['train', 'validation']);
    const [name] = readdirSync(path.join(folder, 'train'));
    const bytes = readFileSync(path.join(folder, 'train', name!));
    let records = 0;
    for (let at = 0; at < bytes.length; records++) {
      const length = Number(bytes.readBigUInt64LE(at));
      expect(bytes.readUInt32LE(at + 8)).to.equal(maskedCrc32c(bytes.subarray(at, at + 8)));
      const data = bytes.subarray(at + 12, at + 12 + length);
      expect(bytes.readUInt32LE(at + 12 + length)).to.equal(maskedCrc32c(data));
      at += length + 16;
    }
    // One says the version, then one an epoch.
    expect(records).to.equal(6);
  });

  it('that would lie in /proc, where no folder can be made, are not waited for', async function () {
    if (process.platform !== 'linux') this.skip();
    const module = pathToFileURL(path.resolve('build/src/tracking/event-file.js')).href;
    const call = `import { openEventFile } from ${JSON.stringify(module)};
      try { openEventFile('/proc/graft/run'); } catch ({ code }) { console.log(code); }`;
    // In a process of its own: a call of the system that does not come back cannot be stopped in this one.
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', call], {
      encoding: 'utf8',
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    expect([signal, stdout]).to.deep.equal([null, 'ENOENT\n']);
  });

  it('that cannot be written are one warning', async () => {
    const warnings: string[] = [];
    const tracker = trackInTensorboard(path.join(process.execPath, 'none'), run, {
      info() {},
      warn: (text) => warnings.push(text),
    });
    tracker.epoch(record(1));
    await tracker.end('failed', {});
    expect(warnings).to.have.length(1);
  });
});

interface Stored {
  experiments: string[];
  runs: Record<
    string,
    { status: string; name: string; end?: number; params: Map<string, string>; tags: unknown }
  >;
  metrics: { key: string; value: number; step: number; timestamp: number }[];
  artifacts: string[];
}

/** A tracking server that checks what the documented protocol demands and keeps what it is told. */
function openServer(stored: Stored, behave: { failures?: number; delayMs?: number } = {}): Promise<Server> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = (status: number, body: object): void => {
        setTimeout(() => {
          response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
        }, behave.delayMs ?? 0);
      };
      const refuse = (status: number, error_code: string): void =>
        answer(status, { error_code, message: error_code });
      if (behave.failures && behave.failures-- > 0) return refuse(500, 'INTERNAL_ERROR');
      const url = new URL(request.url!, 'http://localhost');
      const route = `${request.method} ${url.pathname.replace('/api/2.0/', '')}`;
      if (route.startsWith('PUT mlflow-artifacts/artifacts/')) {
        stored.artifacts.push(url.pathname.split('/mlflow-artifacts/artifacts/')[1]!);
        return answer(200, {});
      }
      const body = (chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : {}) as Record<
        string,
        never
      >;
      if (request.method === 'POST' && request.headers['content-type'] !== 'application/json')
        return refuse(400, 'BAD_REQUEST');
      const known = stored.runs[body.run_id ?? ''];
      switch (route) {
        case 'GET mlflow/experiments/get-by-name': {
          const at = stored.experiments.indexOf(url.searchParams.get('experiment_name')!);
          if (at < 0) return refuse(404, 'RESOURCE_DOES_NOT_EXIST');
          return answer(200, { experiment: { experiment_id: String(at) } });
        }
        case 'POST mlflow/experiments/create':
          stored.experiments.push(body.name!);
          return answer(200, { experiment_id: String(stored.experiments.length - 1) });
        case 'POST mlflow/runs/create': {
          if (!stored.experiments[Number(body.experiment_id)]) return refuse(404, 'RESOURCE_DOES_NOT_EXIST');
          const run_id = `run${Object.keys(stored.runs).length}`;
          stored.runs[run_id] = {
            status: 'RUNNING',
            name: body.run_name!,
            params: new Map(),
            tags: body.tags,
          };
          return answer(200, {
            run: { info: { run_id, artifact_uri: `mlflow-artifacts:/0/${run_id}/artifacts` } },
          });
        }
        case 'POST mlflow/runs/log-batch': {
          const { metrics = [], params = [] } = body as unknown as {
            metrics?: Stored['metrics'];
            params?: { key: string; value: string }[];
          };
          if (!known || metrics.length > 1000 || params.length > 100)
            return refuse(400, 'INVALID_PARAMETER_VALUE');
          for (const { key, value } of params) {
            // A parameter is set once.
            if ((known.params.get(key) ?? value) !== value) return refuse(400, 'INVALID_PARAMETER_VALUE');
            known.params.set(key, value);
          }
          if (!metrics.every(({ value, step, timestamp }) => [value, step, timestamp].every(Number.isFinite)))
            return refuse(400, 'INVALID_PARAMETER_VALUE');
          stored.metrics.push(...metrics);
          return answer(200, {});
        }
        case 'POST mlflow/runs/update':
          if (!known) return refuse(404, 'RESOURCE_DOES_NOT_EXIST');
          known.status = body.status!;
          known.end = body.end_time!;
          return answer(200, {});
        default:
          return refuse(404, 'ENDPOINT_NOT_FOUND');
      }
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe('an MLflow server', () => {
  let stored: Stored;
  let server: Server;
  const warnings: string[] = [];
  const logger = { info() {}, warn: (text: string) => void warnings.push(text) };
  const open = async (behave?: Parameters<typeof openServer>[1]): Promise<string> => {
    server = await openServer(stored, behave);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  beforeEach(() => {
    stored = { experiments: ['Default'], runs: {}, metrics: [], artifacts: [] };
    warnings.length = 0;
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is told settings, every epoch, files and the end', async () => {
    const client = mlflowClient(await open(), 2000);
    const tracker = trackInMlflow(client, run, logger, {
      experiment: 'signs',
      artifacts: async () => [['result.json', new Uint8Array(2)]],
    });
    for (let epoch = 1; epoch <= 300; epoch++) tracker.epoch(record(epoch));
    await tracker.end('finished', { 'validation/accuracy': 0.9 });
    expect(stored.experiments).to.deep.equal(['Default', 'signs']);
    const { params, ...told } = stored.runs.run0!;
    expect(told).to.deep.include({
      status: 'FINISHED',
      name: 'first',
      tags: [{ key: 'data', value: 'photos' }],
    });
    expect(told.end).to.be.a('number');
    expect(Object.fromEntries(params)).to.deep.equal({ l2: '1', solver: 'adamw', standardize: 'true' });
    const losses = stored.metrics.filter(({ key }) => key === 'validation/loss');
    expect(losses.map(({ step }) => step)).to.deep.equal(Array.from({ length: 300 }, (_, i) => i + 1));
    expect(losses.map(({ value }) => value)).to.deep.equal(
      Array.from({ length: 300 }, (_, i) => 2 / (i + 1)),
    );
    expect(stored.metrics.find(({ key }) => key === 'final/validation/accuracy')!.value).to.equal(0.9);
    expect(stored.artifacts).to.deep.equal(['0/run0/artifacts/result.json']);
    expect(warnings).to.deep.equal([]);
  });

  for (const [status, told] of [
    ['killed', 'KILLED'],
    ['failed', 'FAILED'],
  ] as const) {
    it(`is told that a run was ${status}`, async () => {
      const tracker = trackInMlflow(mlflowClient(await open(), 2000), run, logger, { experiment: 'Default' });
      tracker.epoch(record(1));
      await tracker.end(status, {});
      expect(stored.runs.run0!.status).to.equal(told);
    });
  }

  it('that fails for a while loses nothing and is one warning', async () => {
    const client = mlflowClient(await open({ failures: 2 }), 2000);
    const tracker = trackInMlflow(client, run, logger, { experiment: 'Default', retryMs: 0, intervalMs: 0 });
    for (let epoch = 1; epoch <= 40; epoch++) {
      tracker.epoch(record(epoch));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await tracker.end('finished', {});
    const steps = stored.metrics.filter(({ key }) => key === 'train/loss').map(({ step }) => step);
    expect(steps).to.deep.equal(Array.from({ length: 40 }, (_, i) => i + 1));
    expect(warnings).to.have.length(1);
  });

  it('that is not there is one warning, and the end does not wait long', async () => {
    const address = await open();
    server.close();
    const tracker = trackInMlflow(mlflowClient(address, 500), run, logger, { experiment: 'Default' });
    const started = Date.now();
    tracker.epoch(record(1));
    await tracker.end('finished', {});
    expect(Date.now() - started).to.be.below(2000);
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.match(/MLflow server http:\/\/127.*ECONNREFUSED.*training goes on/);
  });

  it('that is slow holds the end up no longer than it may', async () => {
    const client = mlflowClient(await open({ delayMs: 60_000 }), 60_000);
    const tracker = trackInMlflow(client, run, logger, { experiment: 'Default', patienceMs: 100 });
    tracker.epoch(record(1));
    const started = Date.now();
    await tracker.end('finished', {});
    expect(Date.now() - started).to.be.below(1500);
    expect(warnings).to.have.length(1);
  });

  it('goes on with a run that it knows', async () => {
    const client = mlflowClient(await open(), 2000);
    const first = trackInMlflow(client, run, logger, { experiment: 'Default' });
    await first.end('killed', {});
    const again = trackInMlflow(client, run, logger, {
      experiment: 'Default',
      resume: { runId: 'run0', artifactUri: '' },
    });
    again.epoch(record(2));
    await again.end('finished', {});
    expect(Object.keys(stored.runs)).to.deep.equal(['run0']);
    expect(stored.runs.run0!.status).to.equal('FINISHED');
  });

  it('is never named with its password', async () => {
    const client = mlflowClient((await open()).replace('://', '://anna:secret@'), 2000);
    expect(client.address).to.not.match(/secret|anna/);
  });
});
