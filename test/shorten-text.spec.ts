import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { readTableRows } from '../src/dataset/table-rows.js';
import { quoteName } from '../src/onnx/quote-name.js';
import { shortenText } from '../src/shorten-text.js';
import { temporaryFolder } from './e2e/graft.js';

describe('A text that is too long to be shown', () => {
  const folder = temporaryFolder();
  after(() => rmSync(folder, { recursive: true, force: true }));
  const lone = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

  it('loses whole characters, whether of one unit or of two', () => {
    expect(shortenText('a\u{1f600}bc', 5)).to.equal('a\u{1f600}bc');
    expect(shortenText('a\u{1f600}bc', 4)).to.equal('a\u{1f600}…');
    expect(shortenText('a\u{1f600}bc', 3)).to.equal('a…');
    expect(shortenText('abcd', 3)).to.equal('ab…');
  });

  it('is cut so in names of models and rows of tables too', async () => {
    for (const lead of ['', 'x']) {
      const long = lead + '\u{20000}'.repeat(300);
      expect(quoteName(long)).to.match(/…"$/).and.not.match(lone);
      const file = path.join(folder, `rows${lead}.jsonl`);
      writeFileSync(file, `"${long}"\n`);
      const rows = readTableRows(file, (names) => names);
      const error = await rows.next().catch((reason: unknown) => reason);
      expect((error as Error).message)
        .to.match(/Expected an object as row 1/)
        .and.not.match(lone);
    }
  });
});
