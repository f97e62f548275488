import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { fetchUrl } from '../../src/sources/fetch-url.js';

describe('Fetching an example', () => {
  let server: Server;
  let answer: RequestListener = () => {};
  let requests = 0;
  let address = '';
  before(async () => {
    server = createServer((request, response) => {
      requests++;
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/photo.jpg`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    requests = 0;
  });

  const quick = { firstWaitMs: 5, timeoutMs: 200, attempts: 3 };
  async function refusal(url = address, options = quick): Promise<GraftError> {
    const outcome: unknown = await fetchUrl(url, options).catch((error: unknown) => error);
    expect(outcome).to.be.instanceOf(GraftError);
    return outcome as GraftError;
  }

  it('gives the bytes, in memory of their own', async () => {
    answer = (_request, response) => response.end(Buffer.from([1, 2, 3]));
    const bytes = await fetchUrl(address);
    expect([...bytes]).to.deep.equal([1, 2, 3]);
    expect(bytes.buffer.byteLength).to.equal(3);
  });

  it('follows a redirection', async () => {
    answer = (request, response) => {
      if (request.url === '/photo.jpg') response.writeHead(302, { location: '/other.jpg' }).end();
      else response.end('moved');
    };
    expect(Buffer.from(await fetchUrl(address)).toString()).to.equal('moved');
  });

  for (const status of [429, 500, 503]) {
    it(`tries again after ${status}`, async () => {
      answer = (_request, response) => response.writeHead(requests < 3 ? status : 200).end('at last');
      expect(Buffer.from(await fetchUrl(address, quick)).toString()).to.equal('at last');
      expect(requests).to.equal(3);
    });
  }

  it('waits as long as the server asks', async () => {
    answer = (_request, response) =>
      requests < 2 ? response.writeHead(503, { 'retry-after': '1' }).end() : response.end('x');
    const started = performance.now();
    await fetchUrl(address, quick);
    expect(performance.now() - started).to.be.above(950);
  });

  it('waits no longer once it is told to stop', async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      response.writeHead(503, { 'retry-after': '20' }).end();
      setTimeout(() => stop.abort(), 20);
    };
    const started = performance.now();
    const error: unknown = await fetchUrl(address, { signal: stop.signal }).catch(
      (reason: unknown) => reason,
    );
    expect((error as GraftError).code).to.equal('INTERRUPTED');
    expect(performance.now() - started).to.be.below(2000);
    expect(requests).to.equal(1);
  });

  it('lets any number wait for another attempt under one signal, without a warning of Node', async () => {
    answer = (_request, response) => response.writeHead(503).end();
    const warned: Error[] = [];
    const hear = (warning: Error): number => warned.push(warning);
    process.on('warning', hear);
    const { signal } = new AbortController();
    await Promise.all(
      Array.from({ length: 12 }, () =>
        fetchUrl(address, { firstWaitMs: 300, attempts: 2, signal }).catch(() => {}),
      ),
    );
    await new Promise(setImmediate);
    process.off('warning', hear);
    expect(warned.map(({ name }) => name)).to.deep.equal([]);
  });

  it('says in a line that a server does not speak TLS', async () => {
    answer = (_request, response) => response.end();
    const { message } = await refusal(address.replace('http', 'https'), { ...quick, timeoutMs: 10_000 });
    expect(message).to.match(/^Cannot fetch https:.*: TLS fails with "wrong version number"\.$/);
  });

  it('gives up after the last attempt with what the server said', async () => {
    answer = (_request, response) => response.writeHead(503).end();
    expect((await refusal()).message).to.equal(
      `Cannot fetch ${address}: the server answers 503 Service Unavailable.`,
    );
    expect(requests).to.equal(3);
  });

  it('does not ask again for what is not there or not allowed', async () => {
    for (const [status, code] of [
      [404, 'FILE_NOT_FOUND'],
      [410, 'FILE_NOT_FOUND'],
      [403, 'FILE_UNREADABLE'],
    ] as const) {
      requests = 0;
      answer = (_request, response) => response.writeHead(status).end();
      expect((await refusal()).code).to.equal(code);
      expect(requests).to.equal(1);
    }
  });

  it('tries again when the connection breaks half way, and never gives half the bytes', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      if (requests === 3) response.end('0123456789');
      else {
        response.write('01234');
        setTimeout(() => response.destroy(), 10);
      }
    };
    expect(Buffer.from(await fetchUrl(address, quick)).toString()).to.equal('0123456789');
    expect(requests).to.equal(3);
  });

  it('does not wait for ever for a server that says nothing', async () => {
    answer = () => {};
    expect((await refusal()).message).to.match(/no answer for 0\.2 s/);
    expect(requests).to.equal(3);
  });

  it('waits on while bytes keep coming', async () => {
    answer = (_request, response) => {
      let pieces = 0;
      const timer = setInterval(() => {
        response.write('x');
        if (++pieces === 5) {
          clearInterval(timer);
          response.end();
        }
      }, 80);
    };
    expect(await fetchUrl(address, quick)).to.have.length(5);
  });

  it('refuses more bytes than a photo has, announced or not', async () => {
    answer = (_request, response) =>
      response.writeHead(200, { 'content-length': '101' }).end('x'.repeat(101));
    expect((await refusal(address, { ...quick, maxBytes: 100 } as typeof quick)).message).to.match(
      /101 bytes/,
    );
    answer = (_request, response) => {
      response.write('x'.repeat(60));
      response.end('x'.repeat(60));
    };
    expect((await refusal(address, { ...quick, maxBytes: 100 } as typeof quick)).message).to.match(
      /over 100 bytes/,
    );
  });

  it('names the reason where there is no server or no such address', async () => {
    expect((await refusal('http://127.0.0.1:9/x.jpg')).message).to.match(
      /127\.0\.0\.1:9\/x\.jpg: .*(port|REFUSED)/i,
    );
    expect((await refusal('http://[broken/x.jpg')).message).to.match(/\[broken/);
  });
});
