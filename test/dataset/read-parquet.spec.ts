/** The files are written by pyarrow and by the `datasets` library: scripts/fixtures/make-parquet-fixtures.py. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import type { Dataset } from '../../src/dataset/dataset.js';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';
import { GraftError } from '../../src/errors.js';
import { decodeImage } from '../../src/image/decode-image.js';
import { createRng } from '../../src/rng.js';
import { ParquetFile } from '../../src/sources/parquet-file.js';
import { readSource } from '../../src/sources/read-source.js';

const fixtures = path.resolve('test/dataset/fixtures');
const pageFiles = readdirSync(fixtures).filter((name) => name.startsWith('pages-'));

describe('Reading Parquet', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-parquet-'));
  after(() => rmSync(scratch, { recursive: true }));
  let count = 0;
  const place = (): string => path.join(scratch, `${count++}.parquet`);

  /** What the script put into row i. */
  const contentOf = (i: number) => Uint8Array.from({ length: 40 + 13 * i }, (_, j) => (31 * i + 7 * j) % 251);

  async function refusal(data: string): Promise<string> {
    const error = await readDataset(data).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(GraftError);
    return (error as Error).message;
  }

  for (const name of pageFiles) {
    it(`gives the bytes of every row of ${name}, in any order`, async () => {
      const heard: string[] = [];
      const file = path.join(fixtures, name);
      const dataset = await readDataset(file, {}, { info() {}, warn: (message) => heard.push(message) });
      expect(dataset.classes).to.deep.equal(['cat', 'dog']);
      expect(heard.join()).to.match(/4 rows without a label left out, .* row 4 of/);
      const rows = [...dataset.examples].map(({ source }) => (source?.kind === 'parquet' ? source.row : -1));
      expect(rows).to.deep.equal(Array.from({ length: 20 }, (_, i) => i).filter((i) => i % 5 !== 4));
      for (const example of createRng(1).shuffle([...dataset.examples])) {
        const { row } = example.source as { row: number };
        expect((await readSource(example)).bytes).to.deep.equal(contentOf(row));
        expect(dataset.classes[example.label]).to.equal(['cat', 'dog'][row % 2]);
      }
    });
  }

  it('reads a page at a time, and several rows from one page', async () => {
    const file = await ParquetFile.open(path.join(fixtures, 'pages-none-1.parquet'));
    const pages: number[] = [];
    for await (const page of file.pages('image')) pages.push(page.rows);
    expect(pages.length).to.be.greaterThan(8);
    expect(pages.reduce((a, b) => a + b)).to.equal(20);
  });

  it('reads what the datasets library writes: images in structs, names of classes, a part by its name', async () => {
    const dataset = await readDataset(path.join(fixtures, 'train-00000-of-00001.parquet'));
    expect(dataset.classes).to.deep.equal(['ant', 'mole', 'zebra']);
    expect([...dataset.examples].map(({ label }) => dataset.classes[label])).to.deep.equal(
      // The ninth is -1, unknown.
      [0, 1, 2, 0, 1, 2, 0, 1].map((i) => ['zebra', 'ant', 'mole'][i]),
    );
    expect(dataset.examples.at(0).split).to.equal('train');
    const { data, width } = await decodeImage((await readSource(dataset.examples.at(3))).bytes);
    expect([width, ...data.subarray(0, 3)]).to.deep.equal([8, 90, 140, 99]);
  });

  it('reads the file beside it where an image was not embedded', async () => {
    const file = place();
    writeFileSync(path.join(scratch, 'beside.png'), 'the photo');
    writeStructs(file, [
      { bytes: undefined, path: 'beside.png' },
      { bytes: new Uint8Array([1, 2]), path: 'gone.png' },
      { bytes: undefined, path: 'gone.png' },
    ]);
    const { examples } = await readDataset(file);
    expect(Buffer.from((await readSource(examples.at(0))).bytes).toString()).to.equal('the photo');
    expect((await readSource(examples.at(0))).info, 'nothing tells whether it changes').to.equal(undefined);
    expect([...(await readSource(examples.at(1))).bytes]).to.deep.equal([1, 2]);
    const error = await readSource(examples.at(2)).catch((reason: unknown) => reason);
    expect((error as Error).message).to.match(/gone\.png/);
  });

  it('takes a column of paths as any other table does', async () => {
    const { examples, classes } = await readDataset(path.join(fixtures, 'paths.parquet'));
    expect([...examples].map(({ path: file, label, split }) => [file, classes[label], split])).to.deep.equal([
      [path.join(fixtures, 'a/1.jpg'), '1', 'train'],
      ['/b/2.jpg', '0', 'test'],
      ['http://localhost/3.jpg', '1', 'validation'],
    ]);
  });

  it('takes a column of bytes as texts where it is named or called as one', async () => {
    const bytes = ['one', 'two'].map((text) => Buffer.from(text));
    const write = (...names: readonly string[]): string => {
      const file = place();
      const columns = names.map((name) => ({ name, data: bytes, type: 'BYTE_ARRAY' as const }));
      const label = { name: 'label', data: ['a', 'b'], type: 'STRING' as const };
      parquetWriteFile({ filename: file, columnData: [...columns, label] });
      return file;
    };
    expect((await readDataset(write('text'))).kind).to.equal('texts');
    const { kind, examples } = await readDataset(write('image', 'said'), { textColumn: 'said' });
    expect(kind).to.equal('texts');
    expect(Buffer.from((await readSource(examples.at(1))).bytes).toString()).to.equal('two');
    expect((await readDataset(write('image', 'text'))).kind).to.equal('images');
  });

  it('refuses two columns of the same name where one is to be taken, and minds no others', async () => {
    const write = (...names: readonly string[]): string => {
      const filename = place();
      const data = ['a', 'b'];
      parquetWriteFile({
        filename,
        columnData: names.map((name) => ({ name, data, type: 'STRING' as const })),
      });
      return filename;
    };
    for (const [file, twice] of [
      [write('text', 'label', 'label'), 'label'],
      [write('label', 'text', 'text'), 'text'],
    ] as const)
      expect(await refusal(file)).to.equal(
        `The Parquet file ${file} has 2 columns called ${twice}; rename those that are not meant.`,
      );
    expect((await readDataset(write('text', 'note', 'note', 'label'))).classes).to.deep.equal(['a', 'b']);
  });

  it('takes labels that are stored as bytes, and refuses those that are not UTF-8', async () => {
    const write = (...labels: readonly Uint8Array[]): string => {
      const file = place();
      const image = {
        name: 'image',
        data: labels.map(() => Buffer.from('photo')),
        type: 'BYTE_ARRAY' as const,
      };
      parquetWriteFile({
        filename: file,
        columnData: [image, { name: 'label', data: [...labels], type: 'BYTE_ARRAY' }],
      });
      return file;
    };
    const { classes } = await readDataset(write(Buffer.from('cat'), Buffer.from('Kätzchen')));
    expect(classes).to.deep.equal(['Kätzchen', 'cat']);
    const latin = write(Buffer.from('a'), Buffer.from([0x63, 0xe9]));
    expect(await refusal(latin)).to.equal(
      `The label in row 1 of ${latin} is not UTF-8 text; write it as UTF-8.`,
    );
  });

  it('says which of several columns of classes it takes', async () => {
    const filename = place();
    const classLabel = { _type: 'ClassLabel', names: ['x', 'y'] };
    const features = { img: { _type: 'Image' }, coarse: classLabel, fine_label: classLabel };
    parquetWriteFile({
      filename,
      columnData: [
        { name: 'img', data: [Buffer.from('1'), Buffer.from('2')], type: 'BYTE_ARRAY' },
        { name: 'coarse', data: [0, 1], type: 'INT32' },
        { name: 'fine_label', data: [1, 1], type: 'INT32' },
      ],
      kvMetadata: [{ key: 'huggingface', value: JSON.stringify({ info: { features } }) }],
    });
    const heard: string[] = [];
    const logger = { info() {}, warn: (message: string) => heard.push(message) };
    await readDataset(filename, {}, logger);
    expect(heard).to.deep.equal([
      `${filename} has several columns of classes (coarse, fine_label): coarse is taken; name another with --label-column.`,
    ]);
    await readDataset(filename, { labelColumn: 'coarse' }, logger);
    expect(heard).to.have.length(1);
  });

  it('takes floating-point labels as numbers to be predicted, and NaN as none', async () => {
    const file = place();
    const image = Array.from({ length: 4 }, (_, i) => Buffer.from(`photo ${i}`));
    const columns = [
      { name: 'image', data: image, type: 'BYTE_ARRAY' as const },
      { name: 'Label', data: [0.5, -2.25, Number.NaN, 8], type: 'DOUBLE' as const },
    ];
    parquetWriteFile({ filename: file, columnData: columns });
    const { examples, targets } = await readDataset(file, { task: 'regression' });
    expect([...examples].map(({ label }) => targets![label])).to.deep.equal([0.5, -2.25, 8]);
  });

  const table = (columns: Readonly<Record<string, readonly (string | number | undefined)[]>>): string => {
    const filename = place();
    const columnData = Object.entries(columns).map(([name, data]) => ({
      name,
      data: [...data],
      type: typeof data[0] === 'number' ? ('DOUBLE' as const) : ('STRING' as const),
      nullable: true,
    }));
    parquetWriteFile({ filename, columnData });
    return filename;
  };

  it('leaves a test part without labels out, and rows without a path, and says so', async () => {
    const folder = path.join(scratch, 'parts');
    mkdirSync(folder);
    const rows = { text: ['a', 'b'], label: ['x', 'y'] };
    renameSync(table({ text: ['c', 'd'] }), path.join(folder, 'test-0.parquet'));
    renameSync(table({ ...rows, split: ['test', undefined] }), path.join(folder, 'validation-0.parquet'));
    const heard: string[] = [];
    const logger = { info() {}, warn: (message: string) => heard.push(message) };
    const { examples } = await readDataset(folder, {}, logger);
    expect(
      [...examples].map(({ split }) => split),
      'of a row without a part it is the file’s',
    ).to.deep.equal(['test', 'validation']);
    expect(heard.join()).to.match(/test-0\.parquet has no column of labels, .*: left out/);
    const paths = table({ path: ['a.jpg', undefined, ''], label: ['x', 'y', 'y'] });
    expect((await readDataset(paths, { fewestClasses: 1 }, logger)).examples).to.have.length(1);
    expect(heard.join()).to.match(/2 rows without an image left out, the first one row 1 of/);
  });

  it('takes one column whose name holds a comma', async () => {
    const data = table({ text: ['a', 'b'], 'kind, of film': ['x', 'y'] });
    expect((await readDataset(data, { labelColumn: 'kind, of film' })).classes).to.deep.equal(['x', 'y']);
  });

  it('keeps rows of one group together, and leaves out those of none', async () => {
    const data = table({
      text: ['a', 'b', 'c', 'd', 'e'],
      label: ['x', 'y', 'x', 'y', 'x'],
      patient: [7, 7, 8, undefined, 8],
    });
    const heard: string[] = [];
    const logger = { info() {}, warn: (message: string) => heard.push(message) };
    const { examples } = await readDataset(data, { groupColumn: 'patient' }, logger);
    const groups = [...examples].map(({ group }) => group);
    expect(groups).to.have.length(4);
    expect([groups[0] === groups[1], groups[1] === groups[2], groups[2] === groups[3]]).to.deep.equal([
      true,
      false,
      true,
    ]);
    expect(heard.join()).to.match(/1 row without patient left out, the first one row 3/);
  });

  it('takes several label columns as numbers, or as labels where there is a 1', async () => {
    const data = table({ text: ['a', 'b', 'c'], wide: [1, 0, 1], tall: [0.0, 1, 1] });
    const several = { labelColumn: 'wide,tall' };
    const multi = await readDataset(data, { ...several, task: 'multi' });
    expect(multi.classes).to.have.members(['wide', 'tall']);
    const numbers = await readDataset(data, { ...several, task: 'regression' });
    expect(numbers.classes).to.deep.equal(['wide', 'tall']);
    const error = await readDataset(data, several).catch((reason: unknown) => reason);
    expect((error as Error).message).to.match(/--task regression or --task multi/);
  });

  describe('whose labels are lists', () => {
    type Row = Readonly<Record<'tags' | 'numbers' | 'gaps' | 'vector', readonly unknown[] | null>>;
    const written = JSON.parse(readFileSync(path.join(fixtures, 'lists.json'), 'utf8')) as Row[];
    const setsOf = ({ examples, classes, targets }: Dataset) =>
      [...examples].map(({ label }) => classes.filter((_, c) => targets![label * classes.length + c] === 1));
    const wanted = (name: keyof Row) =>
      written.flatMap(({ [name]: list }) =>
        list
          ? [
              list
                .filter((part) => part !== null)
                .map(String)
                .sort(),
            ]
          : [],
      );

    for (const version of [1, 2]) {
      it(`takes texts and numbers, over pages of version ${version}, as JSONL does; null is none`, async () => {
        const file = path.join(fixtures, `lists-${version}.parquet`);
        for (const name of ['tags', 'numbers', 'gaps'] as const) {
          const heard: string[] = [];
          const dataset = await readDataset(
            file,
            { task: 'multi', labelColumn: name },
            { info() {}, warn: (message) => heard.push(message) },
          );
          expect(setsOf(dataset), name).to.deep.equal(wanted(name));
          expect(heard.join()).to.match(/4 rows without a label .* row 9 of/);
          const texts = [...dataset.examples].map(({ source }) => (source as { row: number }).row);
          expect(texts).to.deep.equal([...written.keys()].filter((row) => row % 10 !== 9));
        }
        const { targets, classes } = await readDataset(file, { task: 'regression', labelColumn: 'vector' });
        expect(classes).to.deep.equal(['vector1', 'vector2']);
        expect([...targets!]).to.deep.equal(written.flatMap(({ vector }) => vector));
      });
    }

    it('takes lists of class labels of the datasets library by their names, and says that they are lists', async () => {
      const heard: string[] = [];
      const logger = { info() {}, warn: (message: string) => heard.push(message) };
      const dataset = await readDataset(path.join(fixtures, 'class-lists.parquet'), {}, logger);
      expect(dataset.task).to.equal('multi');
      expect(heard.join()).to.match(/taken as several labels an example/);
      const expected = written.map(({ tags }) => [...(tags ?? [])].map(String).sort());
      expect(setsOf(dataset)).to.deep.equal(expected);
    });

    it('refuses lists of anything else, and lists as texts or groups', async () => {
      const file = path.join(fixtures, 'lists-1.parquet');
      const say = (options: DataOptions) => readDataset(file, options).catch((reason: unknown) => reason);
      expect(((await say({ labelColumn: 'pictures' })) as Error).message).to.match(
        /column of labels called pictures in .* tags \(list\)/,
      );
      expect(((await say({ textColumn: 'tags' })) as Error).message).to.match(/column of texts called tags/);
      const grouped = { labelColumn: 'tags', groupColumn: 'numbers' };
      expect(((await say(grouped)) as Error).message).to.match(/column of groups called numbers/);
    });

    it('takes no memory for values that the pages cannot hold', async () => {
      const whole = readFileSync(path.join(fixtures, 'lists-1.parquet'));
      const rng = createRng(9);
      const file = place();
      for (let round = 0; round < 60; round++) {
        const bytes = Buffer.from(whole);
        for (let i = 0; i <= rng.integer(4); i++) bytes[rng.integer(bytes.length)] = rng.integer(256);
        writeFileSync(file, bytes);
        const before = process.memoryUsage().arrayBuffers;
        const error = await readDataset(file, { task: 'multi', labelColumn: 'tags' }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error, `round ${round}`).to.be.instanceOf(GraftError);
        expect(process.memoryUsage().arrayBuffers - before).to.be.below(50e6);
      }
    });
  });

  it('reads more rows than the file has bytes, which dictionaries allow', async () => {
    const { examples, classes } = await readDataset(path.join(fixtures, 'repeated.parquet'));
    expect(examples.length).to.equal(50_000);
    expect([examples.at(0), examples.at(49_999)].map(({ label }) => classes[label])).to.deep.equal([
      'a',
      'b',
    ]);
  });

  it('refuses a file that claims more rows than it can hold, unread', async () => {
    const bytes = readFileSync(path.join(fixtures, 'repeated.parquet'));
    const file = place();
    // 50000 as a zigzag varint, of the file, its row group, its columns and their pages; then 2 ** 27 in more bytes is refused.
    const rows = Buffer.from([0xa0, 0x8d, 0x06]);
    const footer = bytes.readUInt32LE(bytes.length - 8);
    const start = bytes.length - 8 - footer;
    const claim = Buffer.from([0x80, 0x80, 0x80, 0x80, 0x01]);
    const parts: Buffer[] = [];
    let at = start;
    for (let found = bytes.indexOf(rows, at); found >= 0; found = bytes.indexOf(rows, at)) {
      parts.push(bytes.subarray(at, found), claim);
      at = found + rows.length;
    }
    expect(parts.length).to.be.greaterThan(3);
    const metadata = Buffer.concat([...parts, bytes.subarray(at, bytes.length - 8)]);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(metadata.length);
    writeFileSync(file, Buffer.concat([bytes.subarray(0, start), metadata, size, Buffer.from('PAR1')]));
    expect(await refusal(file)).to.match(/claims 134217728 rows in \d+ bytes/);
  });

  it('takes days, decimals and half floats, which pandas writes, for what they are', async () => {
    const file = path.join(fixtures, 'kinds.parquet');
    const namesBy = async (labelColumn: string) => (await readDataset(file, { labelColumn })).classes;
    expect(await namesBy('day')).to.deep.equal(['2020-02-29', '2021-01-01']);
    expect(await namesBy('moment')).to.deep.equal(['2020-02-29T12:30:00.000Z', '2021-01-01']);
    for (const labelColumn of ['decimal', 'half']) {
      const { examples, targets } = await readDataset(file, { labelColumn, task: 'regression' });
      expect(Array.from(examples, ({ label }) => targets![label])).to.deep.equal([1.5, -2.25]);
    }
    const error = await readDataset(file, { labelColumn: 'hot', task: 'multi' }).catch(
      (reason: unknown) => reason,
    );
    expect((error as Error).message).to.match(
      /lists of labels .* but they are rows of 0 and 1, such as \[0,1,0\]; write the names/,
    );
    const numbered = table({ text: ['a', 'b'], label: ['x', 'y'], split: [0, 1] });
    expect(await refusal(numbered)).to.match(/train, validation or test for split in row 0 of .*"0"; rename/);
  });

  it('refuses a part that is none, rather than train on it', async () => {
    const file = place();
    const columns = [
      { name: 'image', data: [Buffer.from('a'), Buffer.from('b')], type: 'BYTE_ARRAY' as const },
      { name: 'label', data: ['x', 'y'], type: 'STRING' as const },
      { name: 'split', data: ['train', 'held out'], type: 'STRING' as const },
    ];
    parquetWriteFile({ filename: file, columnData: columns });
    expect(await refusal(file)).to.match(/train, validation or test for split in row 1 of .*"held out"/);
  });

  it('takes the parts from a column subset, set or partition where it names some, and not where it is the label', async () => {
    for (const name of ['subset', 'set', 'Partition']) {
      const rows = { text: ['p', 'q', 'r'], label: ['x', 'y', 'x'] };
      const parts = await readDataset(table({ ...rows, [name]: ['Train', 'val', 'test'] }));
      expect([...parts.examples].map(({ split }) => split).sort()).to.deep.equal([
        'test',
        'train',
        'validation',
      ]);
      const others = await readDataset(table({ ...rows, [name]: ['7', 'train', 'test'] }));
      expect([...others.examples].map(({ split }) => split)).to.deep.equal([undefined, undefined, undefined]);
      const labels = table({ text: ['p', 'q'], [name]: ['train', 'bus'] });
      expect((await readDataset(labels, { labelColumn: name })).classes).to.deep.equal(['bus', 'train']);
    }
  });

  it('names the columns there are where none is known', async () => {
    const file = place();
    parquetWriteFile({ filename: file, columnData: [{ name: 'x', data: [1.5, 2], type: 'DOUBLE' }] });
    expect(await refusal(file)).to.match(/column of images .* x \(number\).*--image-column/);
  });

  it('gives the new bytes of a file that was replaced', async () => {
    const file = place();
    const write = (text: string) =>
      parquetWriteFile({
        filename: file,
        columnData: [
          { name: 'image', data: [Buffer.from(text), Buffer.from(`${text}!`)], type: 'BYTE_ARRAY' },
          { name: 'label', data: [0, 1], type: 'INT32' },
        ],
      });
    write('old');
    const { examples } = await readDataset(file);
    expect(Buffer.from((await readSource(examples.at(0))).bytes).toString()).to.equal('old');
    write('new one');
    expect(Buffer.from((await readSource(examples.at(0))).bytes).toString()).to.equal('new one');
  });

  describe('that is damaged', () => {
    it('is refused where it is no Parquet, empty or cut off', async () => {
      const file = place();
      const whole = readFileSync(path.join(fixtures, 'pages-snappy-1.parquet'));
      for (const bytes of [
        Buffer.alloc(0),
        Buffer.from('PAR1'),
        Buffer.from('PAR1\xff\xff\xff\x7fPAR1', 'latin1'),
      ]) {
        writeFileSync(file, bytes);
        expect(await refusal(file)).to.match(/The Parquet file .*\.parquet cannot be read/);
      }
      for (let size = 1; size < whole.length; size += 331) {
        writeFileSync(file, whole.subarray(0, size));
        expect(await refusal(file), `${size} bytes`).to.match(/The Parquet file .*\.parquet cannot be read/);
      }
    });

    it('never breaks anything else, whatever bytes were changed', async function () {
      this.timeout(60_000);
      const file = place();
      const rng = createRng(5);
      let refused = 0;
      for (let round = 0; round < 150; round++) {
        const bytes = readFileSync(path.join(fixtures, pageFiles[round % pageFiles.length]!));
        for (let i = 0; i <= rng.integer(6); i++) bytes[rng.integer(bytes.length)] = rng.integer(256);
        writeFileSync(file, bytes);
        try {
          for (const example of (await readDataset(file)).examples) await readSource(example);
        } catch (error) {
          refused++;
          expect(error, `round ${round}`).to.be.instanceOf(GraftError);
        }
      }
      expect(refused).to.be.greaterThan(40);
    });

    for (const codec of ['brotli', 'zstd']) {
      it(`does not take the memory that a page of ${codec} claims, or unpacks to`, async () => {
        const bomb = readFileSync(path.join(fixtures, `bomb-${codec}.parquet`));
        const file = place();
        // The size is the second field of the page's header: 300 million and a little, in five bytes.
        const at = bomb.indexOf(Buffer.from([0x15, 0x00, 0x15])) + 3;
        expect(bomb[at + 3]! & 0x80, 'a long number').to.equal(0x80);
        const small = Buffer.from([0x80 | (2000 & 0x7f), 0x80 | (2000 >> 7), 0x80, 0x80, 0]);
        for (const [claim, message] of [
          [bomb.subarray(at, at + 5), /claims 3000000\d\d bytes/],
          [small, /column image/],
        ] as const) {
          const bytes = Buffer.from(bomb);
          bytes.set(claim, at);
          writeFileSync(file, bytes);
          const { examples } = await readDataset(file);
          const before = process.memoryUsage().arrayBuffers;
          const error = await readSource(examples.at(0)).catch((reason: unknown) => reason);
          expect(error).to.be.instanceOf(GraftError);
          expect((error as Error).message).to.match(message);
          expect(process.memoryUsage().arrayBuffers - before).to.be.below(50e6);
        }
      });
    }
  });
});

type Struct = { readonly bytes: Uint8Array | undefined; readonly path: string };

function writeStructs(filename: string, images: readonly Struct[]): void {
  parquetWriteFile({
    filename,
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'image', repetition_type: 'OPTIONAL', num_children: 2 },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'path', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' },
      { name: 'label', type: 'INT32', repetition_type: 'OPTIONAL' },
    ],
    columnData: [
      { name: 'image', data: [...images] },
      { name: 'label', data: images.map((_, i) => i % 2) },
    ],
  });
}
