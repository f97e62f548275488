import { execFileSync, spawnSync } from 'node:child_process';
import {
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { encodeMessage } from '../../src/onnx/encode-message.js';
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { initializerBytes, toTensor } from '../../src/onnx/initializer.js';
import type { Model } from '../../src/onnx/ir.js';
import { modelToProto, type Placement } from '../../src/onnx/model-to-proto.js';
import { modelType } from '../../src/onnx/onnx-schema.js';
import { readModel } from '../../src/onnx/read-model.js';
import { encodeModel, writeModel } from '../../src/onnx/write-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import { float32 } from '../../src/tensor/tensor.js';
import { field, model as rawModel, number } from './encode-raw.js';

const rows = 40;
const columns = 30;
const weights = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i));

/** x [batch, 40] → x W + b [batch, 30] */
function linear(): Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', ['batch', rows]);
  const w = b.constant('w', float32([rows, columns], weights));
  const bias = b.constant('b', float32([columns], weights.subarray(0, columns)));
  b.output(b.op('Add', [b.op('MatMul', [x, w]), bias]), 'float32', ['batch', columns], 'y');
  return b.model();
}

async function failure(action: Promise<unknown>): Promise<GraftError> {
  const [result] = await Promise.allSettled([action]);
  if (result.status === 'rejected' && result.reason instanceof GraftError) return result.reason;
  throw result.status === 'rejected' ? result.reason : new Error('Expected a failure.');
}

async function outputOf(source: Uint8Array | string): Promise<unknown> {
  const session = await openSession(source, { threads: 1 });
  try {
    return (await session.run({ x: float32([2, rows], weights.subarray(7, 7 + 2 * rows)) })).y;
  } finally {
    await session.release();
  }
}

describe('a model with external data', () => {
  let folder: string;
  let file: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'graft-external-'));
    file = path.join(folder, 'm.onnx');
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('is written as a model and one side file, which ONNX Runtime runs with the same outputs', async () => {
    await writeModel(linear(), file, { externalData: true });
    expect((await readdir(folder)).toSorted()).to.deep.equal(['m.onnx', 'm.onnx_data']);
    expect((await stat(file)).size).to.be.below(1000);
    expect(await outputOf(file)).to.deep.equal(await outputOf(encodeModel(linear())));
  });

  it('keeps small tensors inside, and begins the others at pages', async () => {
    await writeModel(linear(), file, { externalData: { location: 'weights.bin', minimumBytes: 100 } });
    const { initializers } = (await readModel(file)).graph;
    expect([...initializers.values()].map(({ content }) => content)).to.deep.include.members([
      { ...initializers.get('w')!.content, offset: 0, length: 4 * rows * columns },
      { ...initializers.get('b')!.content, offset: 8192, length: 4 * columns },
    ]);
    await writeModel(linear(), file, { externalData: { minimumBytes: 1000 } });
    expect((await readModel(file)).graph.initializers.get('b')!.content.kind).to.equal('raw');
  });

  it('is read without its weights, which come when they are asked for', async () => {
    await writeModel(linear(), file, { externalData: true });
    const { graph } = await readModel(file);
    expect(graph.initializers.get('w')!.content).to.include({ kind: 'external', length: 4 * rows * columns });
    expect(toTensor(graph.initializers.get('w')!).data).to.deep.equal(weights);
  });

  it('is encoded into one piece with its weights inside', async () => {
    await writeModel(linear(), file, { externalData: true });
    expect(Buffer.from(encodeModel(await readModel(file))).equals(encodeModel(linear()))).to.equal(true);
  });

  it('stands by itself where it is written again: inside by default, beside it where asked', async () => {
    const moved = path.join(folder, 'moved');
    await mkdir(moved);
    await writeModel(linear(), file, { externalData: true });
    const model = await readModel(file);
    await writeModel(model, path.join(moved, 'inside.onnx'));
    await writeModel(model, path.join(moved, 'beside.onnx'), { externalData: true });
    await rm(file);
    await rm(`${file}_data`);
    const expected = await outputOf(encodeModel(linear()));
    for (const name of ['inside.onnx', 'beside.onnx']) {
      expect(await outputOf(path.join(moved, name)), name).to.deep.equal(expected);
      expect(
        Buffer.from(encodeModel(await readModel(path.join(moved, name)))).equals(encodeModel(linear())),
      ).to.equal(true);
    }
  });

  it('may be written over itself', async () => {
    await writeModel(linear(), file, { externalData: true });
    await writeModel(await readModel(file), file, { externalData: { minimumBytes: 1 } });
    expect(await outputOf(file)).to.deep.equal(await outputOf(encodeModel(linear())));
  });

  it('is not read with a side file that was changed after it', async () => {
    await writeModel(linear(), file, { externalData: true });
    const model = await readModel(file);
    await utimes(`${file}_data`, 1, 1);
    const read = (): unknown => initializerBytes(model.graph.initializers.get('w')!);
    expect(read).to.throw(GraftError, /m\.onnx_data: it has changed since the model was read/);
    await rm(`${file}_data`);
    expect(read).to.throw(GraftError, /m\.onnx_data/);
  });

  it('takes a side file without folders for its name only', async () => {
    for (const location of ['../w', '/w', 'a/b', 'a\\b', 'C:w', '', '.', '..']) {
      const { code, message } = await failure(writeModel(linear(), file, { externalData: { location } }));
      expect(code, location).to.equal('INVALID_ARGUMENT');
      expect(message).to.contain(JSON.stringify(location));
    }
    expect(await readdir(folder)).to.deep.equal([]);
  });

  describe('whose location is hostile', () => {
    /** A file with the tensor "w" of float32 [2] at the place. */
    async function place(entries: Readonly<Record<string, string>>): Promise<void> {
      const external = Object.entries(entries).map(([key, value]) =>
        field(13, field(1, key), field(2, value)),
      );
      await writeFile(
        file,
        rawModel(field(5, number(1, 2), number(2, 1), field(8, 'w'), ...external, number(14, 1))),
      );
    }

    beforeEach(async () => {
      await rm(folder, { recursive: true });
      const inner = path.join(folder, 'inner');
      await mkdir(path.join(inner, 'sub'), { recursive: true });
      file = path.join(inner, 'm.onnx');
      await writeFile(path.join(folder, 'secret'), Buffer.alloc(64));
      await writeFile(path.join(inner, 'ok'), Buffer.alloc(16));
      await writeFile(path.join(inner, 'sub', 'ok'), Buffer.alloc(16));
      await symlink(path.join(folder, 'secret'), path.join(inner, 'link'));
      await symlink(folder, path.join(inner, 'folder-link'));
      await symlink('ok', path.join(inner, 'good-link'));
    });

    for (const location of ['ok', './ok', 'sub/ok', 'sub/../ok', 'good-link']) {
      it(`is read from ${location}, which is not`, async () => {
        await place({ location });
        const { initializers } = (await readModel(file)).graph;
        expect(initializerBytes(initializers.get('w')!)).to.have.length(8);
      });
    }

    const outside = /which lies outside the model's folder/;
    const noName = /which is not a file name relative to the model/;
    const absent = /which is not there/;
    const refused: readonly (readonly [Readonly<Record<string, string>>, RegExp])[] = [
      [{ location: '../secret' }, outside],
      [{ location: 'sub/../../secret' }, outside],
      [{ location: '..\\secret' }, outside],
      [{ location: 'sub\\..\\..\\secret' }, outside],
      [{ location: 'link' }, outside],
      [{ location: 'folder-link/secret' }, outside],
      [{ location: '/etc/hostname' }, noName],
      [{ location: '\\\\server\\share' }, noName],
      [{ location: 'C:\\secret' }, noName],
      [{ location: 'c:secret' }, noName],
      [{ location: '' }, noName],
      [{}, noName],
      [{ location: 'ok\0' }, noName],
      [{ location: '.' }, absent],
      [{ location: 'sub' }, absent],
      [{ location: 'none' }, absent],
      [{ location: 'x'.repeat(100_000) }, absent],
      [{ location: '*/_ORT_MEM_ADDR_/*', offset: '1024', length: '8' }, absent],
      [{ location: 'ok', offset: '16' }, /bytes 16 to 24, but that file has 16/],
      [{ location: 'ok', length: '17' }, /bytes 0 to 17, but that file has 16/],
      [{ location: 'ok', length: '4' }, /needs 8 bytes but holds 4/],
      [{ location: 'ok', offset: '-8' }, /impossible offset "-8"/],
      [{ location: 'ok', offset: '9007199254740993' }, /impossible offset/],
      [{ location: 'ok', offset: '1e1' }, /impossible offset/],
      [{ location: 'ok', length: '' }, /impossible length ""/],
      [{ location: 'ok', length: 'NaN' }, /impossible length/],
      [{ location: 'ok', offset: '9007199254740991', length: '8' }, /but that file has 16/],
    ];
    for (const [entries, reason] of refused) {
      it(`is refused, naming file and tensor: ${JSON.stringify(entries).slice(0, 60)}`, async () => {
        await place(entries);
        const { code, message } = await failure(readModel(file));
        expect(code).to.equal('INVALID_MODEL');
        expect(message).to.match(reason).and.contain('Tensor "w"').and.contain(file);
        expect(message.length).to.be.below(1000);
      });
    }

    it('is read through links to both files, as download caches make them', async () => {
      await place({ location: 'weights' });
      const linked = path.join(folder, 'snapshot');
      await mkdir(linked);
      await rename(file, path.join(folder, 'inner', 'blob1'));
      await symlink(path.join(folder, 'inner', 'blob1'), path.join(linked, 'm.onnx'));
      await symlink(path.join(folder, 'inner', 'ok'), path.join(linked, 'weights'));
      const { initializers } = (await readModel(path.join(linked, 'm.onnx'))).graph;
      expect(initializerBytes(initializers.get('w')!)).to.have.length(8);
    });
  });

  describe('whose writing is cut short', () => {
    const script = (): string => `
      import { readModel } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/onnx/read-model.js')).href)};
      import { writeModel } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/onnx/write-model.js')).href)};
      const model = await readModel(process.argv[1]);
      await writeModel(model, process.argv[2], { externalData: true }).catch((error) => {
        console.log(error.code, error.message);
        process.exit(3);
      });`;

    /** Writes a model whose side file is beyond the largest file that the process may write. */
    async function overwriteWithLimit(
      prefix: string,
    ): Promise<{ status: number | null; signal: string | null; stdout: string }> {
      const big = path.join(folder, 'big', 'big.onnx');
      await mkdir(path.dirname(big));
      const b = new GraphBuilder();
      b.output(
        b.op('Identity', [b.constant('w', float32([1 << 18], new Float32Array(1 << 18)))]),
        'float32',
        [1 << 18],
        'y',
      );
      await writeModel(b.model(), big, { externalData: true });
      await writeModel(linear(), file, { externalData: true });
      return spawnSync(
        'bash',
        [
          '-c',
          `${prefix} ulimit -f 64; exec "$0" --input-type=module -e "$1" "$2" "$3"`,
          process.execPath,
          script(),
          big,
          file,
        ],
        { encoding: 'utf8' },
      );
    }

    beforeEach(function () {
      if (process.platform === 'win32') this.skip();
    });

    it('by a full disk keeps both old files and leaves nothing else', async () => {
      const { status, stdout } = await overwriteWithLimit("trap '' XFSZ;");
      expect(status, stdout).to.equal(3);
      expect(stdout).to.match(/^FILE_UNWRITABLE Cannot write .*m\.onnx/);
      expect((await readdir(folder)).toSorted()).to.deep.equal(['big', 'm.onnx', 'm.onnx_data']);
      expect(await outputOf(file)).to.deep.equal(await outputOf(encodeModel(linear())));
    });
  });

  describe('of more than 2 GiB', () => {
    const count = 96 * 2 ** 18;
    const size = 4 * count;
    const tensorCount = 23;

    /** Float32 [count] tensors "0", "1", … in a sparse file, which takes no room; each begins and ends with its number. */
    async function writeSparse(): Promise<void> {
      const b = new GraphBuilder();
      for (let i = 0; i < tensorCount; i++) {
        const content = { kind: 'raw' as const, bytes: new Uint8Array() };
        b.initializer({
          name: String(i),
          dtype: 'float32',
          dims: [count],
          content,
          docString: '',
          metadata: new Map(),
        });
        b.output(b.op('Identity', [String(i)]), 'float32', [count], `out/${i}`);
      }
      const place: Placement = ({ name }) =>
        new Map(
          Object.entries({ location: 'sparse', offset: String(Number(name) * size), length: String(size) }),
        );
      const { pieces } = encodeMessage(modelType, modelToProto(b.model(), place));
      await writeFile(file, Buffer.concat(pieces as Uint8Array[]));
      const sparse = await open(path.join(folder, 'sparse'), 'w');
      await sparse.truncate(tensorCount * size);
      for (let i = 0; i < tensorCount; i++) {
        for (const at of [i * size, (i + 1) * size - 1]) await sparse.write(Buffer.of(i), 0, 1, at);
      }
      await sparse.close();
    }

    beforeEach(writeSparse);

    it('is read one tensor at a time', async () => {
      const { initializers } = (await readModel(file)).graph;
      for (const i of [0, 7, tensorCount - 1]) {
        const bytes = initializerBytes(initializers.get(String(i))!);
        expect([bytes[0], bytes.at(-1)]).to.deep.equal([i, i]);
      }
    });

    it('is not put into one piece', async () => {
      const model = await readModel(file);
      expect(() => encodeModel(model)).to.throw(GraftError, /at most 2 GiB; write it with external data/);
      const error = await failure(writeModel(model, path.join(folder, 'copy.onnx'), { externalData: false }));
      expect(error).to.have.property('code', 'UNSUPPORTED_MODEL');
      expect((await readdir(folder)).toSorted()).to.deep.equal(['m.onnx', 'sparse']);
    });

    it('is written with a side file of itself, with tensors that share their bytes in it once', async () => {
      const model = await readModel(file);
      const last = model.graph.initializers.get('22')!;
      const initializers = new Map(
        [...model.graph.initializers].map(([name, tensor]) => [name, { ...tensor, content: last.content }]),
      );
      const copy = path.join(folder, 'copy.onnx');
      await writeModel({ ...model, graph: { ...model.graph, initializers } }, copy);
      expect((await stat(`${copy}_data`)).size).to.equal(size);
      const written = (await readModel(copy)).graph.initializers;
      expect(initializerBytes(written.get('5')!)[0]).to.equal(22);
    });

    it('is written in less memory than one tensor', async () => {
      const url = (name: string): string =>
        JSON.stringify(pathToFileURL(path.resolve(`build/src/onnx/${name}.js`)).href);
      const script = `
        import { readModel } from ${url('read-model')};
        import { writeModel } from ${url('write-model')};
        const model = await readModel(process.argv[1]);
        const initializers = new Map([...model.graph.initializers].slice(0, 2));
        const graph = { ...model.graph, initializers, nodes: [], outputs: [] };
        const before = process.resourceUsage().maxRSS;
        await writeModel({ ...model, graph }, process.argv[2], { externalData: true });
        console.log(process.resourceUsage().maxRSS - before);`;
      const copy = path.join(folder, 'copy.onnx');
      const argv = ['--input-type=module', '-e', script, file, copy];
      const growth = 1024 * Number(execFileSync(process.execPath, argv, { encoding: 'utf8' }));
      expect(growth, 'bytes of memory').to.be.below(size / 2);
      expect((await stat(`${copy}_data`)).size).to.equal(2 * size);
    });
  });

  it('keeps reading a file by its name where the folder is given as relative', async () => {
    await writeModel(linear(), file, { externalData: true });
    const model = await readModel(path.relative(process.cwd(), file));
    expect(initializerBytes(model.graph.initializers.get('w')!)).to.have.length(4 * rows * columns);
    expect((await readFile(`${file}_data`)).length).to.equal(4 * rows * columns);
  });
});
