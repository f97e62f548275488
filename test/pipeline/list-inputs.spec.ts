import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { ExampleKind } from '../../src/dataset/dataset.js';
import { listInputs, type ListedInput } from '../../src/pipeline/list-inputs.js';
import { zip } from '../dataset/zip-archive.js';

describe('Inputs of a prediction', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-listed-'));
  after(() => rmSync(scratch, { recursive: true }));
  const at = (...parts: string[]): string => path.join(scratch, ...parts);
  const listed = (kind: ExampleKind, ...inputs: readonly string[]) => listInputs({ inputs }, kind);

  it('are images at addresses too, as in tables, for a model of images', async () => {
    const [web, file] = await listed('images', 'https://host/a.jpg', 'file:///photos/b%20c.jpg');
    expect(web).to.deep.equal({
      ...{ path: 'https://host/a.jpg', source: { kind: 'url', url: 'https://host/a.jpg' } },
    });
    expect(file).to.deep.equal({ path: '/photos/b c.jpg' });
  });

  it('are images of an archive, in the order in which they lie there, its labels left unread', async () => {
    const labelled = at('labelled.zip');
    const members = ['b.png', 'b.seg.png', 'b.json', 'a.png', 'a.cls', 'notes.pdf'];
    writeFileSync(labelled, zip(members.map((name) => ({ name, content: 'no JSON' }))));
    const inputs = await listed('images', labelled);
    expect(inputs.map((input) => input.path)).to.deep.equal([`${labelled}/b.png`, `${labelled}/a.png`]);
    const loose = at('loose.zip');
    writeFileSync(loose, zip(['x/b.png', 'x/b.seg.png'].map((name) => ({ name, content: '' }))));
    expect(await listed('images', loose)).to.have.length(2);
    const chosen = await listInputs({ inputs: [labelled], imageColumn: 'seg.png' }, 'images');
    expect(chosen.map((input) => input.path)).to.deep.equal([`${labelled}/b.seg.png`]);
  });

  it('are rows of all tables of a list in braces, or of a folder that has no inputs of its own', async () => {
    mkdirSync(at('tables'));
    for (const name of ['train', 'test']) writeFileSync(at('tables', `${name}.csv`), `text\n${name} it\n`);
    for (const input of [at('tables'), at('tables', '{test,train}.csv')])
      expect((await listed('texts', input)).map(({ path: text }) => text)).to.deep.equal([
        'test it',
        'train it',
      ]);
    writeFileSync(at('rows.json'), '[{"text": "a"}, {"text": "b"}]');
    expect(await listed('texts', at('rows.json'))).to.have.length(2);
    writeFileSync(at('tables', 'own.txt'), 'a text');
    expect(await listed('texts', at('tables'))).to.deep.equal([{ path: at('tables', 'own.txt') }]);
  });

  it('that hold nothing the model takes, or cannot be read in place, say so', async () => {
    const archive = at('of-pdf.zip');
    writeFileSync(archive, zip([{ name: 'notes.pdf', content: '' }]));
    mkdirSync(at('bare'));
    writeFileSync(at('all.tgz'), 'x');
    mkdirSync(at('folder.zip'));
    const refused: readonly [ExampleKind, string, RegExp][] = [
      [
        'images',
        archive,
        /There is no image in the archive .*of-pdf\.zip, but notes\.pdf; name one with images in it\.$/,
      ],
      ['texts', archive, /is an archive, of which images are read, but the model takes texts; unpack it/],
      [
        'images',
        at('bare'),
        /There is no image in the folder .*bare, nor any table, archive or Parquet file\.$/,
      ],
      ['images', at('folder.zip'), /There is no image in the folder .*folder\.zip, nor/],
      ['images', at('all.tgz'), /all\.tgz is compressed; unpack it first\.$/],
      ['images', at('gone-{0..1}.tar'), /There is no file .*gone-0\.tar; check the path/],
    ];
    for (const [kind, input, message] of refused) {
      const [only] = await listed(kind, input);
      expect(only!.error?.message, input).to.match(message);
    }
    const [{ path: spoken }] = (await listed('texts', 'take {this,that} along')) as [ListedInput];
    expect(spoken).to.equal('take {this,that} along');
    const flags = await listInputs({ inputs: [at('bare')], imageColumn: 'x' }, 'images').then(
      () => 'none',
      String,
    );
    expect(flags).to.equal('none');
    const idle = await listInputs({ inputs: ['a text'], header: false }, 'texts').then(() => 'none', String);
    expect(idle).to.match(/--no-header is for tables/);
  });

  it('are no addresses for a model of texts, which takes them as texts', async () => {
    const [text] = await listed('texts', 'https://host/a.jpg');
    expect(text!.source).to.deep.equal({ kind: 'text', text: 'https://host/a.jpg' });
  });

  it('whose address holds a password are not asked for, and other addresses are no paths', async () => {
    const [secret, other] = await listed('images', 'http://me:secret@host/a.jpg', 'ftp://host/a.jpg');
    expect(secret!.error!.message).to.match(/password is not asked for/);
    expect(other!.error!.message).to.equal('There is no file ftp://host/a.jpg; check the path.');
  });

  it('are pairs of texts, two and two, for a model of pairs', async () => {
    const inputs = await listed('pairs', 'a b', 'c', 'd', '["e","f"]');
    expect(inputs).to.deep.equal([
      { path: 'a b | c', source: { kind: 'pair', texts: ['a b', 'c'] } },
      { path: 'd | ["e","f"]', source: { kind: 'pair', texts: ['d', '["e","f"]'] } },
    ]);
    const half = await listed('pairs', 'a', 'b', 'c').catch((error: unknown) => error);
    expect(half).to.include({ code: 'USAGE' });
    expect(String(half)).to.match(/takes pairs of texts, but "c" has no second one behind it/);
  });

  it('are pairs of texts line by line, with a tab between or as a JSON list', async () => {
    const lines = ['a\tb', '["a\\tb","c\\nd"]', '[not] JSON\tb', 'alone', '["a","b","c"]', '[1,2]'];
    const [...pairs] = await listInputs({ inputs: ['-'], readLines: async () => lines }, 'pairs');
    expect(pairs.slice(0, 3).map(({ source }) => source)).to.deep.equal([
      { kind: 'pair', texts: ['a', 'b'] },
      { kind: 'pair', texts: ['a\tb', 'c\nd'] },
      { kind: 'pair', texts: ['[not] JSON', 'b'] },
    ]);
    expect(pairs.slice(3).map(({ error }) => error?.message)).to.deep.equal([
      'Expected two texts with a tab between, or ["first","second"], in the line but found one text.',
      'Expected two texts with a tab between, or ["first","second"], in the line but found 3 texts.',
      'Expected two texts with a tab between, or ["first","second"], in the line but found one text.',
    ]);
  });

  it('are no files of texts for a model of pairs, which a file is not', async () => {
    const [folder] = await listed('pairs', 'src');
    expect(folder!.error!.message).to.match(
      /takes pairs of texts, and src is a folder: give the pairs in a table/,
    );
  });
});
