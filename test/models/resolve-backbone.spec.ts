import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { listCatalogue } from '../../src/models/catalogue.js';
import { parsePreprocess } from '../../src/models/parse-preprocess.js';
import { resolveBackbone } from '../../src/models/resolve-backbone.js';
import { downloadFile } from '../../src/sources/download-file.js';
import { preprocess, tinyBackbone } from '../features/tiny-backbone.js';

const content = Buffer.from(tinyBackbone());
const sha256 = createHash('sha256').update(content).digest('hex');

/** Serves part of a file where a range is asked for. */
function serve(bytes: Buffer): RequestListener {
  return (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from === 0) response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    else if (from >= bytes.length) response.writeHead(416).end();
    else {
      response.writeHead(206, {
        'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}`,
        'content-length': bytes.length - from,
      });
      response.end(bytes.subarray(from));
    }
  };
}

describe('Fetching backbones', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-fetch-'));
  let server: Server;
  let address = '';
  let answer: RequestListener = () => {};
  let requests: IncomingMessage[] = [];
  before(async () => {
    server = createServer((request, response) => {
      requests.push(request);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    process.env.HF_ENDPOINT = address;
  });
  beforeEach(() => {
    requests = [];
  });
  afterEach(() => {
    delete process.env.GRAFT_CATALOGUE;
    delete process.env.HF_TOKEN;
  });
  after(() => {
    delete process.env.HF_ENDPOINT;
    server.closeAllConnections();
    server.close();
    rmSync(folder, { recursive: true });
  });
  const patience = { attempts: 3, firstWaitMs: 5, timeoutMs: 500 };
  const refusal = async (work: Promise<unknown>): Promise<GraftError> => {
    const outcome: unknown = await work.then(
      () => 'done',
      (error: unknown) => error,
    );
    expect(outcome).to.be.instanceOf(GraftError);
    return outcome as GraftError;
  };

  describe('a file', () => {
    it('writes no file that is there already, as in a folder of another user', async () => {
      const own = path.join(folder, 'read-only');
      const catalogue = path.join(folder, 'downloaded.json');
      writeFileSync(
        catalogue,
        JSON.stringify([
          { name: 'tiny', licence: 'x', source: 'x', url: `${address}/tiny.onnx`, sha256, preprocess },
        ]),
      );
      process.env.GRAFT_CATALOGUE = catalogue;
      answer = serve(content);
      const names = ['scattering', 'hashed-ngrams', 'tiny'];
      const states = async (): Promise<unknown[]> => {
        for (const name of names) await resolveBackbone(name, { folder: own });
        return readdirSync(own)
          .sort()
          .map((name) => [name, statSync(path.join(own, name), { bigint: true }).ino]);
      };
      const first = await states();
      expect(first).to.have.length(4);
      expect(await states()).to.deep.equal(first);
    });

    it('goes on where a broken connection left it, and asks for the rest alone', async () => {
      answer = (request, response) => {
        if (requests.length > 1) serve(content)(request, response);
        else {
          response.writeHead(200, { 'content-length': content.length });
          response.write(content.subarray(0, 500), () => setTimeout(() => response.destroy(), 20));
        }
      };
      const file = path.join(folder, 'resumed.onnx');
      await downloadFile(address, file, { ...patience, sha256 });
      expect(readFileSync(file).equals(content)).to.equal(true);
      expect(requests.map(({ headers }) => headers.range)).to.deep.equal([undefined, 'bytes=500-']);
    });

    it('goes on where a killed process left it', async () => {
      answer = serve(content);
      const file = path.join(folder, 'killed.onnx');
      writeFileSync(`${file}.part`, content.subarray(0, 700));
      const seen: number[] = [];
      await downloadFile(address, file, { sha256, onProgress: ({ done, total }) => seen.push(done, total) });
      expect(requests[0]!.headers.range).to.equal('bytes=700-');
      expect(readFileSync(file).equals(content)).to.equal(true);
      expect(seen.slice(-2)).to.deep.equal([content.length, content.length]);
    });

    it('begins anew where the server gives no parts, and where nothing tells which file a part is of', async () => {
      answer = (_, response) => response.end(content);
      for (const sum of [sha256, undefined]) {
        const file = path.join(folder, `anew-${sum}.onnx`);
        writeFileSync(`${file}.part`, 'something else that is longer than nothing');
        await downloadFile(address, file, { sha256: sum });
        expect(readFileSync(file).equals(content)).to.equal(true);
      }
    });

    it('that is another one is refused with both sums, and nothing of it is kept', async () => {
      answer = serve(Buffer.from('not the model'));
      const file = path.join(folder, 'other.onnx');
      const { code, message } = await refusal(downloadFile(address, file, { sha256 }));
      expect(code).to.equal('FILE_UNREADABLE');
      expect(message)
        .to.include(sha256)
        .and.match(/sha256 [0-9a-f]{64} instead/);
      expect(() => statSync(file)).to.throw();
      expect(() => statSync(`${file}.part`)).to.throw();
    });

    it('that keeps breaking off is an error, and what came is kept for the next time', async () => {
      answer = (_, response) => {
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 300), () => setTimeout(() => response.destroy(), 20));
      };
      const file = path.join(folder, 'broken.onnx');
      const { code } = await refusal(downloadFile(address, file, { ...patience, sha256 }));
      expect(code).to.equal('FILE_UNREADABLE');
      expect(() => statSync(file)).to.throw();
      expect(statSync(`${file}.part`).size).to.be.at.least(300);
    });

    for (const sum of [undefined, sha256]) {
      it(`is whole where two processes fetch it at once${sum === undefined ? '' : ', and know its sum'}`, async () => {
        const half = content.length >> 1;
        let finish = (): void => {};
        answer = (request, response) => {
          if (requests.length < 2) serve(content)(request, response);
          else {
            // The second one gets its second half when the first one is done.
            response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, half));
            finish = () => response.end(content.subarray(half));
          }
        };
        const file = path.join(folder, `twice-${sum}.onnx`);
        const first = downloadFile(address, file, { sha256: sum });
        const second = downloadFile(address, file, { sha256: sum });
        await Promise.race([first, second]);
        expect(readFileSync(file).equals(content), 'after the first one').to.equal(true);
        finish();
        await Promise.all([first, second]);
        expect(readFileSync(file).equals(content), 'after both').to.equal(true);
        expect(readdirSync(folder).filter((name) => name.includes(`twice-${sum}`))).to.have.length(1);
      });
    }

    it('stops when it is told to', async () => {
      const stop = new AbortController();
      answer = (_, response) => {
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 300), () => stop.abort());
      };
      const file = path.join(folder, 'stopped.onnx');
      const { code } = await refusal(
        downloadFile(address, file, { ...patience, sha256, signal: stop.signal }),
      );
      expect(code).to.equal('INTERRUPTED');
    });
  });

  describe('of the catalogue', () => {
    it('brings the preprocessing along, and fetches once', async () => {
      answer = serve(content);
      const catalogue = path.join(folder, 'catalogue.json');
      const entry = {
        name: 'tiny',
        description: '',
        licence: 'MIT',
        source: '',
        url: address,
        sha256,
        preprocess,
      };
      writeFileSync(catalogue, JSON.stringify([entry]));
      process.env.GRAFT_CATALOGUE = catalogue;
      const place = { folder: path.join(folder, 'backbones') };
      const file = await resolveBackbone('tiny', place);
      expect(await resolveBackbone('tiny', place)).to.equal(file);
      expect(requests).to.have.length(1);
      expect(readFileSync(file).equals(content)).to.equal(true);
      const spec: unknown = JSON.parse(readFileSync(file.replace(/\.onnx$/, '.preprocess.json'), 'utf8'));
      expect(spec).to.deep.equal(preprocess);
    });

    it('is told with address, sum, licence and a preprocessing that can be used', () => {
      const [forImages, forTexts, ...others] = listCatalogue();
      expect([forImages!.name, forTexts!.name]).to.deep.equal(['scattering', 'hashed-ngrams']);
      expect(others).to.not.deep.equal([]);
      for (const { name, url, sha256: sum, licence, preprocess: spec } of others) {
        expect(url, name).to.match(/^https:\/\//);
        expect(sum, name).to.match(/^[0-9a-f]{64}$/);
        expect(licence, name).to.not.equal('');
        expect(() => parsePreprocess(spec, name)).to.not.throw();
      }
    });

    it('names every way where a name is unknown', async () => {
      const { code, message } = await refusal(resolveBackbone('nosuch', { folder }));
      expect(code).to.equal('FILE_NOT_FOUND');
      expect(message).to.match(/path of an ONNX file.*scattering.*hf:owner\/repo/);
    });
  });

  describe('of the Hugging Face Hub', () => {
    const config = Buffer.from(JSON.stringify({ size: 32 }));
    /** A repository as the Hub tells of it; the paths given hold the model. */
    const hub =
      (models: readonly string[], bytes: Buffer = content): RequestListener =>
      (request, response) => {
        const sum = createHash('sha256').update(bytes).digest('hex');
        if (request.url!.startsWith('/api/models/some/repo/tree/')) {
          const files = models.map((at) => ({
            type: 'file',
            path: at,
            size: bytes.length,
            oid: 'a',
            lfs: { oid: sum, size: bytes.length, pointerSize: 1 },
          }));
          const small = { type: 'file', path: 'preprocessor_config.json', size: config.length, oid: 'b' };
          const readme = { ...small, path: 'README.md' };
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify([...files, small, readme]));
        } else if (request.url!.endsWith('/preprocessor_config.json')) serve(config)(request, response);
        else if (request.url!.endsWith('.onnx')) serve(bytes)(request, response);
        else response.writeHead(404).end();
      };
    const place = { folder: path.join(folder, 'hub') };
    const fetched = () => requests.map(({ url }) => url!).filter((url) => url.includes('/resolve/'));

    it('brings the model and its preprocessing, and fetches what did not change only once', async () => {
      answer = hub(['onnx/model.onnx', 'onnx/model_fp16.onnx']);
      process.env.HF_TOKEN = 'hf_secret';
      const file = await resolveBackbone('hf:some/repo@v1', place);
      expect(file).to.match(/onnx[/\\]model\.onnx$/);
      expect(readFileSync(file).equals(content)).to.equal(true);
      const beside = path.join(path.dirname(file), '..', 'preprocessor_config.json');
      expect(readFileSync(beside).equals(config)).to.equal(true);
      expect(fetched()).to.have.members([
        '/some/repo/resolve/v1/onnx/model.onnx',
        '/some/repo/resolve/v1/preprocessor_config.json',
      ]);
      expect(requests.map(({ headers }) => headers.authorization)).to.deep.equal(
        Array(3).fill('Bearer hf_secret'),
      );
      requests = [];
      expect(await resolveBackbone('hf:some/repo@v1', place)).to.equal(file);
      expect(fetched()).to.deep.equal([]);
    });

    it('fetches again where the repository has changed, beside what was there', async () => {
      answer = hub(['model.onnx']);
      const before = await resolveBackbone('hf:some/repo', place);
      const changed = Buffer.concat([content, Buffer.from([0])]);
      answer = hub(['model.onnx'], changed);
      const after = await resolveBackbone('hf:some/repo', place);
      expect(readFileSync(before).equals(content)).to.equal(true);
      expect(readFileSync(after).equals(changed)).to.equal(true);
    });

    it('is taken from the last time, and says so, where the Hub cannot be reached', async () => {
      answer = hub(['model.onnx']);
      const file = await resolveBackbone('hf:some/repo@stable', place);
      answer = (_, response) => response.writeHead(503).end();
      const said: string[] = [];
      const logger = { info() {}, warn: (message: string) => said.push(message) };
      expect(await resolveBackbone('hf:some/repo@stable', { ...place, logger })).to.equal(file);
      expect(said.join()).to.match(/cannot be reached.*taking/);
    });

    it('asks which one where there are several models, and takes the one that is named', async () => {
      answer = hub(['a.onnx', 'b.onnx']);
      const { message } = await refusal(
        resolveBackbone('hf:some/repo', { folder: path.join(folder, 'several') }),
      );
      expect(message).to.match(/several models.*hf:some\/repo:a\.onnx.*a\.onnx, b\.onnx/);
      expect(await resolveBackbone('hf:some/repo:b.onnx', place)).to.match(/b\.onnx$/);
    });

    it('refuses what is not there, holds no model, leads out of its folder, or is misspelt', async () => {
      const nowhere = { folder: path.join(folder, 'nowhere') };
      answer = (_, response) => response.writeHead(404).end();
      expect((await refusal(resolveBackbone('hf:some/repo', nowhere))).message).to.match(
        /has no hf:some\/repo/,
      );
      answer = hub([]);
      expect((await refusal(resolveBackbone('hf:some/repo', nowhere))).message).to.match(
        /holds no \.onnx file/,
      );
      answer = hub(['../../../evil.onnx']);
      expect((await refusal(resolveBackbone('hf:some/repo', nowhere))).message).to.match(/leads out of it/);
      expect((await refusal(resolveBackbone('hf:repo', nowhere))).code).to.equal('USAGE');
      process.env.HF_ENDPOINT = 'http://hub.invalid';
      const { message } = await refusal(resolveBackbone('hf:some/repo', nowhere));
      process.env.HF_ENDPOINT = address;
      expect(message).to.match(/Cannot ask http:\/\/hub\.invalid .*hub\.invalid.*HF_ENDPOINT/);
    });
  });
});
