import { expect } from 'chai';
import type { ExampleKind } from '../../src/dataset/dataset.js';
import { listInputs } from '../../src/pipeline/list-inputs.js';

describe('Inputs of a prediction', () => {
  const listed = (kind: ExampleKind, ...inputs: readonly string[]) => listInputs({ inputs }, kind);

  it('are images at addresses too, as in tables, for a model of images', async () => {
    const [web, file] = await listed('images', 'https://host/a.jpg', 'file:///photos/b%20c.jpg');
    expect(web).to.deep.equal({
      ...{ path: 'https://host/a.jpg', source: { kind: 'url', url: 'https://host/a.jpg' } },
    });
    expect(file).to.deep.equal({ path: '/photos/b c.jpg' });
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
