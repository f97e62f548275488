import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';
import { readTableInputs } from '../../src/dataset/table-inputs.js';
import { silentLogger } from '../../src/logger.js';

/** Reading a data set opens no image: they are empty. */
describe('--image-root', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-image-root-'));
  after(() => rmSync(scratch, { recursive: true }));
  const root = path.join(scratch, 'photos');
  for (const name of [
    'cat/1.png',
    'dog/2.jpg',
    'a/0a.png',
    'b/0b.jpeg',
    'a/twice.png',
    'b/twice.png',
    'a/0a.txt',
  ]) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), '');
  }
  const table = path.join(scratch, 'lists', 'train.csv');
  mkdirSync(path.dirname(table));

  /** Two images as a table names them; found, below the root. */
  async function found(first: string, second: string, options: DataOptions = {}): Promise<string[]> {
    writeFileSync(table, `image,label\n"${first}",x\n"${second}",y\n`);
    const { examples } = await readDataset(table, { imageRoot: root, ...options });
    return [...examples].map((example) => path.relative(root, example.path).replaceAll(path.sep, '/'));
  }

  async function refusal(data: string, options: DataOptions): Promise<string> {
    const error: unknown = await readDataset(data, options).catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error');
    return (error as Error).message;
  }

  const both = ['cat/1.png', 'dog/2.jpg'];
  for (const [what, first, second] of [
    ['paths from the folder', 'cat/1.png', 'dog/2.jpg'],
    ['paths from a folder above it', 'photos/cat/1.png', './photos/dog/2.jpg'],
    ['absolute paths of another machine', '/home/me/data/cat/1.png', '/mnt/dog/2.jpg'],
    ['paths of Windows', String.raw`C:\Users\me\photos\cat\1.png`, String.raw`dog\2.jpg`],
    ['names without an extension, at any depth', '1', '2'],
    ['names in a folder without an extension', 'cat/1', 'photos/dog/2'],
  ] as const) {
    it(`finds ${what}`, async () => {
      expect(await found(first, second)).to.deep.equal(both);
    });
  }

  it('takes absolute paths as they are where there is something', async () => {
    const there = path.join(scratch, 'elsewhere.png');
    writeFileSync(there, '');
    expect(await found(there, 'cat/1.png')).to.deep.equal(['../elsewhere.png', 'cat/1.png']);
  });

  it('finds no text of the name, and leaves what is missing where it should be', async () => {
    expect(await found('0a', 'lost/3.png')).to.deep.equal(['a/0a.png', 'lost/3.png']);
    expect(await found('nothing', 'cat')).to.deep.equal(['nothing', 'cat']);
  });

  it('leaves addresses alone', async () => {
    writeFileSync(table, 'image,label\nhttps://example.org/1.png,x\n0b,y\n');
    const { examples } = await readDataset(table, { imageRoot: root });
    expect(examples.at(0).source).to.deep.equal({ kind: 'url', url: 'https://example.org/1.png' });
  });

  it('refuses a name that two images have, unless its folder tells', async () => {
    writeFileSync(table, 'image,label\ntwice,x\n1,y\n');
    expect(await refusal(table, { imageRoot: root })).to.match(
      /^twice in row 2 of .* may be any of .*a.twice\.png, .*b.twice\.png; .*--image-root/,
    );
    expect(await found('b/twice', '1')).to.deep.equal(['b/twice.png', 'cat/1.png']);
  });

  it('holds for paths in Parquet, and for rows to be labelled', async () => {
    const filename = path.join(scratch, 'lists', 'paths.parquet');
    const columnData = [
      { name: 'image', data: ['1', '/x/dog/2.jpg'] },
      { name: 'label', data: ['x', 'y'] },
    ];
    parquetWriteFile({ filename, columnData });
    const { examples } = await readDataset(filename, { imageRoot: root });
    expect([...examples].map((example) => path.relative(root, example.path))).to.deep.equal(
      both.map((name) => path.normalize(name)),
    );
    for (const file of [table, filename]) {
      writeFileSync(table, 'image\n1\n/x/dog/2.jpg\n');
      const inputs: string[] = [];
      for await (const input of readTableInputs(file, 'images', { imageRoot: root }, silentLogger))
        inputs.push(path.relative(root, input.path));
      expect(inputs).to.deep.equal(both.map((name) => path.normalize(name)));
    }
  });

  it('is refused where nothing is looked for in it', async () => {
    expect(await refusal(root, { imageRoot: root })).to.match(/--image-root is for tables/);
    expect(await refusal(table, { imageRoot: path.join(root, 'none') })).to.match(
      /folder of images .*none is none/,
    );
    writeFileSync(table, 'text,label\nhello,x\nbye,y\n');
    expect(await refusal(table, { imageRoot: root })).to.match(/table of texts; .*--image-column/);
  });
});
