import { expect } from 'chai';
import { formatTable } from '../../src/cli/format-text.js';
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
});
