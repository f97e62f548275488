import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import type { Dataset } from '../../src/dataset/dataset.js';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';
import { readSource } from '../../src/sources/read-source.js';
import { type Member, utf8, zip } from './zip-archive.js';

describe('Reading zip archives', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-zip-'));
  after(() => rmSync(scratch, { recursive: true }));

  function archive(name: string, members: readonly Member[], options?: { readonly count: number }): string {
    const file = path.join(scratch, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, zip(members, options));
    return file;
  }

  const photos = (...names: readonly string[]): Member[] =>
    names.map((name) => ({ name, content: `photo ${path.basename(name)}` }));

  /** Each example as "label content part", or what is wrong with it. */
  async function listed({ examples, classes }: Dataset): Promise<string[]> {
    const lines: string[] = [];
    for (const example of examples) {
      const read = await readSource(example).then(
        ({ bytes }) => Buffer.from(bytes).toString(),
        (error: unknown) => {
          expect(error).to.be.instanceOf(GraftError);
          return (error as Error).message;
        },
      );
      lines.push([classes[example.label], read, example.split].filter(Boolean).join(' '));
    }
    return lines;
  }

  async function refusal(data: string, options: DataOptions = {}): Promise<string> {
    const error: unknown = await readDataset(data, options).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(GraftError);
    return (error as Error).message;
  }

  async function warnings(data: string): Promise<string> {
    const heard: string[] = [];
    await readDataset(data, {}, { info() {}, warn: (message) => heard.push(message) });
    return heard.join('\n');
  }

  it('takes labels from folders, below whatever others, and parts', async () => {
    const plain = archive('plain.zip', photos('pets/cat/1.jpg', 'pets/dog/2.jpg', 'pets/readme.md'));
    expect(await listed(await readDataset(plain))).to.deep.equal(['cat photo 1.jpg', 'dog photo 2.jpg']);
    const parts = archive('parts.zip', photos('x/train/cat/1.jpg', 'x/train/dog/2.jpg', 'x/valid/cat/3.jpg'));
    expect(await listed(await readDataset(parts))).to.deep.equal([
      'cat photo 1.jpg train',
      'dog photo 2.jpg train',
      'cat photo 3.jpg validation',
    ]);
  });

  it('takes labels from files beside the images, as WebDataset has them', async () => {
    const labels = [
      { name: '1.cls', content: 'cat' },
      { name: '2.json', content: '{"label": "dog"}' },
    ];
    const [one, two] = photos('1.jpg', '2.jpg') as [Member, Member];
    const file = archive('samples.zip', [one, labels[0]!, two, labels[1]!]);
    expect(await listed(await readDataset(file))).to.deep.equal(['cat photo 1.jpg', 'dog photo 2.jpg']);
  });

  it('takes several, each of the part that it is called by', async () => {
    archive('several/train.zip', photos('cat/1.jpg', 'dog/2.jpg'));
    archive('several/test.zip', photos('cat/3.jpg'));
    const expected = ['cat photo 1.jpg train', 'cat photo 3.jpg test', 'dog photo 2.jpg train'];
    for (const data of [path.join(scratch, 'several'), path.join(scratch, 'several', '{train,test}.zip')])
      expect((await listed(await readDataset(data))).sort()).to.deep.equal(expected);
  });

  it('reads what is stored, and passes over what systems hide, and folders', async () => {
    const file = archive('stored.zip', [
      { name: 'cat/', content: '', method: 0 },
      { name: 'cat/1.jpg', content: 'photo 1', method: 0 },
      ...photos('dog/2.jpg', '__MACOSX/dog/2.jpg', 'dog/._2.jpg', '.Trash/dog/3.jpg'),
    ]);
    expect(await listed(await readDataset(file))).to.deep.equal(['cat photo 1', 'dog photo 2.jpg']);
  });

  it('keeps files of one name apart, and takes names that leave the archive for names', async () => {
    const file = archive('names.zip', [
      { name: '../../cat/1.jpg', content: 'first' },
      { name: '../../cat/1.jpg', content: 'second' },
      { name: '/abs/dog/1.jpg', content: 'third' },
      { name: String.raw`C:\dog\2.jpg`, content: 'fourth' },
    ]);
    expect(await listed(await readDataset(file))).to.have.members([
      'cat first',
      'cat second',
      'dog third',
      'dog fourth',
    ]);
  });

  it('leaves links out, and says so', async () => {
    const file = archive('links.zip', [
      ...photos('cat/1.jpg', 'dog/1.jpg'),
      { name: 'dog/2.jpg', content: '/etc/passwd', mode: 0o120777 },
    ]);
    expect((await readDataset(file)).examples).to.have.length(2);
    expect(await warnings(file)).to.match(/1 image is a link .* dog\/2\.jpg .* zip without -y/);
  });

  describe('whose names are not plain', () => {
    it('takes UTF-8 without its mark, as macOS writes it, composed and decomposed', async () => {
      const names = ['caf\u00e9/1.jpg', 'cafe\u0301/2.jpg', '犬/1.jpg'];
      const file = archive(
        'macos.zip',
        names.map((name) => ({ name, content: 'photo', flags: 0 })),
      );
      expect((await readDataset(file)).classes).to.deep.equal(['caf\u00e9', '犬']);
    });

    it('takes others as MS-DOS wrote them, and says so', async () => {
      const dos = Buffer.concat([Buffer.from('caf'), Buffer.from([0x82]), Buffer.from('/1.jpg')]);
      const file = archive('dos.zip', [{ name: dos, content: 'a', flags: 0 }, ...photos('dog/1.jpg')]);
      expect((await readDataset(file)).classes).to.deep.equal(['caf\u00e9', 'dog']);
      expect(await warnings(file)).to.match(/in no Unicode, such as café in .*dos\.zip/);
    });

    it('keeps classes of Shift-JIS apart, of which a byte may be a backslash', async () => {
      const japanese = [
        [0x95, 0x5c, 0x8e, 0xa6],
        [0x94, 0x5c, 0x8e, 0xa6],
      ];
      const members = japanese.map((bytes) => ({
        name: Buffer.concat([Buffer.from(bytes), Buffer.from('/1.jpg')]),
        content: 'photo',
        flags: 0,
      }));
      expect((await readDataset(archive('japan.zip', members))).classes).to.have.length(2);
    });
  });

  describe('of which a file cannot be read', () => {
    for (const [what, lie, reason] of [
      ['encrypted', { flags: utf8 | 1 }, /is encrypted; unpack it with its password/],
      ['packed another way', { method: 12 }, /is packed by bzip2, not by Deflate/],
      ['larger than the directory says', { size: 2 }, /holds more than the 2 bytes/],
      ['smaller than the directory says', { size: 99 }, /has 5 bytes, not 99/],
      ['larger than any photo', { size: 2 ** 32 - 2 }, /more than any photo/],
      ['of another checksum', { checksum: 1 }, /checksum/],
      ['elsewhere', { start: 7 }, /does not begin there/],
      ['behind the end', { start: 10 ** 9 }, /ends at \d+ bytes, before byte/],
    ] as const) {
      it(`says that it is ${what}, and reads the others`, async () => {
        const file = archive('lies.zip', [
          { name: 'cat/1.jpg', content: 'photo', ...lie },
          ...photos('dog/2.jpg'),
        ]);
        const [first, second] = await listed(await readDataset(file));
        expect(first).to.match(reason).and.to.contain(file);
        expect(second).to.equal('dog photo 2.jpg');
      });
    }

    it('gives no more of what would become gigabytes than it declares', async () => {
      const content = Buffer.alloc(2 ** 27);
      const file = archive('bomb.zip', [{ name: 'cat/1.jpg', content, size: 1000 }, ...photos('dog/2.jpg')]);
      const [first] = await listed(await readDataset(file));
      expect(first).to.match(/holds more than the 1000 bytes/);
    });

    it('does not see what a file in a changed archive once was', async () => {
      const file = archive('changed.zip', photos('cat/1.jpg', 'dog/2.jpg'));
      const { examples } = await readDataset(file);
      archive('changed.zip', photos('cat/7.jpg', 'dog/8.jpg'));
      const error = await readSource(examples.at(0)).catch((thrown: unknown) => thrown);
      expect((error as Error).message).to.match(/changed\.zip.*checksum/);
    });
  });

  describe('that are damaged as a whole', () => {
    const pair = photos('cat/1.jpg', 'dog/2.jpg');
    const one = zip([{ name: 'cat/1.jpg', content: randomBytes(1000), method: 0 }]);
    const [entry, end] = [one.subarray(-77, -22), one.subarray(-22)];
    const sharing = Buffer.concat([one.subarray(0, -22), entry, entry, end]);
    sharing.writeUInt16LE(3, sharing.length - 12);
    for (const [what, bytes, reason] of [
      ['is none', Buffer.from('hello world, this is no archive at all'), /not a zip file/],
      ['is empty', Buffer.alloc(0), /not a zip file/],
      ['is cut off', zip(pair).subarray(0, -9), /truncated/],
      ['claims more files than it has', zip(pair, { count: 60_000 }), /ends before byte|signature/],
      ['claims fewer, as macOS does beyond 65535', zip(pair, { count: 1 }), /more files than the 1 it says/],
      ['has many files share their bytes', sharing, /its files overlap/],
    ] as const) {
      it(`says that it ${what}`, async () => {
        const file = path.join(scratch, 'damaged.zip');
        writeFileSync(file, bytes);
        expect(await refusal(file))
          .to.match(reason)
          .and.to.contain('damaged.zip');
      });
    }
  });

  it('is refused where it holds no images, naming what it holds', async () => {
    const table = archive('table.zip', [{ name: 'train.csv', content: 'text,label\n' }]);
    expect(await refusal(table)).to.match(/no images \(but train\.csv\)\. Unpack it, and name the table/);
    const inner = archive('inner.zip', [{ name: 'photos.zip', content: 'PK' }]);
    expect(await refusal(inner)).to.match(/no images \(but photos\.zip\)/);
  });

  it('is refused where its folders are parts, which would be classes', async () => {
    const file = archive('competition.zip', photos('train/1.jpg', 'train/2.jpg', 'test/3.jpg'));
    expect(await refusal(file)).to.match(/test, train, stand for parts .*--image-root/);
  });

  it('is not taken for the data set where it lies beside tables', async () => {
    archive('beside/train.zip', photos('cat/1.jpg', 'dog/2.jpg'));
    writeFileSync(path.join(scratch, 'beside', 'train.csv'), 'image,label\n1.jpg,x\n2.jpg,y\n');
    expect((await readDataset(path.join(scratch, 'beside'))).classes).to.deep.equal(['x', 'y']);
  });
});
