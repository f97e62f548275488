import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { pack } from 'tar-stream';
import type { Dataset } from '../../src/dataset/dataset.js';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';
import { createRng } from '../../src/rng.js';
import { readSource } from '../../src/sources/read-source.js';
import { GraftError } from '../../src/errors.js';

describe('Reading tar shards', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-tar-'));
  after(() => rmSync(scratch, { recursive: true }));

  /** An archive of these members, in this order. */
  async function archive(name: string, members: readonly (readonly [string, string])[]): Promise<string> {
    const file = path.join(scratch, name);
    const stream = pack();
    for (const [member, content] of members) stream.entry({ name: member }, content);
    stream.finalize();
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, await buffer(stream));
    return file;
  }

  const pair = (key: string, label: string): [string, string][] => [
    [`${key}.jpg`, `photo ${key}`],
    [`${key}.cls`, `${label}\n`],
  ];

  /** Each example as "label content part". */
  async function listed({ examples, classes }: Dataset): Promise<string[]> {
    const lines: string[] = [];
    for (const example of examples) {
      const content = Buffer.from((await readSource(example)).bytes).toString();
      lines.push([classes[example.label], content, example.split].filter(Boolean).join(' '));
    }
    return lines;
  }

  async function refusal(data: string, options: DataOptions = {}): Promise<string> {
    const error = await readDataset(data, options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(GraftError);
    return (error as Error).message;
  }

  it('refuses labels that are not UTF-8, of which two may look the same', async () => {
    const file = path.join(scratch, 'latin.tar');
    const stream = pack();
    for (const [key, byte] of [
      ['1', 0xe9],
      ['2', 0xe8],
    ] as const) {
      stream.entry({ name: `${key}.jpg` }, 'photo');
      stream.entry({ name: `${key}.cls` }, Buffer.from([0x63, 0x61, 0x66, byte]));
    }
    stream.finalize();
    writeFileSync(file, await buffer(stream));
    expect(await refusal(file)).to.equal(
      `The label in "1.cls" of ${file} is not UTF-8 text; write it as UTF-8.`,
    );
  });

  it('refuses class folders whose names are not UTF-8, of which two may look the same', async () => {
    const file = await archive('folders.tar', [
      ['data/cafX/1.jpg', 'one'],
      ['data/cafY/1.jpg', 'two'],
    ]);
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf('caf'); at >= 0; at = bytes.indexOf('caf', at + 1)) {
      const header = Math.floor(at / 512) * 512;
      const letter = bytes[at + 3] === 0x58 ? 0xe9 : 0xe8;
      // The sum of the header's bytes is its own check.
      const sum = Number.parseInt(bytes.toString('latin1', header + 148, header + 154), 8);
      bytes.write((sum + letter - bytes[at + 3]!).toString(8).padStart(6, '0'), header + 148, 'latin1');
      bytes[at + 3] = letter;
    }
    writeFileSync(file, bytes);
    expect(await refusal(file)).to.match(
      /The folder of ".*1\.jpg" of .*folders\.tar has a name that is not UTF-8/,
    );
  });

  it('pairs an image with the label beside it, .cls before .json before .txt', async () => {
    const file = await archive('labels.tar', [
      ['a/1.jpg', 'one'],
      ['a/1.txt', 'a caption'],
      ['a/1.json', '{"label": "json", "width": 8}'],
      ['a/1.cls', ' cat \n'],
      ['a/2.json', '{"id": 7, "class": 3}'],
      ['a/2.seg.png', 'a mask is an image too, but the photo came first'],
      ['a/3.txt', 'dog'],
      ['a/3.PNG', 'three'],
    ]);
    expect(await listed(await readDataset(file))).to.deep.equal([
      'cat one',
      '3 a mask is an image too, but the photo came first',
      'dog three',
    ]);
  });

  it('reads archives that were written one after the other, and keeps their samples apart', async () => {
    const [one, two] = [
      await archive('one.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]),
      await archive('two.tar', [...pair('2', 'cat'), ...pair('3', 'ant')]),
    ];
    const joined = path.join(scratch, 'joined.tar');
    writeFileSync(joined, Buffer.concat([one, two].map((file) => readFileSync(file))));
    const said: string[] = [];
    const dataset = await readDataset(joined, {}, { info: (text) => said.push(text), warn() {} });
    expect(await listed(dataset)).to.deep.equal([
      ...['cat photo 1', 'dog photo 2', 'cat photo 2', 'ant photo 3'],
    ]);
    expect(said).to.deep.equal([`${joined} is 2 archives one after the other; all of them are read.`]);
  });

  it('passes over what stands behind the end of an archive and is none', async () => {
    const file = await archive('followed.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
    const content = readFileSync(file);
    for (const rest of [Buffer.alloc(700, 'x'), Buffer.alloc(100), Buffer.alloc(20 * 512)]) {
      writeFileSync(file, Buffer.concat([content, rest]));
      expect(await listed(await readDataset(file))).to.deep.equal(['cat photo 1', 'dog photo 2']);
    }
  });

  it('takes the columns that are named: an extension, or a field of the JSON', async () => {
    const file = await archive('columns.tar', [
      ['1.left.jpg', 'left 1'],
      ['1.right.jpg', 'right 1'],
      ['1.json', '{"breed": "pug", "label": "dog"}'],
      ['1.kind', 'animal'],
      ['2.left.jpg', 'left 2'],
      ['2.right.jpg', 'right 2'],
      ['2.json', '{"breed": "manx", "label": "cat"}'],
      ['2.kind', 'pet'],
    ]);
    const byField = await readDataset(file, { imageColumn: 'right.jpg', labelColumn: 'breed' });
    expect(await listed(byField)).to.deep.equal(['pug right 1', 'manx right 2']);
    const byMember = await readDataset(file, { labelColumn: 'kind' });
    expect(await listed(byMember)).to.deep.equal(['animal left 1', 'pet left 2']);
  });

  it('takes lists in the JSON for several labels, and refuses numbers that lost digits', async () => {
    const file = await archive('lists.tar', [
      ['1.jpg', 'one'],
      ['1.json', '{"labels": ["cat", "dog"]}'],
      ['2.jpg', 'two'],
      ['2.json', '["dog"]'],
      ['3.jpg', 'three'],
      ['3.json', '{"label": null, "labels": []}'],
    ]);
    const { examples, classes, targets, task } = await readDataset(file);
    expect([task, ...classes]).to.deep.equal(['multi', 'cat', 'dog']);
    const rows = Array.from(examples, ({ label }) => [...targets!.subarray(2 * label, 2 * label + 2)]);
    expect(rows).to.deep.equal([
      [1, 1],
      [0, 1],
      [0, 0],
    ]);
    const large = await archive('large.tar', [
      ['1.jpg', 'one'],
      ['1.json', '{"label": 9007199254740993}'],
      ['2.jpg', 'two'],
      ['2.json', '{"label": 1}'],
    ]);
    expect(await refusal(large)).to.match(
      /label in "1\.json" of .*large\.tar is a number too large to be read/,
    );
    expect((await readDataset(large, { task: 'regression' })).targets).to.have.length(2);
  });

  it('takes the folder for the class where no sample has a label of its own', async () => {
    const file = await archive('folders.tar', [
      ['photos/cat/1.jpg', 'one'],
      ['photos/cat/._1.jpg', 'of macOS'],
      ['photos/dog/1.jpg', 'two'],
    ]);
    expect(await listed(await readDataset(file))).to.deep.equal(['cat one', 'dog two']);
  });

  it('takes the part from the folder above the class, where the archive is a packed folder', async () => {
    const file = await archive('packed.tar', [
      ['photos/train/cat/1.jpg', 'one'],
      ['photos/train/dog/2.jpg', 'two'],
      ['photos/val/cat/3.jpg', 'three'],
      ['photos/test/dog/4.jpg', 'four'],
    ]);
    expect(await listed(await readDataset(file))).to.deep.equal([
      'cat one train',
      'dog two train',
      'cat three validation',
      'dog four test',
    ]);
  });

  it('takes no part from a folder further above, which may be called so by chance', async () => {
    const file = await archive('of-dev.tar', [
      ['home/dev/photos/cat/1.jpg', 'one'],
      ['home/dev/photos/dog/2.jpg', 'two'],
    ]);
    expect(await listed(await readDataset(file))).to.deep.equal(['cat one', 'dog two']);
  });

  it('leaves links out, which have no content, and says so', async () => {
    const folder = path.join(scratch, 'linked');
    for (const label of ['cat', 'dog']) mkdirSync(path.join(folder, label), { recursive: true });
    writeFileSync(path.join(folder, 'cat', '1.jpg'), 'one');
    writeFileSync(path.join(folder, 'dog', '2.jpg'), 'two');
    linkSync(path.join(folder, 'cat', '1.jpg'), path.join(folder, 'dog', '3.jpg'));
    const file = path.join(scratch, 'linked.tar');
    execFileSync('tar', ['--sort=name', '-cf', file, '-C', folder, 'cat', 'dog']);
    const heard: string[] = [];
    const data = await readDataset(file, {}, { info() {}, warn: (message) => heard.push(message) });
    expect(await listed(data)).to.deep.equal(['cat one', 'dog two']);
    expect(heard.join()).to.match(
      /1 image is a link .*dog\/3\.jpg of .*linked\.tar; pack with tar --hard-deref/,
    );
  });

  it('names an archive that is missing behind large ones, whose headers take longer', async () => {
    const members = Array.from({ length: 3000 }, (_, i) => pair(`${i}`, `${i % 2}`)).flat();
    await archive('list/a-0.tar', members);
    const events: unknown[] = [];
    const listen = (reason: unknown): void => void events.push(reason);
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection').on('unhandledRejection', listen);
    try {
      expect(await refusal(path.join(scratch, 'list', 'a-{0..1}.tar'))).to.match(/no file .*a-1\.tar/);
    } finally {
      process.off('unhandledRejection', listen);
      for (const other of others) process.on('unhandledRejection', other);
    }
    expect(events).to.deep.equal([]);
  });

  it('leaves images without a label out, and says how many and which', async () => {
    const file = await archive('gaps.tar', [
      ...pair('1', 'cat'),
      ['2.jpg', 'two'],
      ...pair('3', 'dog'),
      ['4.jpg', 'four'],
    ]);
    const heard: string[] = [];
    const dataset = await readDataset(file, {}, { info() {}, warn: (message) => heard.push(message) });
    expect(dataset.examples).to.have.length(2);
    expect(heard.join()).to.match(/2 images without a label .* 2\.jpg of .*gaps\.tar/);
  });

  it('leaves a test part without labels out, though its name comes first', async () => {
    await archive('kept-back/test-0.tar', [['3.jpg', 'photo 3']]);
    await archive('kept-back/train-0.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
    const heard: string[] = [];
    const logger = { info() {}, warn: (message: string) => heard.push(message) };
    const data = await readDataset(path.join(scratch, 'kept-back'), {}, logger);
    expect(await listed(data)).to.deep.equal(['cat photo 1 train', 'dog photo 2 train']);
    expect(heard.join()).to.match(
      /1 images? without a label .* left out, the first one 3\.jpg of .*test-0\.tar/,
    );
  });

  it('takes several shards in braces, and their parts by their names', async () => {
    await archive('many/train-08.tar', pair('1', 'cat'));
    await archive('many/train-09.tar', pair('1', 'dog'));
    await archive('many/train-10.tar', pair('2', 'dog'));
    await archive('many/val-00.tar', pair('9', 'cat'));
    const folder = path.join(scratch, 'many');
    const train = await readDataset(path.join(folder, 'train-{08..10}.tar'));
    expect(await listed(train)).to.deep.equal([
      'cat photo 1 train',
      'dog photo 1 train',
      'dog photo 2 train',
    ]);
    const all = await readDataset(path.join(folder, '{train-{08..10},val-00}.tar')).catch(() => undefined);
    expect(all, 'braces in braces').to.equal(undefined);
    expect(await listed(await readDataset(folder))).to.deep.equal([
      ...(await listed(train)),
      'cat photo 9 validation',
    ]);
  });

  it('looks for another archive behind 16 MiB of zeros at the most', async () => {
    const [first, second] = [
      await archive('first.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]),
      await archive('second.tar', pair('3', 'cat')),
    ];
    for (const [zeros, count] of [
      [2 ** 23, 3],
      [2 ** 25, 2],
    ] as const) {
      const file = path.join(scratch, 'zeros.tar');
      writeFileSync(file, Buffer.concat([readFileSync(first), Buffer.alloc(zeros), readFileSync(second)]));
      expect((await readDataset(file)).examples).to.have.length(count);
    }
  });

  it('takes each image in a class folder, also where names are alike up to a dot or an extension', async () => {
    const names = ['cat/cat.1.jpg', 'cat/cat.2.jpg', 'dog/1.jpg', 'dog/1.png', 'dog/1.png'];
    const file = await archive(
      'dots.tar',
      names.map((name, i) => [name, `photo ${i}`]),
    );
    const expected = ['cat photo 0', 'cat photo 1', 'dog photo 2', 'dog photo 3', 'dog photo 4'];
    expect(await listed(await readDataset(file))).to.deep.equal(expected);
  });

  it('takes folders named after parts, and passes over an archive beside class folders', async () => {
    await archive('parts/train/0.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
    await archive('parts/test/0.tar', pair('3', 'dog'));
    expect(await listed(await readDataset(path.join(scratch, 'parts')))).to.deep.equal([
      'cat photo 1 train',
      'dog photo 2 train',
      'dog photo 3 test',
    ]);
    await archive('unpacked/photos.tar', pair('1', 'cat'));
    for (const label of ['ant', 'bee']) {
      mkdirSync(path.join(scratch, 'unpacked', label));
      writeFileSync(path.join(scratch, 'unpacked', label, '1.jpg'), label);
    }
    expect((await readDataset(path.join(scratch, 'unpacked'))).classes).to.deep.equal(['ant', 'bee']);
  });

  for (const format of ['gnu', 'pax', 'ustar', 'v7']) {
    it(`reads what GNU tar writes as ${format}, with long names, links and folders between`, async function () {
      const folder = path.join(scratch, `from-${format}`);
      const long =
        format === 'v7' ? 'short' : Array(2).fill('a-long-folder-name-that-fills-a-header').join('/');
      const deep = format === 'gnu' || format === 'pax' ? `${long}/${'ä'.repeat(60)}` : long;
      for (const label of ['cat', 'dog']) {
        mkdirSync(path.join(folder, deep, label), { recursive: true });
        for (let i = 0; i < 3; i++) {
          const content = label.repeat(2000 * i + 1);
          writeFileSync(path.join(folder, deep, label, `photo ${i}.jpg`), content);
        }
      }
      const file = path.join(scratch, `${format}.tar`);
      execFileSync('ln', ['-sf', 'cat', path.join(folder, deep, 'link.jpg')]);
      execFileSync('tar', [`--format=${format}`, '--sort=name', '-C', folder, '-cf', file, '.']);
      const lines = await listed(await readDataset(file));
      const expected = ['cat', 'dog'].flatMap((label) =>
        [0, 1, 2].map((i) => `${label} ${label.repeat(2000 * i + 1)}`),
      );
      expect(lines).to.deep.equal(expected);
    });
  }

  it('finds every member where it is, whatever their sizes', async () => {
    const rng = createRng(3);
    const contents = Array.from({ length: 60 }, (_, i) =>
      String.fromCharCode(97 + (i % 26)).repeat(rng.integer(40_000)),
    );
    const members = contents.flatMap((content, i): [string, string][] => [
      [`${i}.jpg`, content],
      [`${i}.cls`, String(i % 2)],
    ]);
    const dataset = await readDataset(await archive('sizes.tar', members));
    const hash = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    for (const [i, example] of [...dataset.examples].entries()) {
      expect(hash((await readSource(example)).bytes)).to.equal(hash(contents[i]!));
    }
  });

  describe('that are damaged', () => {
    it('is refused with the place, wherever an archive was cut off', async () => {
      const whole = await archive('whole.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
      const bytes = readFileSync(whole);
      const file = path.join(scratch, 'cut.tar');
      // Behind the last member come blocks of zeros, which may be missing.
      const contentEnd = 4 * 1024;
      for (let size = 0; size < contentEnd; size += 100) {
        writeFileSync(file, bytes);
        truncateSync(file, size);
        const message = await refusal(file);
        expect(message, `${size} bytes`).to.match(
          size === 0 ? /found no images/ : /archive .*cut\.tar cannot be read/,
        );
      }
    });

    it('is refused where a member claims more than there is, and where a header was changed', async () => {
      const file = await archive('lies.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
      const bytes = readFileSync(file);
      const forge = (change: (header: Buffer) => void): void => {
        const forged = Buffer.from(bytes);
        const header = forged.subarray(1024, 1536);
        change(header);
        header.fill(' ', 148, 156);
        const sum = header.reduce((total, byte) => total + byte, 0);
        header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
        writeFileSync(file, forged);
      };
      forge((header) => header.write('77777777777\0', 124));
      expect(await refusal(file)).to.match(/"1\.cls" should end at byte \d+ but the file has \d+/);
      forge((header) => header.fill(0xff, 124, 136));
      expect(await refusal(file)).to.match(/byte 1024 begins no member/);
      bytes[1030]! ^= 1;
      writeFileSync(file, bytes);
      expect(await refusal(file)).to.match(/byte 1024 begins no member/);
    });

    it('is refused for what it is where it is compressed, or no archive at all', async () => {
      const file = path.join(scratch, 'squeezed.tar');
      writeFileSync(file, gzipSync(readFileSync(await archive('plain.tar', pair('1', 'cat')))));
      expect(await refusal(file)).to.match(/it is compressed.*decompress it first/);
      writeFileSync(file, Buffer.alloc(2000, 'photo'));
      expect(await refusal(file)).to.match(/does not begin as a tar archive/);
      writeFileSync(file, '');
      expect(await refusal(file)).to.match(/found no images/);
    });

    it('is refused where a label is as long as a book, or a JSON is none', async () => {
      const long = await archive('long.tar', [
        ['1.jpg', 'one'],
        ['1.cls', 'x'.repeat(10_000)],
      ]);
      expect(await refusal(long)).to.match(/"1\.cls" has 10000 bytes/);
      const broken = await archive('json.tar', [
        ['1.jpg', 'one'],
        ['1.json', '{"label": '],
      ]);
      expect(await refusal(broken)).to.match(/"1\.json" of .*json\.tar is not JSON/);
    });

    it('never breaks anything else, whatever bytes were changed', async () => {
      const whole = readFileSync(await archive('fuzz.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]));
      const file = path.join(scratch, 'fuzzed.tar');
      const rng = createRng(11);
      for (let round = 0; round < 150; round++) {
        const bytes = Buffer.from(whole);
        for (let i = 0; i <= rng.integer(4); i++) bytes[rng.integer(4096)] = rng.integer(256);
        writeFileSync(file, bytes);
        await readDataset(file).then(listed, (error: unknown) => expect(error).to.be.instanceOf(GraftError));
      }
    });
  });

  it('does not see what an image in an archive once was: a new archive is read anew', async () => {
    const file = await archive('change.tar', [...pair('1', 'cat'), ...pair('2', 'dog')]);
    const { examples } = await readDataset(file);
    truncateSync(file, 600);
    const error = await readSource(examples.at(1)).catch((reason: unknown) => reason);
    expect((error as Error).message).to.match(/change\.tar.*600 bytes/);
  });

  it('says what is wrong with a list in braces', async () => {
    expect(await refusal('a-{9..1}.tar')).to.match(/counts downwards/);
    expect(await refusal('a-{0..99999999}.tar')).to.match(/more than 1000000 files/);
    expect(await refusal('a-{0..1}.rar')).to.match(/\.tar, \.zip or \.parquet/);
    expect(await refusal('missing-{0..1}.tar')).to.match(/missing-0\.tar/);
  });
});
