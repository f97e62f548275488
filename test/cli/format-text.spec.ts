import { expect } from 'chai';
import { formatBytes, formatSeconds, formatTable } from '../../src/cli/format-text.js';
import { showControls } from '../../src/cli/show-controls.js';

describe('Text for a terminal', () => {
  it('shows control characters of a name instead of sending them', () => {
    expect(showControls('a\x1b[2J\u202eb\x9b')).to.equal('a\\x1b[2J\\u202eb\\x9b');
  });

  it('keeps line breaks of messages, and letters of all languages', () => {
    const text = 'first\n\tsecond שלום café 😀👩‍👩‍👧';
    expect(showControls(text)).to.equal(text);
  });

  it('keeps a row of a table on one line, whatever its names hold', () => {
    const table = formatTable([
      ['line\nbreak', 1],
      ['tab\there', 20],
    ]);
    expect(table.split('\n')).to.deep.equal(['line\\nbreak   1', 'tab\\there    20']);
  });

  it('leaves as much room for ideographs and emoji as a terminal shows them in', () => {
    const table = formatTable([
      ['猫', 1],
      ['cafe\u0301 😀', 2],
      ['abcdefg', 3],
    ]);
    expect(table.split('\n')).to.deep.equal(['猫       1', 'cafe\u0301 😀  2', 'abcdefg  3']);
  });

  it('has no thousand of a unit that a larger one follows', () => {
    const shown = [999, 1000, 999_949, 999_960, 1_000_000, 999_999_999].map(formatBytes);
    expect(shown).to.deep.equal(['999 B', '1.0 kB', '999.9 kB', '1.0 MB', '1.0 MB', '1.0 GB']);
  });

  it('has no sixty seconds and no sixty minutes', () => {
    const shown = [9.96, 59.7, 119.6, 3599.7, 7199, 90].map(formatSeconds);
    expect(shown).to.deep.equal(['10s', '1m0s', '2m0s', '1h0m', '2h0m', '1m30s']);
  });
});
