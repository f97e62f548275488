import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';

/** Layouts of folders as data sets are handed around in. Reading one opens no image. */
describe('The layout of a folder', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-layouts-'));
  after(() => rmSync(scratch, { recursive: true }));
  let count = 0;

  /** Files by their names; those without content are images. */
  function folderOf(files: Readonly<Record<string, string | Uint8Array>> | string[]): string {
    const folder = path.join(scratch, String(count++));
    const named = Array.isArray(files) ? Object.fromEntries(files.map((name) => [name, ''])) : files;
    for (const [name, content] of Object.entries(named)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    return folder;
  }

  it('may have a test part of 130,000 files without labels', async function () {
    this.timeout(120_000);
    const folder = folderOf(['train/a/1.jpg', 'train/b/2.jpg']);
    mkdirSync(path.join(folder, 'test'));
    for (let i = 0; i < 130_000; i++) writeFileSync(path.join(folder, 'test', `${i}.jpg`), '');
    expect((await heard(folder)).join(' ')).to.contain('130000 images');
  });

  async function listed(folder: string, options: DataOptions = {}): Promise<string[]> {
    const { examples, classes } = await readDataset(folder, options);
    return [...examples].map(({ path: file, label, split = '-' }) =>
      [split, classes[label], path.relative(folder, file).replaceAll(path.sep, '/')].join(' '),
    );
  }

  async function refusal(folder: string, options: DataOptions = {}): Promise<string> {
    const error: unknown = await readDataset(folder, options).catch((thrown: unknown) => thrown);
    expect(error).to.be.an('error');
    return (error as Error).message;
  }

  async function heard(folder: string): Promise<string[]> {
    const messages: string[] = [];
    const note = (message: string) => messages.push(message);
    await readDataset(folder, {}, { info: note, warn: note });
    return messages;
  }

  describe('of parts', () => {
    for (const [train, other, part] of [
      ['training_set', 'test_set', 'test'],
      ['train-images', 'valid-images', 'validation'],
      ['trainset', 'testset', 'test'],
      ['train', 'validate', 'validation'],
      ['train', 'eval', 'test'],
    ] as const) {
      it(`takes ${train} and ${other} for parts, not for classes`, async () => {
        const folder = folderOf([`${train}/a/1.png`, `${train}/b/2.png`, `${other}/a/3.png`]);
        expect(await listed(folder)).to.have.members([
          `train a ${train}/a/1.png`,
          `train b ${train}/b/2.png`,
          `${part} a ${other}/a/3.png`,
        ]);
      });
    }

    it('is refused where folders that are no part stand beside parts, as all would be classes', async () => {
      const folder = folderOf([
        'train/a/1.png',
        'train/b/2.png',
        'test/a/3.png',
        'test/b/4.png',
        'extra/5.png',
      ]);
      expect(await refusal(folder)).to.match(
        /train holds 2 folders, as a part .* but extra beside it is no part; .*--data \S+train\./,
      );
    });
  });

  describe('with one folder too many', () => {
    it('names the folder in it, or the table beside it', async () => {
      const wrapped = folderOf(['data1/cat/1.png', 'data1/dog/2.png']);
      expect(await refusal(wrapped)).to.match(/single class, data1; .*\(cat, dog\): --data \S+data1\./);
      const beside = folderOf({ 'photos/1.png': '', 'labels.csv': 'image,label\n' });
      expect(await refusal(beside)).to.match(/single class, photos; .*--data \S+labels\.csv\./);
    });

    it('says that inner folders are no classes where all images lie in some', async () => {
      const deep = folderOf(['animals/cat/1.png', 'plants/oak/1.png', 'plants/elm/2.png']);
      expect((await heard(deep)).join()).to.match(/outermost folders .* \(animals, plants\); the 3 folders/);
      expect(await heard(folderOf(['animals/cat/1.png', 'plants/2.png']))).to.deep.equal([]);
    });
  });

  describe('without class folders', () => {
    it('is told what can be done', async () => {
      const names = folderOf(['train/cat.1.jpg', 'train/dog.2.jpg']);
      expect(await refusal(names)).to.match(/2 lie in no class folder, .*cat\.1\.jpg; move .* a table with/);
      const competition = folderOf({
        'train.csv': 'id,y\n',
        'train_images/1.png': '',
        'test_images/2.png': '',
      });
      expect(await refusal(competition)).to.match(/--data \S+train\.csv \(and --image-root \S+train_images,/);
    });
  });

  describe('of Hugging Face imagefolder', () => {
    const csv = 'file_name,label\n1.png,cat\n2.png,dog\n';
    const jsonl = '{"file_name":"1.png","label":"cat"}\n{"file_name":"2.png","label":"dog"}\n';
    const columnData = [
      { name: 'file_name', data: ['1.png', '2.png'] },
      { name: 'label', data: ['cat', 'dog'] },
    ];
    const parquet = new Uint8Array(parquetWriteBuffer({ columnData }));
    const images = { '1.png': '', '2.png': '' };
    const within = (folder: string, files: Readonly<Record<string, string | Uint8Array>>) =>
      Object.fromEntries(Object.entries(files).map(([name, content]) => [`${folder}/${name}`, content]));

    for (const [name, content] of [
      ['metadata.csv', csv],
      ['metadata.jsonl', jsonl],
      ['metadata.parquet', parquet],
    ] as const) {
      it(`takes labels from ${name}, in the folder or in each part`, async () => {
        const whole = { [name]: content, ...images };
        expect(await listed(folderOf(whole))).to.deep.equal(['- cat 1.png', '- dog 2.png']);
        const parts = { ...within('train', whole), ...within('test', whole) };
        expect(await listed(folderOf(parts))).to.have.members([
          'train cat train/1.png',
          'train dog train/2.png',
          'test cat test/1.png',
          'test dog test/2.png',
        ]);
      });
    }

    it('takes the part from the first folder of a name, and images from folders that are no classes', async () => {
      const rows = ['train/1.png,cat', 'train/2.png,dog', 'val/3.png,cat', 'more/4.png,dog'];
      const metadata = {
        'metadata.csv': `file_name,label\n${rows.join('\n')}\n`,
        'val/3.png': '',
        'more/4.png': '',
      };
      expect(await listed(folderOf(metadata))).to.deep.equal([
        'train cat train/1.png',
        'train dog train/2.png',
        'validation cat val/3.png',
        '- dog more/4.png',
      ]);
    });

    it('takes file_name before other names of images, and a single column that ends so', async () => {
      const both = 'path,file_name,label\nx,1.png,cat\nx,2.png,dog\n';
      expect(await listed(folderOf({ 'metadata.csv': both }))).to.deep.equal(['- cat 1.png', '- dog 2.png']);
      const one = csv.replace('file_name', 'photo_file_name');
      expect(await listed(folderOf({ 'metadata.csv': one }))).to.deep.equal(['- cat 1.png', '- dog 2.png']);
    });

    it('asks which image is meant where a row has several', async () => {
      const two = { 'metadata.csv': 'left_file_name,right_file_name,label\n1.png,2.png,a\n3.png,4.png,b\n' };
      expect(await refusal(folderOf(two))).to.match(
        /several images .*left_file_name, right_file_name.*--image-column/,
      );
      const left = await listed(folderOf(two), { imageColumn: 'left_file_name' });
      expect(left).to.deep.equal(['- a 1.png', '- b 3.png']);
    });

    it('keeps classes of folders where the metadata has no labels', async () => {
      const captions = {
        'metadata.csv': 'file_name,text\na/1.png,x\nb/2.png,y\n',
        'a/1.png': '',
        'b/2.png': '',
      };
      expect(await listed(folderOf(captions))).to.deep.equal(['- a a/1.png', '- b b/2.png']);
    });

    it('refuses two tables in a folder, and says which part has none', async () => {
      expect(await refusal(folderOf({ 'metadata.csv': csv, 'metadata.jsonl': jsonl }))).to.match(
        /metadata\.csv and metadata\.jsonl, of which one is enough/,
      );
      const part = folderOf({ 'train/metadata.csv': csv, 'test/1.png': '' });
      expect((await heard(part)).join()).to.match(/test holds no metadata table/);
    });
  });
});
