/** The same photos in a folder, in tar shards, in Parquet and behind addresses: one store, and nothing is computed twice. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import type { Prediction } from '../../src/pipeline/describe-prediction.js';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import { zip } from '../dataset/zip-archive.js';
import { preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('photos wherever they lie', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const model = path.join(folder, 'tiny.onnx');
  // prettier-ignore
  const common = ['--backbone', model, '--layer', 'features', '--pool', 'none', '--device', 'cpu', '--threads', '2'];
  const at = (...parts: string[]): string => path.join(folder, ...parts);
  const photos: { name: string; label: string; bytes: Buffer }[] = [];
  let server: Server;
  let requests = 0;

  const cache = (data: string, ...more: string[]) =>
    graftJsonHere<CacheReport>(['cache', ...common, '--data', data, ...more], env);

  async function writeTar(
    name: string,
    members: readonly (readonly [string, Buffer | string])[],
  ): Promise<void> {
    const stream = pack();
    for (const [member, content] of members) stream.entry({ name: member }, content);
    stream.finalize();
    writeFileSync(at(name), await buffer(stream));
  }

  before(async () => {
    writeFileSync(model, tinyBackbone());
    writeFileSync(path.join(folder, 'tiny.preprocess.json'), JSON.stringify(preprocess));
    for (const [k, label] of ['left', 'right'].entries()) {
      mkdirSync(at('photos', label), { recursive: true });
      for (let i = 0; i < 6; i++) {
        const background = { r: 90 * k + 9 * i, g: 90, b: 30 };
        const bytes = await sharp({ create: { width: 20, height: 20, channels: 3, background } })
          .png()
          .toBuffer();
        photos.push({ name: `${label}-${i}`, label, bytes });
        writeFileSync(at('photos', label, `${i}.png`), bytes);
      }
    }
    mkdirSync(at('shards'));
    for (const half of [0, 1]) {
      const members = photos
        .filter((_, i) => i % 2 === half)
        // Every sample has the same name: members are told apart by their place.
        .flatMap(
          ({ label, bytes }, i) =>
            [
              [`x${i % 2}.png`, bytes],
              [`x${i % 2}.cls`, label],
            ] as const,
        );
      await writeTar(`shards/part-${half}.tar`, members);
    }
    parquetWriteFile({
      filename: at('photos.parquet'),
      rowGroupSize: 5,
      columnData: [
        { name: 'image', data: photos.map(({ bytes }) => bytes), type: 'BYTE_ARRAY' },
        { name: 'label', data: photos.map(({ label }) => label), type: 'STRING' },
      ],
    });
    server = createServer((request, response) => {
      requests++;
      // The first answer to each fifth request is a refusal: the fetch tries again.
      if (requests % 5 === 1) response.writeHead(503, { 'retry-after': '0' }).end();
      else if (request.url === '/gone.png') response.writeHead(404).end();
      else response.end(photos.find(({ name }) => `/${name}.png` === request.url)!.bytes);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('are computed once', async () => {
    expect(await cache(at('photos'))).to.include({ examples: 12, computed: 12, cached: 0 });
    const { port } = server.address() as AddressInfo;
    const rows = [...photos, { name: 'gone', label: 'left' }];
    const list = rows.map(({ name, label }) => `http://127.0.0.1:${port}/${name}.png,${label}\n`);
    writeFileSync(at('list.csv'), `url,label\n${list.join('')}`);
    for (const data of [at('shards'), at('shards', 'part-{0..1}.tar'), at('photos.parquet')]) {
      const report = await cache(data);
      expect(report, data).to.include({ examples: 12, computed: 0, cached: 12 });
    }
    const report = await cache(at('list.csv'));
    expect(report).to.include({ examples: 13, computed: 0, cached: 12 });
    expect(report.skipped.map(({ reason }) => reason).join()).to.match(/gone\.png: the server answers 404/);
    expect(requests).to.be.greaterThan(13);
  });

  it('are divided among the tasks of an array job, and a folder finds their rows', async () => {
    const fresh = { GRAFT_CACHE: at('cache-of-array') };
    let computed = 0;
    for (const task of ['0', '1', '2']) {
      const scheduler = { SLURM_ARRAY_TASK_ID: task, SLURM_ARRAY_TASK_COUNT: '3', SLURM_ARRAY_TASK_MIN: '0' };
      const data = task === '1' ? at('photos.parquet') : at('shards');
      const report = await graftJsonHere<CacheReport>(['cache', ...common, '--data', data], {
        ...fresh,
        ...scheduler,
      });
      expect(report.examples).to.equal(4);
      computed += report.computed;
    }
    const rest = await graftJsonHere<CacheReport>(['cache', ...common, '--data', at('photos')], fresh);
    // Shards and Parquet list the photos in another order, so that some were met twice and some not yet.
    expect(rest).to.include({ examples: 12, cached: computed });
  });

  it('are trained on, exported and verified without being unpacked', async () => {
    const run = at('run');
    const report = await graftJsonHere<{ verified: { examples: number }; examples: { train: number } }>(
      ['run', ...common, '--data', at('shards'), '--out', run],
      env,
    );
    expect(report.examples.train).to.equal(10);
    expect(report.verified.examples).to.equal(2);
    const evaluation = await graftJsonHere<{ examples: number; skipped: unknown[] }>(
      ['eval', '--model', path.join(run, 'model.onnx'), '--data', at('photos.parquet'), '--device', 'cpu'],
      env,
    );
    expect(evaluation.examples).to.equal(12);
    const predict = (input: string) =>
      graftJsonHere<Prediction[]>(
        ['predict', '--model', path.join(run, 'model.onnx'), input, '--device', 'cpu'],
        env,
      );
    const told = (predictions: readonly Prediction[]): string[] =>
      predictions.map(({ label, score }) => `${label} ${score}`).sort();
    const expected = told(await predict(at('photos')));
    expect(new Set(expected).size).to.equal(12);
    writeFileSync(
      at('photos.json'),
      JSON.stringify(photos.map(({ label }, i) => ({ image: `photos/${label}/${i % 6}.png` }))),
    );
    await writeTar(
      'unlabelled.tar',
      photos.map(({ name, bytes }) => [`${name}.png`, bytes] as const),
    );
    const packed = zip(photos.map(({ name, bytes }) => ({ name: `flat/${name}.png`, content: bytes })));
    mkdirSync(at('zips'));
    for (const name of ['photos.zip', 'zips/all.zip']) writeFileSync(at(name), packed);
    const sources = [
      'shards',
      'shards/part-{0..1}.tar',
      'unlabelled.tar',
      'photos.zip',
      'zips',
      'photos.parquet',
      'photos.json',
    ];
    for (const source of sources) expect(told(await predict(at(source))), source).to.deep.equal(expected);
  });

  it('are trained on in random views, of the training part alone', async () => {
    const fresh = { GRAFT_CACHE: at('cache-of-views') };
    const args = ['train', ...common, '--data', at('shards'), '--out', at('run-of-views'), '--views', '2'];
    interface Report {
      readonly examples: { readonly train: number; readonly validation: number };
      readonly views: {
        readonly stores: readonly string[];
        readonly computed: number;
        readonly cached: number;
      };
    }
    const first = await graftJsonHere<Report>([...args, '--augment', 'crop,flip'], fresh);
    expect(first.examples).to.deep.equal({ train: 10, validation: 2 });
    expect(first.views).to.deep.include({ computed: 10, cached: 0 });
    const { stores } = await graftJsonHere<{ stores: { rows: number; view: string; folder: string }[] }>(
      ['cache', 'ls'],
      fresh,
    );
    const rowsOf = new Map(stores.map(({ rows, folder: of }) => [of, rows]));
    expect(first.views.stores.map((of) => rowsOf.get(of))).to.deep.equal([10, 10]);
    expect(stores.map(({ rows }) => rows).sort()).to.deep.equal([10, 10, 12]);
    const again = await graftJsonHere<Report>([...args, '--augment', 'crop,flip'], fresh);
    expect(again.views).to.deep.include({ computed: 0, cached: 10 });
    const other = await graftJsonHere<Report>([...args, '--augment', 'crop,flip', '--view-seed', '2'], fresh);
    expect(other.views.computed).to.equal(10);
    const wrong = await graftHere([...args, '--augment', 'crop,rotate'], fresh);
    expect(wrong.status).to.equal(2);
    expect(wrong.stderr).to.match(/no operation "rotate"/);
  });

  it('end in one clear message where a shard is cut off', async () => {
    const whole = readFileSync(at('shards', 'part-1.tar'));
    writeFileSync(at('cut.tar'), whole.subarray(0, 2000));
    const { status, stderr } = await graftHere(['cache', ...common, '--data', at('cut.tar')], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/cut\.tar cannot be read: .* it is cut off/);
    expect(stderr).not.to.match(/\n\s+at /);
  });
});
