import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { parquetReadObjects } from 'hyparquet';
import type { CacheReport } from '../../src/pipeline/cache-features.js';
import type { ExportFeaturesReport } from '../../src/pipeline/export-features.js';
import type {
  CacheList,
  CacheStats,
  CacheVerification,
  PruneReport,
} from '../../src/pipeline/maintain-cache.js';
import type { TrainReport } from '../../src/pipeline/training-run.js';
import { decodeSafetensors } from '../../src/tensor/safetensors.js';
import { dim, drawImages, preprocess, tinyBackbone } from '../features/tiny-backbone.js';
import { graftJson, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';

describe('The cache commands', () => {
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const data = path.join(folder, 'data');
  const model = path.join(folder, 'tiny.onnx');
  const source = ['--backbone', model, '--layer', 'features', '--pool', 'none', '--data', data];
  const cache = (...more: string[]) =>
    graftJsonHere<CacheReport>(['cache', ...source, '--device', 'cpu', ...more], env);
  const ask = <T>(...args: string[]) => graftJsonHere<T>(['cache', ...args], env);
  /** In the order of the data set. */
  let expected: Float32Array;

  before(async () => {
    writeFileSync(model, tinyBackbone());
    writeFileSync(path.join(folder, 'tiny.preprocess.json'), JSON.stringify(preprocess));
    await drawImages(path.join(data, 'train', 'cat'), 7, 1);
    await drawImages(path.join(data, 'train', 'dog, "big"'), 5, 2);
    await drawImages(path.join(data, 'validation', 'cat'), 3, 3);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('share the work by --shard, whatever the order, and together leave nothing to do', async () => {
    // In a process of its own, as the tasks of a job are.
    const last = await graftJson<CacheReport>(['cache', ...source, '--device', 'cpu', '--shard', '2/2'], env);
    const first = await cache('--shard', '1/2');
    expect([last, first].map(({ examples, computed }) => [examples, computed])).to.deep.equal([
      [8, 8],
      [7, 7],
    ]);
    expect(last.shard).to.deep.equal({ index: 2, count: 2 });
    expect(await cache()).to.include({ examples: 15, computed: 0, cached: 15, shard: null });
  });

  it('say what is wrong with a shard', async () => {
    const { status, stderr } = await graftHere(['cache', ...source, '--shard', '0/4'], env);
    expect(status).to.equal(2);
    expect(stderr).to.match(/Shards count from 1: --shard 1\/4/);
  });

  it('list stores with rows, sizes and hit rates, and sum them up', async () => {
    const { stores } = await ask<CacheList>('ls');
    expect(stores).to.have.length(1);
    expect(stores[0]).to.include({
      rows: 15,
      dim,
      dtype: 'float32',
      runs: 3,
      hitRate: 0.5,
      backbone: model,
      data,
    });
    expect(stores[0]!.ageDays).to.be.within(0, 1);
    const stats = await ask<CacheStats>('stats');
    expect(stats).to.include({ stores: 1, rows: 15, runs: 3, cached: 15, computed: 15, hitRate: 0.5 });
    expect(stats.sizeBytes).to.equal(stores[0]!.sizeBytes);
  });

  it('export the file that --features reads', async () => {
    const out = path.join(folder, 'features.safetensors');
    const report = await ask<ExportFeaturesReport>(
      'export',
      ...source,
      '--format',
      'safetensors',
      '--out',
      out,
    );
    expect(report).to.include({ rows: 15, dim });
    const { tensors, metadata } = decodeSafetensors(readFileSync(out), out);
    expect(JSON.parse(metadata.classes!)).to.deep.equal(['cat', 'dog, "big"']);
    expect(tensors.get('features')).to.deep.include({ dtype: 'float32', dims: [15, dim] });
    expect([...(tensors.get('labels')!.data as BigInt64Array)].join('')).to.equal('000000011111000');
    expect([...(tensors.get('split')!.data as BigInt64Array)].join('')).to.equal('000000000000111');
    expected = tensors.get('features')!.data as Float32Array;
  });

  it('export sets of classes, numbers and groups as the table has them, and train on the file as on the photos', async () => {
    const photos = readdirSync(path.join(data, 'train', 'cat')).map((name) =>
      path.join(data, 'train', 'cat', name),
    );
    const cells = ['furry|small', 'small', '[]', 'furry', 'small', 'furry', 'furry|small'];
    const table = path.join(folder, 'table.csv');
    const lines = photos.map((photo, i) => [photo, cells[i], 0.1 * i - 0.25, `owner ${i >> 1}`].join(','));
    writeFileSync(table, ['image,tags,weight,owner', ...lines].join('\n'));
    const from = [...source.slice(0, -1), table];
    const at = (name: string): string => path.join(folder, name);
    const tensorsOf = (name: string) => decodeSafetensors(readFileSync(at(name)), name).tensors;
    const sets = [...from, '--label-column', 'tags', '--task', 'multi'];
    await ask('export', ...sets, '--out', at('sets.safetensors'));
    const { data: hot, dims } = tensorsOf('sets.safetensors').get('targets')!;
    expect(dims).to.deep.equal([7, 2]);
    expect([...(hot as Float32Array)].join('')).to.equal('11010010011011');
    await ask('export', ...sets, '--format', 'npy', '--out', at('sets'));
    const listed = readFileSync(at('sets/examples.csv'), 'utf8').trimEnd().split('\n').slice(1);
    expect(listed.map((line) => line.split(',')[2])).to.deep.equal(cells);

    const numbers = [...from, '--label-column', 'weight', '--task', 'regression', '--group-column', 'owner'];
    await ask('export', ...numbers, '--out', at('numbers.safetensors'));
    const { data: groups } = tensorsOf('numbers.safetensors').get('groups')!;
    expect([...(groups as BigInt64Array)].join('')).to.equal('0011223');
    await ask('export', ...numbers, '--out', at('numbers.parquet'));
    const rows = await parquetReadObjects({
      file: new Uint8Array(readFileSync(at('numbers.parquet'))).buffer,
    });
    expect(rows.map((row) => row.targets as number[])).to.deep.equal(
      photos.map((_, i) => [Math.fround(0.1 * i - 0.25)]),
    );
    expect(rows.map((row) => row.label_name as string)[1]).to.equal('-0.15');
    const train = ['train', '--task', 'regression', '--validation', '0', '--threads', '1', '--out'];
    const onPhotos = await graftJsonHere<TrainReport>(
      [...train, at('photos'), ...numbers.filter((flag) => flag !== '--task' && flag !== 'regression')],
      env,
    );
    const onFile = await graftJsonHere<TrainReport>(
      [...train, at('file'), '--features', at('numbers.safetensors')],
      env,
    );
    expect(onFile.objective).to.equal(onPhotos.objective);
  });

  it('export NumPy and CSV, a line a row', async () => {
    const out = path.join(folder, 'npy');
    await ask('export', ...source, '--format', 'npy', '--out', out);
    const bytes = readFileSync(path.join(out, 'features.npy'));
    const start = 10 + bytes.readUInt16LE(8);
    expect([...bytes.subarray(0, 8)]).to.deep.equal([0x93, ...Buffer.from('NUMPY'), 1, 0]);
    expect(bytes.toString('latin1', 10, start)).to.match(
      /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(15, 6\), \} *\n$/,
    );
    expect(start % 64).to.equal(0);
    const rows = new Float32Array(new Uint8Array(bytes.subarray(start)).buffer);
    expect(rows).to.deep.equal(expected);
    const lines = readFileSync(path.join(out, 'examples.csv'), 'utf8').trimEnd().split('\n');
    expect(lines).to.have.length(16);
    expect(lines[8]).to.match(/^7,"[^\n]*""big""[^\n]*",train,[0-9a-f]{64}$/);
  });

  it('export Parquet, by the end of the name, with paths, labels and lists of numbers', async () => {
    const out = path.join(folder, 'features.parquet');
    await ask('export', ...source, '--out', out);
    const bytes = new Uint8Array(readFileSync(out));
    const rows = await parquetReadObjects({ file: bytes.buffer });
    expect(rows.map(({ label_name: name, split }) => `${name} ${split}`)[12]).to.equal('cat validation');
    expect(rows.map(({ label }) => Number(label)).join('')).to.equal('000000011111000');
    expect(Float32Array.from(rows.flatMap(({ embedding }) => embedding as number[]))).to.deep.equal(expected);
  });

  it('export the folder that Hugging Face datasets loads, a file a split', async () => {
    const out = path.join(folder, 'hf');
    const { files } = await ask<ExportFeaturesReport>(
      'export',
      ...source,
      '--format',
      'huggingface',
      '--out',
      out,
    );
    expect(files.map((file) => path.relative(out, file))).to.deep.equal([
      'data/train-00000-of-00001.parquet',
      'data/validation-00000-of-00001.parquet',
      'README.md',
    ]);
    const card = readFileSync(path.join(out, 'README.md'), 'utf8');
    expect(card).to.contain('- split: validation\n    path: data/validation-*.parquet');
  });

  it('export a whole store without its data set', async () => {
    const [store] = (await ask<CacheList>('ls')).stores;
    const out = path.join(folder, 'store');
    const report = await ask<ExportFeaturesReport>(
      'export',
      ...['--store', store!.key.slice(0, 6), '--format', 'npy', '--out', out],
    );
    expect(report).to.include({ rows: 15, classes: null });
    expect(readFileSync(path.join(out, 'examples.csv'), 'utf8')).to.match(/^row,sha256\n0,[0-9a-f]{64}\n/);
  });

  it('refuse with a store what says how features are computed, rather than pass over it', async () => {
    const [store] = (await ask<CacheList>('ls')).stores;
    const call = [
      'cache',
      'export',
      '--store',
      store!.key.slice(0, 6),
      '--out',
      path.join(folder, 'not.parquet'),
    ];
    for (const flags of [
      ['--dtype', 'float16'],
      ['--on-error', 'fail'],
      ['--threads', '1'],
      ['--no-header'],
    ]) {
      const { status, stderr } = await graftHere([...call, ...flags], env);
      expect(status, stderr).to.equal(2);
      expect(stderr).to.match(/--[a-z-]+ is about a backbone and a data set, but the rows of --store/);
    }
  });

  it('leave no store of a data set that the backbone does not take', async () => {
    const texts = path.join(folder, 'texts.csv');
    writeFileSync(texts, 'text,label\na,x\nb,y\n');
    const env = { GRAFT_CACHE: path.join(folder, 'empty') };
    const call = [...source.slice(0, -1), texts, '--text-column', 'text'];
    const { status, stderr } = await graftHere(['cache', ...call], env);
    expect(status, stderr).to.equal(1);
    expect(stderr).to.match(/holds texts, but the model takes images/);
    expect((await graftJsonHere<CacheList>(['cache', 'ls'], env)).stores).to.deep.equal([]);
  });

  it('find a flipped bit, say how to repair it, and compute only what was lost', async () => {
    const [store] = (await ask<CacheList>('ls')).stores;
    const [name] = readdirSync(store!.folder).filter((entry) => entry.endsWith('.safetensors'));
    const shard = path.join(store!.folder, name!);
    const bytes = readFileSync(shard);
    bytes[bytes.length - 300]! ^= 1;
    writeFileSync(shard, bytes);
    const found = await graftHere(['cache', 'verify', store!.key.slice(0, 8), '--json'], env);
    expect(found.status).to.equal(1);
    const verification = JSON.parse(found.stdout) as CacheVerification;
    expect(verification.stores[0]!.damaged.map(({ file }) => file)).to.deep.equal([shard]);
    expect(verification.stores[0]!.remedy).to.match(/^graft cache --backbone .*tiny\.onnx --layer features/);
    expect(await ask('verify', '--repair')).to.deep.include({ damaged: 1, removed: [shard] });
    const again = await cache();
    expect(again.computed).to.be.within(7, 8);
    expect(await ask('verify')).to.include({ damaged: 0 });
  });

  it('say of a shard that cannot be read that it was not checked, and do not repair it away', async () => {
    const [store] = (await ask<CacheList>('ls')).stores;
    // As a permission or the disk would keep it from being read, of root too.
    const shard = path.join(store!.folder, `${'0'.repeat(32)}.safetensors`);
    symlinkSync(shard, shard);
    const { status, stdout } = await graftHere(['cache', 'verify', '--repair'], env);
    expect(status, stdout).to.equal(1);
    expect(stdout).to.include(`not checked: Cannot read ${shard}`).and.not.to.include('damaged');
    expect(readdirSync(store!.folder)).to.include(path.basename(shard));
    rmSync(shard);
  });

  it('say how to compute a damaged view again', async () => {
    await cache('--views', '2', '--view-seed', '5', '--augment', 'crop,randaugment');
    const store = (await ask<CacheList>('ls')).stores.find(({ view }) => view?.startsWith('view 2 of'));
    const { stores } = await ask<CacheVerification>('verify', store!.key);
    expect(stores[0]!.remedy).to.match(/ --views 2 --view-seed 5 --augment crop,randaugment$/);
    await ask('prune', ...(await viewKeys()), '--yes');
  });

  async function viewKeys(): Promise<string[]> {
    const { stores } = await ask<CacheList>('ls');
    return stores.filter(({ view }) => view !== 'original').map(({ key }) => key);
  }

  it('keep float16 apart from float32', async () => {
    expect(await cache('--dtype', 'float16')).to.include({ computed: 15, dtype: 'float16' });
    expect((await ask<CacheList>('ls')).stores.map(({ dtype }) => dtype).sort()).to.deep.equal([
      'float16',
      'float32',
    ]);
  });

  it('prune nothing without a rule, and nothing without --yes', async () => {
    expect((await graftHere(['cache', 'prune', '--yes'], env)).status).to.equal(2);
    expect((await graftHere(['cache', 'prune', '--max-size', 'lots'], env)).status).to.equal(2);
    const dry = await ask<PruneReport>('prune', '--keep', '1');
    expect([dry.dryRun, dry.removed.map(({ dtype }) => dtype)]).to.deep.equal([true, ['float32']]);
    expect((await ask<CacheList>('ls')).stores).to.have.length(2);
  });

  it('prune by rule with --yes, and refuse a store that is not there', async () => {
    expect((await ask<PruneReport>('prune', '--older-than', '1', '--yes')).removed).to.deep.equal([]);
    const { removed } = await ask<PruneReport>('prune', '--keep', '1', '--yes');
    expect(removed.map(({ dtype }) => dtype)).to.deep.equal(['float32']);
    expect((await ask<CacheList>('ls')).stores.map(({ dtype }) => dtype)).to.deep.equal(['float16']);
    const { status, stderr } = await graftHere(['cache', 'prune', 'deadbeef', '--yes'], env);
    expect(status).to.equal(1);
    expect(stderr).to.match(/none starts with "deadbeef"/);
  });
});
