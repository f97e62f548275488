import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { Dataset } from '../../src/dataset/dataset.js';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';

describe('Reading a data set', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-dataset-'));
  after(() => rmSync(scratch, { recursive: true }));
  let count = 0;

  /** Writes empty files of these names into a new folder: reading a data set opens no image. */
  function folderOf(...names: readonly string[]): string {
    const folder = path.join(scratch, String(count++));
    mkdirSync(folder);
    for (const name of names) {
      const file = path.join(folder, name);
      if (name.endsWith('/')) mkdirSync(file, { recursive: true });
      else {
        mkdirSync(path.dirname(file), { recursive: true });
        writeFileSync(file, '');
      }
    }
    return folder;
  }

  /** Each example as "label name" (and its part), names relative to the root. */
  function listed({ examples, classes, root }: Dataset): string[] {
    const base = path.extname(root) === '' ? root : path.dirname(root);
    return [...examples].map(({ path: file, label, split }) => {
      const name = path.isAbsolute(file) ? path.relative(base, file) : file;
      return [classes[label], name, split].filter((part) => part !== undefined).join(' ');
    });
  }

  async function refusal(data: string, options: DataOptions = {}): Promise<string> {
    try {
      await readDataset(data, options);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${data} was read.`);
  }

  async function warnings(data: string, options: DataOptions = {}): Promise<string[]> {
    const heard: string[] = [];
    await readDataset(data, options, { info() {}, warn: (message) => heard.push(message) });
    return heard;
  }

  describe('from folders', () => {
    it('takes one folder a class, both sorted', async () => {
      const data = await readDataset(folderOf('dog/b.jpg', 'cat/2.png', 'dog/a.JPG', 'cat/10.png'));
      expect(data.classes).to.deep.equal(['cat', 'dog']);
      expect(listed(data)).to.deep.equal([
        'cat cat/10.png',
        'cat cat/2.png',
        'dog dog/a.JPG',
        'dog dog/b.jpg',
      ]);
    });

    it('says by their extensions which files are passed over, also before it refuses a folder that has no others', async () => {
      const data = folderOf('a/1.png', 'a/2.HEIC', 'a/3.heic', 'a/notes.txt', 'b/LICENSE', 'b/1.png');
      const said = `4 files below ${data} are no images by their extension (2 .heic, 1 without, 1 .txt) and are passed over. HEIC is not read; convert such photos to JPEG.`;
      expect(await warnings(data)).to.deep.equal([said]);
      const heard: string[] = [];
      const alone = folderOf('a/1.heic', 'b/1.heic');
      const logger = { info() {}, warn: (message: string) => heard.push(message) };
      const refused = await readDataset(alone, {}, logger).catch((error: unknown) => String(error));
      expect(refused).to.match(/no folder with images|holds no images/);
      expect(heard).to.deep.equal([
        `2 files below ${alone} are no images by their extension (2 .heic) and are passed over. HEIC is not read; convert such photos to JPEG.`,
      ]);
    });

    it('says which images or texts lie in no class folder', async () => {
      const beside = folderOf('a/1.png', 'b/1.png', 'c.png', 'd.jpg', 'readme.txt');
      expect(await warnings(beside)).to.deep.equal([
        `2 images of ${beside} lie in no class folder and are passed over, for instance ${path.join(beside, 'c.png')}.`,
      ]);
      const inPart = folderOf('train/a/1.txt', 'train/b/1.txt', 'test/1.txt', 'README.md');
      expect(await warnings(inPart)).to.deep.equal([
        `1 text of ${inPart} lies in no class folder and is passed over, for instance ${path.join(inPart, 'test', '1.txt')}.`,
      ]);
    });

    for (const [train, validation, test] of [
      ['train', 'validation', 'test'],
      ['Train', 'Val', 'Test'],
      ['training', 'valid', 'testing'],
      ['TRAIN', 'dev', 'TEST'],
    ] as const) {
      it(`takes the parts ${train}, ${validation} and ${test}`, async () => {
        const names = [train, validation, test].flatMap((part) => [`${part}/a/1.png`, `${part}/b/2.png`]);
        const { examples, classes } = await readDataset(folderOf(...names));
        expect(classes).to.deep.equal(['a', 'b']);
        const parts = ['train', 'validation', 'test'] as const;
        for (const [i, name] of [train, validation, test].entries()) {
          const found = [...examples].filter(({ path: file }) =>
            file.includes(`${path.sep}${name}${path.sep}`),
          );
          expect(found.map(({ split }) => split)).to.deep.equal([parts[i], parts[i]]);
        }
      });
    }

    it('takes classes that are called train and test for classes where others stand beside them', async () => {
      const { classes } = await readDataset(folderOf('train/1.png', 'test/1.png', 'bus/1.png'));
      expect(classes).to.deep.equal(['bus', 'test', 'train']);
    });

    it('lets a class be absent from a part', async () => {
      const data = await readDataset(folderOf('train/a/1.png', 'train/b/2.png', 'val/a/3.png', 'val/b/'));
      expect(listed(data)).to.have.length(3);
    });

    it('finds images at any depth', async () => {
      const data = await readDataset(folderOf('a/x/y/1.png', 'a/0.png', 'b/z/2.png'));
      expect(listed(data)).to.deep.equal(['a a/0.png', 'a a/x/y/1.png', 'b b/z/2.png']);
    });

    it('passes over hidden files and folders, and counts what is no image', async () => {
      const folder = folderOf(
        'a/1.png',
        'a/._1.png',
        'a/.DS_Store',
        '__MACOSX/a/._1.jpg',
        'a/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg',
        'a/Thumbs.db',
        'a/notes.txt',
        'b/2.png',
        '.git/3.png',
        'b/.thumbs/4.png',
        'labels.csv',
      );
      expect(listed(await readDataset(folder))).to.deep.equal(['a a/1.png', 'b b/2.png']);
      expect((await warnings(folder)).join()).to.match(/2 files .* no images/);
    });

    it('takes any names', async () => {
      const names = [
        'über/größe 1.png',
        '猫/ねこ.jpg',
        'с пробелами/ф (1).jpeg',
        "it's/#1 100%.webp",
        'b\\c/a"b.gif',
      ];
      const data = await readDataset(folderOf(...names));
      expect([...data.classes].sort()).to.deep.equal(names.map((name) => name.split('/')[0]!).sort());
      expect([...data.examples].map(({ path: file }) => path.relative(data.root, file)).sort()).to.deep.equal(
        [...names].sort(),
      );
    });

    it('follows links to folders, but not in circles', async () => {
      const folder = folderOf('a/1.png', 'b/2.png');
      const elsewhere = folderOf('3.png');
      symlinkSync(elsewhere, path.join(folder, 'b/more'));
      symlinkSync('.', path.join(folder, 'b/self'));
      symlinkSync('..', path.join(folder, 'b/up'));
      symlinkSync('/', path.join(folder, 'b/top'));
      symlinkSync('missing', path.join(folder, 'b/dangling'));
      expect(listed(await readDataset(folder))).to.deep.equal(['a a/1.png', 'b b/2.png', 'b b/more/3.png']);
    });

    it('names a folder whose name is no UTF-8, which no program of ours can open', async function () {
      if (process.platform !== 'linux') this.skip();
      const folder = folderOf('a/1.jpg', 'b/1.jpg');
      mkdirSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.of(0xe9)]));
      expect(await refusal(folder)).to.match(/caf\ufffd; its name holds bytes that are not UTF-8; rename it/);
    });

    it('refuses flags of tables, which would be passed over', async () => {
      const folder = folderOf('a/1.jpg', 'b/2.jpg');
      for (const [options, flag] of [
        [{ labelColumn: 'x' }, '--label-column'],
        [{ textColumn: 'x' }, '--text-column'],
        [{ imageColumn: 'x' }, '--image-column'],
        [{ header: false }, '--no-header'],
      ] as const)
        expect(await refusal(folder, options)).to.match(
          new RegExp(`^${flag} is for tables, but .* is a folder`),
        );
    });

    it('names an empty class folder', async () => {
      expect(await refusal(folderOf('a/1.png', 'b/2.png', 'c/'))).to.match(
        /class folder .*c holds no images/,
      );
      expect(await refusal(folderOf('a/1.png', 'b/2.png', 'c/notes.txt'))).to.match(/class folder .*c holds/);
    });

    it('names the table that lies beside the images, where they are in no class folders', async () => {
      const name = /no folder with images .*; where train\.csv lists .*: --data \S+train\.csv /;
      expect(await refusal(folderOf('train/1.jpg', 'test/2.jpg', 'train.csv', 'test.csv'))).to.match(name);
      const both = await readDataset(folderOf('cat/1.jpg', 'dog/2.jpg', 'labels.csv'));
      expect(both.classes).to.deep.equal(['cat', 'dog']);
    });

    it('says what is missing', async () => {
      expect(await refusal(folderOf())).to.match(/one folder a class/);
      expect(await refusal(folderOf('1.png', '2.png'))).to.match(/one folder a class/);
      expect(await refusal(folderOf('a/1.png'))).to.match(/two classes or more .* single class, a/);
      expect(await refusal(path.join(scratch, 'nowhere'))).to.match(/no file .*nowhere/);
    });
  });

  describe('from tables', () => {
    function tableOf(text: string | Uint8Array, name = 'table.csv'): string {
      const file = path.join(folderOf(), name);
      writeFileSync(file, text);
      return file;
    }
    const expected = ['cat a.jpg', 'dog sub/b.jpg'];

    for (const [name, text, extension] of [
      ['CSV', 'image,label\na.jpg,cat\nsub/b.jpg,dog\n', 'csv'],
      ['CSV without a line end at its end', 'image,label\na.jpg,cat\nsub/b.jpg,dog', 'csv'],
      ['CSV with CRLF', 'image,label\r\na.jpg,cat\r\nsub/b.jpg,dog\r\n', 'csv'],
      ['CSV with a byte order mark', '\ufeffimage,label\na.jpg,cat\nsub/b.jpg,dog\n', 'csv'],
      ['CSV with empty lines', 'image,label\n\na.jpg,cat\n\n\nsub/b.jpg,dog\n\n', 'csv'],
      ['CSV with blanks around', 'image , label\n a.jpg , cat\nsub/b.jpg,dog \n', 'csv'],
      ['CSV with quotes', '"image","label"\n"a.jpg","cat"\n"sub/b.jpg","dog"\n', 'csv'],
      ['CSV with other columns', 'id,category,filename,x\n1,cat,a.jpg,\n2,dog,sub/b.jpg,y\n', 'csv'],
      ['CSV with semicolons', '"image, or path";image;label\n1,5;a.jpg;cat\n2;sub/b.jpg;dog\n', 'csv'],
      ['CSV with tabs', 'image\tlabel\na.jpg\tcat\nsub/b.jpg\tdog\n', 'csv'],
      ['CSV with tabs between quotes', '"image"\t"label"\n"a.jpg"\t"cat"\n"sub/b.jpg"\t"dog"\n', 'csv'],
      [
        'CSV with its delimiter said between quotes',
        '"sep=;"\r\nimage;label\r\na.jpg;cat\r\nsub/b.jpg;dog\r\n',
        'csv',
      ],
      ['TSV', 'image\tlabel\na.jpg\tcat\nsub/b.jpg\tdog\n', 'tsv'],
      ['JSONL', '{"image":"a.jpg","label":"cat"}\n{"label":"dog","image":"sub/b.jpg"}\n', 'jsonl'],
      [
        'JSONL with CRLF and a mark',
        '\ufeff{"image":"a.jpg","label":"cat"}\r\n\r\n{"image":"sub/b.jpg","label":"dog"}',
        'jsonl',
      ],
      [
        'a JSON list of objects',
        '[{"image":"a.jpg","label":"cat"},{"label":"dog","image":"sub/b.jpg"}]',
        'json',
      ],
      [
        'a JSON list over several lines, with a mark',
        '\ufeff\n[\n  {\n    "image": "a.jpg",\n    "label": "cat"\n  },\n  {"image": "sub/b.jpg", "label": "dog"}\n]\n',
        'jsonl',
      ],
      ['NDJSON', '{"file_name":"a.jpg","label":"cat"}\n{"file_name":"sub/b.jpg","label":"dog"}\n', 'ndjson'],
    ] as const) {
      it(`reads ${name}`, async () => {
        expect(listed(await readDataset(tableOf(text, `table.${extension}`)))).to.deep.equal(expected);
      });
    }

    it('reads UTF-16, which Excel writes', async () => {
      const text = Buffer.from('\ufeffimage\tlabel\na.jpg\tKätzchen\nsub/b.jpg\tdog\n', 'utf16le');
      const data = await readDataset(tableOf(text, 'table.tsv'));
      expect(listed(data)).to.deep.equal(['Kätzchen a.jpg', 'dog sub/b.jpg']);
    });

    it('reads without a header, by position or by number', async () => {
      const file = tableOf('a.jpg,cat\nsub/b.jpg,dog\n');
      expect(listed(await readDataset(file, { header: false }))).to.deep.equal(expected);
      const turned = tableOf('x,cat,a.jpg\ny,dog,sub/b.jpg\n');
      const options = { header: false, imageColumn: '2', labelColumn: '1' };
      expect(listed(await readDataset(turned, options))).to.deep.equal(expected);
    });

    it('takes the columns that are named', async () => {
      const file = tableOf('label,image,species,photo\nx,y,cat,a.jpg\nx,y,dog,sub/b.jpg\n');
      const options = { imageColumn: 'photo', labelColumn: 'species' };
      expect(listed(await readDataset(file, options))).to.deep.equal(expected);
    });

    it('takes absolute paths and addresses as they are', async () => {
      const { examples } = await readDataset(
        tableOf('image,label\n/photos/a.jpg,cat\nhttps://example.org/b%20c.jpg?x=1,dog\n'),
      );
      expect(
        Array.from(examples, ({ path: file, source, label }) => ({ path: file, source, label })),
      ).to.deep.equal([
        { path: '/photos/a.jpg', source: undefined, label: 0 },
        {
          path: 'https://example.org/b%20c.jpg?x=1',
          source: { kind: 'url', url: 'https://example.org/b%20c.jpg?x=1' },
          label: 1,
        },
      ]);
    });

    it('takes file addresses, and folders as Windows divides them, where no file is called so', async () => {
      const folder = folderOf('photos/b.jpg', 'odd\\name.jpg');
      const file = path.join(folder, 'table.csv');
      const rows = [
        'file:///photos/a%20b.jpg,cat',
        'photos\\b.jpg,dog',
        'odd\\name.jpg,cat',
        'gone\\c.jpg,dog',
      ];
      writeFileSync(file, ['image,label', ...rows].join('\n'));
      const { examples } = await readDataset(file);
      expect(Array.from(examples, ({ path: found }) => found)).to.deep.equal([
        '/photos/a b.jpg',
        path.join(folder, 'photos/b.jpg'),
        path.join(folder, 'odd\\name.jpg'),
        path.join(folder, 'gone/c.jpg'),
      ]);
    });

    it('takes the parts from a column split', async () => {
      const file = tableOf('image,label,split\na.jpg,cat,train\nb.jpg,dog,val\nc.jpg,cat,test\nd.jpg,dog,\n');
      const { examples } = await readDataset(file);
      expect([...examples].map(({ split }) => split)).to.deep.equal([
        'train',
        'validation',
        'test',
        undefined,
      ]);
      expect(await refusal(tableOf('image,label,split\na.jpg,cat,holdout\nb.jpg,dog,val\n'))).to.match(
        /train, validation or test for split in row 2 .*"holdout"/,
      );
    });

    it('takes the parts from a column subset, set or partition where it names some, as else they would be trained on', async () => {
      for (const name of ['subset', 'set', 'Partition']) {
        const parts = tableOf(`image,label,${name}\n1.png,a,Train\n2.png,b,val\n3.png,b,test\n`);
        expect(listed(await readDataset(parts))).to.deep.equal([
          'a 1.png train',
          'b 2.png validation',
          'b 3.png test',
        ]);
        const others = tableOf(`image,label,${name}\n1.png,a,7\n2.png,b,train\n`);
        expect(listed(await readDataset(others))).to.deep.equal(['a 1.png', 'b 2.png']);
        const labels = tableOf(`image,${name}\n1.png,train\n2.png,bus\n`);
        const { classes } = await readDataset(labels, { labelColumn: name });
        expect(classes).to.deep.equal(['bus', 'train']);
      }
    });

    it('takes the parts from a column subset, set or partition of JSON objects too', async () => {
      for (const name of ['subset', 'set', 'Partition']) {
        const rows = ['Train', 'val', 'test'].map((part, i) => ({
          image: `${i}.png`,
          label: 'ab'[i % 2],
          [name]: part,
        }));
        const expected = ['a 0.png train', 'a 2.png test', 'b 1.png validation'];
        const lines = rows.map((row) => JSON.stringify(row)).join('\n');
        expect(listed(await readDataset(tableOf(lines, 'parts.jsonl'))).sort()).to.deep.equal(expected);
        expect(listed(await readDataset(tableOf(JSON.stringify(rows), 'parts.json'))).sort()).to.deep.equal(
          expected,
        );
        const others = rows.map((row, i) => JSON.stringify({ ...row, [name]: String(i + 5) })).join('\n');
        const unsplit = ['a 0.png', 'a 2.png', 'b 1.png'];
        expect(listed(await readDataset(tableOf(others, 'others.jsonl'))).sort()).to.deep.equal(unsplit);
      }
    });

    it('takes a path below the folder of the table as path.resolve does', async () => {
      const names = [
        'a/b.png',
        './a.png',
        'a/../b.png',
        '.a/b.png',
        'a//b.png',
        'a/b.png/',
        '../c.png',
        'a/.b.png',
      ];
      const file = tableOf(['image,label', ...names.map((name, i) => `${name},${i}`)].join('\n'));
      const { examples } = await readDataset(file);
      const expected = names.map((name) => path.resolve(path.dirname(file), name));
      expect([...examples].map((example) => example.path)).to.deep.equal(expected);
    });

    it('takes the part of an object where the first one has none', async () => {
      const rows = [
        { text: 'a', label: 'x' },
        { text: 'b', label: 'y' },
        { text: 'c', label: 'x', split: 'test' },
      ];
      const { examples } = await readDataset(
        tableOf(rows.map((row) => JSON.stringify(row)).join('\n'), 't.jsonl'),
      );
      expect([...examples].map(({ split }) => split)).to.deep.equal([undefined, undefined, 'test']);
    });

    it('takes usual names in any case, so that a Split is not trained on', async () => {
      const text = 'Image,LABEL,Split\na.jpg,cat,train\nsub/b.jpg,dog,test\n';
      expect(listed(await readDataset(tableOf(text)))).to.deep.equal([
        'cat a.jpg train',
        'dog sub/b.jpg test',
      ]);
      const both = 'Label,label,image\nx,cat,a.jpg\nx,dog,sub/b.jpg\n';
      expect(listed(await readDataset(tableOf(both)))).to.deep.equal(expected);
    });

    it('reads one object a line from a file that ends in .json', async () => {
      const text = '{"image":"a.jpg","label":"cat"}\n{"image":"sub/b.jpg","label":"dog"}\n';
      expect(listed(await readDataset(tableOf(text, 'table.json')))).to.deep.equal(expected);
    });

    it('keeps quoted commas, quotes and line ends inside a value', async () => {
      const file = tableOf('image,label\n"a, ""b"".jpg","big\ncat"\nc.jpg,dog\n');
      const data = await readDataset(file);
      expect(data.classes).to.deep.equal(['big\ncat', 'dog']);
      expect(path.basename(data.examples.at(0).path)).to.equal('a, "b".jpg');
    });

    it('keeps rows that repeat, and numbers that are labels', async () => {
      const file = tableOf(
        '{"image":"a.jpg","label":3}\n{"image":"a.jpg","label":3}\n{"image":"b.jpg","label":10}\n',
        't.jsonl',
      );
      const data = await readDataset(file);
      expect(data.classes).to.deep.equal(['10', '3']);
      expect(listed(data)).to.deep.equal(['3 a.jpg', '3 a.jpg', '10 b.jpg']);
    });

    it('leaves out rows without label or image, and says how many and where', async () => {
      const file = tableOf('image,label\na.jpg,cat\nx.jpg,\n,dog\nsub/b.jpg,dog\ny.jpg,  \n');
      expect(listed(await readDataset(file))).to.deep.equal(expected);
      expect((await warnings(file)).join('\n')).to.match(
        /2 rows of .*table\.csv without label left out, the first one row 3\.\n1 row of .* without image left out, the first one row 4\./,
      );
      const lines = tableOf(
        '{"image":"a.jpg","label":"cat"}\n{"image":"x.jpg"}\n{"label":null}\n{"image":"sub/b.jpg","label":"dog"}\n',
        't.jsonl',
      );
      expect(listed(await readDataset(lines))).to.deep.equal(expected);
    });

    it('refuses what is no table, with file and place', async () => {
      const cases: readonly (readonly [string | Uint8Array, string, RegExp])[] = [
        ['', 'csv', /holds no rows/],
        ['image,label\n', 'csv', /holds no rows/],
        ['image,label\n,\n', 'csv', /holds no rows/],
        [
          'a,b\n1,2\n',
          'csv',
          /one of the columns image, path, text, … in .*csv but it has a, b; name it with --image-column or --text-column, or pass --no-header/,
        ],
        ['[{"a":1}]', 'json', /it has a; name it with --image-column or --text-column\.$/],
        ['image,b\n1,2\n', 'csv', /one of the columns label, class, category, … .* --label-column/],
        ['image,label\na.jpg,cat,more\n', 'csv', /csv cannot be read: line 2 should have 2 fields but has 3/],
        ['image,label\na.jpg\n', 'csv', /csv cannot be read: .*line 2/],
        ['image,label\n"a.jpg,cat\nb.jpg,dog\n', 'csv', /csv cannot be read: .*line/],
        ['image,label\na"b.jpg,cat\n', 'csv', /csv cannot be read: a quotation mark .* line 2 .*double it/],
        [
          '{\n  "data": []\n}',
          'json',
          /one JSON document; write a list of objects, \[.*, or one object a line/,
        ],
        [
          '[{"image":"a.jpg","label":"cat"},\n{"image":"b.j',
          'json',
          /json cannot be read: it is not JSON: Unterm/,
        ],
        ['[{"image":"a.jpg","label":NaN}]', 'json', /not JSON: .*; JSON has no NaN, write null\./],
        ['[{"image":"a.jpg","label":"cat"}, 7]', 'json', /an object as row 2 of .*json, .* but it is 7\./],
        [
          '['.repeat(1e6) + ']'.repeat(1e6),
          'json',
          /json cannot be read: .* in one another, more than 1000 deep/,
        ],
        ['[{"text":"\\"[","label":[["]"]]}]', 'json', /a text or a number for label in row 1/],
        ['[]', 'json', /json holds no rows with image or text and label/],
        [
          `[{"text":"${'x'.repeat(2 ** 27)}`,
          'json',
          /one JSON list of more than 134217728 characters; write/,
        ],
        ['image,label,label\na.jpg,cat,x\n', 'csv', /csv has 2 columns called label; rename/],
        ['image,label,split,split\na.jpg,cat,x,y\n', 'csv', /csv has 2 columns called split; rename/],
        [
          '{"image":"a.jpg","label":9007199254740993}',
          'jsonl',
          /label in row 1 .*jsonl is too large to be read to its last digit; write it as a text/,
        ],
        [
          'image,label\ns3://bucket/a.jpg,cat\n',
          'csv',
          /found s3:\/\/bucket\/a\.jpg in row 2 of .*csv: what lies at s3: addresses is not read/,
        ],
        [
          'image,label\nhttp://me:secret@host/a.jpg,cat\n',
          'csv',
          /^((?!secret).)* row 2 of .*csv holds a user name or password, which are not sent; fetch the images/,
        ],
        [
          'image,label\nfile:///a%2Fb.jpg,cat\n',
          'csv',
          /file:\/\/\/a%2Fb\.jpg in row 2 of .*csv stands for no path/,
        ],
        [`image,label\n"${'x'.repeat(2 ** 21)}`, 'csv', /longer than 1048576 characters; a quotation mark/],
        [`{"image":"${'x'.repeat(2 ** 21)}`, 'jsonl', /longer than 1048576 characters/],
        ['{"image":"a.jpg","label":"cat"}\n{"image":', 'jsonl', /Row 2 of .*jsonl is not JSON/],
        ['["a.jpg","cat"]', 'jsonl', /an object as row 1/],
        [
          '{"image":{"path":"a.jpg"},"label":"cat"}',
          'jsonl',
          /a text or a number for image in row 1 .*"path"/,
        ],
        ['{"image":"a.jpg","label":{"cat":1}}', 'jsonl', /a text or a number for label in row 1/],
        [
          Buffer.from('image,label\ncaf\xe9.jpg,cat\n', 'latin1'),
          'csv',
          /not UTF-8 text in line 2; save it as UTF-8/,
        ],
        [Buffer.from([0, 1, 2, 3, 255, 254]), 'csv', /csv/],
        [
          '{"image":"a.jpg","label":"cat"}\n{"image":"b.jpg","label":"dog"}\n',
          'csv',
          /csv cannot be read: it holds JSON, one object a line; call it \.jsonl/,
        ],
        [
          '[{"image":"a.jpg","label":"cat"}]',
          'tsv',
          /tsv cannot be read: it holds a list of JSON objects; call it \.json/,
        ],
        ['{\n  "image": ["a.jpg"]\n}\n', 'csv', /csv cannot be read: it is one JSON document/],
        ['image,label\na.jpg,cat\n', 'jsonl', /Row 1 of .*jsonl is not JSON.*; a table with commas.* \.csv/],
        ['{"text":"a","label":NaN}\n', 'jsonl', /Row 1 .* is not JSON: .*; JSON has no NaN, write null/],
        [Buffer.from('PK\x03\x04\x14\0'), 'csv', /csv cannot be read: it is .*Excel.*; save it as CSV/],
        [Buffer.from('PK\x03\x04\x14\0'), 'xlsx', /xlsx cannot be read: it is .*Excel.*; save it as CSV/],
        [Buffer.from([31, 139, 8, 0]), 'csv', /csv cannot be read: it is compressed with gzip; unpack it/],
        [Buffer.from('PAR1\x15\x04\x15'), 'csv', /csv cannot be read: it is .*Parquet.*; call it \.parquet/],
        [Buffer.from([31, 139, 8, 0]), 'tar.gz', /tar\.gz is compressed; unpack it first/],
      ];
      for (const [text, extension, reason] of cases) {
        const message = await refusal(tableOf(text, `table.${extension}`));
        expect(message, String(text).slice(0, 40)).to.match(reason);
        expect(message).to.match(new RegExp(`table\\.${extension}`));
      }
    });

    it('is read in UTF-16 without its mark too, and with bars between its fields', async () => {
      const text = 'image|label\na.jpg|cat\nb.jpg|dog\n';
      const little = Buffer.from(text, 'utf16le');
      for (const content of [Buffer.from(text), little, Buffer.from(little).swap16()])
        expect(listed(await readDataset(tableOf(content)))).to.deep.equal(['cat a.jpg', 'dog b.jpg']);
    });

    it('is divided by what all rows have alike, where the first one has commas in its text too', async () => {
      const rows = 'good, fine;x\nbad;y\n"a, b; c";x\nwell, well, well;y\n';
      const { examples, classes } = await readDataset(tableOf(rows), { header: false });
      expect(classes).to.deep.equal(['x', 'y']);
      expect([...examples].map(({ source }) => (source as { text: string }).text)).to.deep.equal([
        'good, fine',
        'bad',
        'a, b; c',
        'well, well, well',
      ]);
      const names = await readDataset(tableOf('text;label, if any\na, b;x\nc;y\n'), {
        labelColumn: 'label, if any',
      });
      expect(names.classes).to.deep.equal(['x', 'y']);
    });

    it('has quotation marks in its texts where they enclose no field of a TSV file, and says so', async () => {
      const warned: string[] = [];
      const logger = { info: () => {}, warn: (message: string) => void warned.push(message) };
      const text = 'sentence\tlabel\n"Never, he said\tno\nso "be" it\tyes\n"quite"\tno\n';
      const { examples } = await readDataset(tableOf(text, 'table.tsv'), {}, logger);
      const texts = [...examples].map(({ source }) => source?.kind === 'text' && source.text);
      expect(texts).to.deep.equal(['"Never, he said', 'so "be" it', '"quite"']);
      expect(warned.join()).to.match(/Quotation marks in .*table\.tsv do not enclose fields/);
      const enclosed = tableOf('sentence\tlabel\n"a\tb\nc ""d"""\tno\ne\tyes\n', 'table.tsv');
      const [first] = [...(await readDataset(enclosed)).examples];
      expect(first!.source).to.deep.include({ text: 'a\tb\nc "d"' });
    });

    it('names the example whose label is no finite number', async () => {
      const file = tableOf('text,label\na,1\nb,inf\n');
      expect(await refusal(file, { task: 'regression' })).to.match(/found "inf", of .*table\.csv#3; mend it/);
    });

    it('refuses numbers of groups and in lists that lost digits, but takes such amounts', async () => {
      const rows = (group: string, label: string): string =>
        tableOf(
          `{"text":"a","label":${label},"group":${group}}\n{"text":"b","label":1,"group":2}\n`,
          't.jsonl',
        );
      const grouped = { task: 'regression', groupColumn: 'group' } as const;
      expect(await refusal(rows('9007199254740993', '1'), grouped)).to.match(
        /number for group in row 1 .* too large/,
      );
      const { targets } = await readDataset(rows('1', '9007199254740993'), { task: 'regression' });
      expect(targets).to.have.length(2);
      expect(await refusal(rows('1', '1e39'), { task: 'regression' })).to.match(/found "1e\+39"/);
      expect(await refusal(rows('1', '[9007199254740993, 7]'), { task: 'multi' })).to.match(
        /number for label in row 1 .* too large/,
      );
    });

    it('reads past the line that tells Excel the delimiter, and lines of blanks, as pandas does the latter', async () => {
      const file = tableOf('sep=;\r\ntext;label\r\none, two;a\r\n   \r\nthree;b\r\n\t\r\n');
      const { examples, classes } = await readDataset(file);
      const texts = [...examples].map(({ source, label }) => [
        (source as { text: string }).text,
        classes[label],
      ]);
      expect(texts).to.deep.equal([
        ['one, two', 'a'],
        ['three', 'b'],
      ]);
      expect(await refusal(tableOf('text,label\na,b\n   \nc,d,e\n'))).to.match(
        /line 4 should have 2 fields but has 3/,
      );
    });

    it('takes lists as pandas writes them, of Python and of NumPy, for lists', async () => {
      const lists = `"['it''s, a', ""b""]"`.replace("''", "\\'");
      const text = `text,label\na,${lists}\nb,['b']\nc,[]\nd,"['b' 'c d']"\ne,[Ham & Eggs]\n`;
      const data = await readDataset(tableOf(text), { task: 'multi' });
      const sets = [...data.examples].map(({ label }) =>
        data.classes.filter((_, c) => data.targets![label * data.classes.length + c] === 1),
      );
      expect(sets).to.deep.equal([['b', "it's, a"], ['b'], [], ['b', 'c d'], ['[Ham & Eggs]']]);
      const numbers = await readDataset(tableOf('text,label\na,[1.5 -2.]\nb,"[3, 1e-3]"\n'), {
        task: 'regression',
      });
      expect([...numbers.targets!]).to.deep.equal([1.5, -2, 3, Math.fround(1e-3)]);
    });

    it('says which classes look alike, are called as what is missing, or hold the commas of a list', async () => {
      const said = (rows: string, options?: DataOptions) => warnings(tableOf(`text,label\n${rows}`), options);
      expect((await said('a,Cat\nb,cat\nc,1\nd,1.0\ne,ice\u00a0 cream\nf,ice cream\n')).join()).to.match(
        /look alike .*: "1" and "1\.0", "Cat" and "cat", "ice cream" and "ice\u00a0 cream"; spell/,
      );
      expect(await said('a,A\nb,a\n'), 'letters').to.deep.equal([]);
      expect((await said('a,NaN\nb,None\nc,x\n')).join()).to.match(/NaN, None in .* are taken for the names/);
      expect((await said('a,"x, y"\nb,z\n', { task: 'multi' })).join()).to.match(
        /hold commas, .* write \| or ;/,
      );
      const numbers = await said('a,1\nb,NaN\nc,NA\n', { task: 'regression' });
      expect(numbers.join()).to.match(/2 rows of .* without label left out, the first one row 3/);
    });

    it('takes a folder of train.csv, validation.csv, test.csv, or a list of them, as the parts of one data set', async () => {
      const folder = folderOf();
      const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
      write('train.csv', 'text,label\na,x\nb,y\n');
      write('validation.jsonl', '{"label":"y","text":"c"}\n');
      write('test.tsv', 'label\ttext\nx\td\n');
      write('README.md', 'about');
      write('settings.json', '{}');
      const told = async (data: string): Promise<string[]> => {
        const { examples, classes, root } = await readDataset(data);
        expect(root).to.equal(path.resolve(data));
        return [...examples].map(({ source, label, split }) =>
          [(source as { text: string }).text, classes[label], split].join(' '),
        );
      };
      expect(await told(folder)).to.deep.equal(['d x test', 'a x train', 'b y train', 'c y validation']);
      expect(await told(path.join(folder, '{train.csv,test.tsv}'))).to.deep.equal([
        'a x train',
        'b y train',
        'd x test',
      ]);
      expect(await told(path.join(folder, 'test.tsv')).catch(String)).to.match(/single class/);
      expect(await told(path.join(folder, 'train.csv')), 'alone it is all').to.deep.equal(['a x ', 'b y ']);
      write('labels.csv', 'text,label\n');
      expect(await refusal(folder)).to.match(
        /holds tables \(labels\.csv, test\.tsv, .*; name the one that is meant, or those that are: '.*\{test\.tsv,train\.csv,validation\.jsonl\}' is without labels\.csv/,
      );
    });

    it('leaves a test part without labels out, and says so', async () => {
      const folder = folderOf();
      const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
      write('test.csv', 'id,text\n1,c\n');
      expect(await refusal(folder), 'alone').to.match(/Expected one of the columns label/);
      write('train.csv', 'id,text,label\n1,a,x\n2,b,y\n');
      expect([...(await readDataset(folder)).examples].map(({ split }) => split)).to.deep.equal([
        'train',
        'train',
      ]);
      expect(await warnings(folder)).to.deep.equal([
        `${path.join(folder, 'test.csv')} has no column of labels, so nothing can be measured on it: left out. ` +
          'Label the rows of a table with graft predict.',
      ]);
      expect(await refusal(folder, { labelColumn: 'kind' })).to.match(
        /Expected a column kind in .*train\.csv/,
      );
      write('train.csv', 'id,text\n1,a\n');
      expect(await refusal(folder), 'in another part').to.match(
        /Expected one of the columns label.*train\.csv/,
      );
    });

    it('sees what a table without usual names holds by the first row that has something', async () => {
      const { kind } = await readDataset(tableOf(',x\nsome words,y\nothers,x\n'), { header: false });
      expect(kind).to.equal('texts');
    });

    it('is not led astray by columns named like parts of every object', async () => {
      const file = tableOf(
        '{"image":"a.jpg","label":"__proto__"}\n{"image":"b.jpg","label":"constructor"}\n',
        't.jsonl',
      );
      expect((await readDataset(file)).classes).to.deep.equal(['__proto__', 'constructor']);
      expect(
        await refusal(tableOf('{"image":"a.jpg","label":"x"}\n', 't.jsonl'), { labelColumn: 'toString' }),
      ).to.match(/column toString/);
    });
  });
});
