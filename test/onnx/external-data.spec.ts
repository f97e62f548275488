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
  statfs,
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
import { modelToProto } from '../../src/onnx/model-to-proto.js';
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

  it('may be larger than 2 GiB: read, and written in a fraction of the memory of one tensor', async function () {
    this.timeout(180_000);
    const { bavail, bsize } = await statfs(folder);
    if (bavail * bsize < 5 * 2 ** 30) {
      console.log('      (less than 5 GiB are free)');
      this.skip();
    }
    // Three tensors of 720 MiB in a sparse file, which takes no room, with a mark at the start and the end of each.
    const count = 720 * 2 ** 18;
    const b = new GraphBuilder();
    const none = new Uint8Array();
    for (const name of ['a', 'b', 'c']) {
      const tensor = {
        name,
        dtype: 'float32' as const,
        dims: [count],
        content: { kind: 'raw' as const, bytes: none },
      };
      b.initializer({ ...tensor, docString: '', metadata: new Map() });
      b.output(b.op('Identity', [name]), 'float32', [count], `${name}/out`);
    }
    const { pieces } = encodeMessage(
      modelType,
      modelToProto(b.model(), ({ name }) => {
        const offset = 'abc'.indexOf(name) * 4 * count;
        return new Map(
          Object.entries({ location: 'sparse', offset: String(offset), length: String(4 * count) }),
        );
      }),
    );
    await writeFile(file, Buffer.concat(pieces as Uint8Array[]));
    const sparse = await open(path.join(folder, 'sparse'), 'w');
    await sparse.truncate(3 * 4 * count);
    for (let i = 0; i < 6; i++) {
      await sparse.write(Buffer.from([i + 1]), 0, 1, Math.ceil(i / 2) * 4 * count - (i % 2));
    }
    await sparse.close();

    const copy = path.join(folder, 'copy.onnx');
    const output = execFileSync(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { readModel } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/onnx/read-model.js')).href)};
         import { writeModel } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/onnx/write-model.js')).href)};
         const before = process.resourceUsage().maxRSS;
         await writeModel(await readModel(process.argv[1]), process.argv[2]);
         console.log(process.resourceUsage().maxRSS - before);`,
        file,
        copy,
      ],
      { encoding: 'utf8' },
    );
    expect(Number(output) * 1024, 'bytes of memory').to.be.below(4 * count * 0.25);
    expect((await stat(`${copy}_data`)).size).to.equal(3 * 4 * count);
    const written = await open(`${copy}_data`);
    const mark = Buffer.alloc(1);
    for (let i = 0; i < 6; i++) {
      await written.read(mark, 0, 1, Math.ceil(i / 2) * 4 * count - (i % 2));
      expect(mark[0], `mark ${i}`).to.equal(i + 1);
    }
    await written.close();
    const model = await readModel(copy);
    expect(initializerBytes(model.graph.initializers.get('c')!)[0]).to.equal(5);
    expect(() => encodeModel(model)).to.throw(GraftError, /at most 2 GiB; write it with external data/);
    expect(await failure(writeModel(model, copy, { externalData: false }))).to.have.property(
      'code',
      'UNSUPPORTED_MODEL',
    );
  });

  it('keeps reading a file by its name where the folder is given as relative', async () => {
    await writeModel(linear(), file, { externalData: true });
    const model = await readModel(path.relative(process.cwd(), file));
    expect(initializerBytes(model.graph.initializers.get('w')!)).to.have.length(4 * rows * columns);
    expect((await readFile(`${file}_data`)).length).to.equal(4 * rows * columns);
  });
});
