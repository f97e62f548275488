import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';

describe('Progress bars on a terminal', () => {
  it('end with the next one and with the result, so that the process does', () => {
    const output = pathToFileURL(path.resolve('build/src/cli/output.js')).href;
    const program = `
      process.stderr.isTTY = true;
      const { createOutput } = await import('${output}');
      const output = createOutput({ json: true });
      const [first, second] = [await output.progress('first', 'photos'), await output.progress('second', 'folds')];
      for (const done of [1, 2]) first({ done, total: 2 });
      if (process.argv[1] === 'both') for (const done of [1, 2, 3]) second({ done, total: 3 });
      output.result({ is: 'done' }, '');
      output.close();`;
    for (const [shown, bars] of [
      ['both', ['first', 'second']],
      ['one', ['first']],
    ] as const) {
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--input-type=module', '-e', program, shown],
        { encoding: 'utf8', timeout: 10_000 },
      );
      expect(status, `${shown}: ${stderr}`).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.equal({ is: 'done' });
      expect([...new Set(stderr.match(/first|second/g))]).to.deep.equal(bars);
    }
  }).timeout(30_000);

  it('leave the line, and let lines wrap again, before a message is said, and go on after it', () => {
    const output = pathToFileURL(path.resolve('build/src/cli/output.js')).href;
    const program = `
      process.stderr.isTTY = true;
      const { createOutput } = await import('${output}');
      const output = createOutput({ json: true });
      const progress = await output.progress('photos', 'photos');
      progress({ done: 1, total: 3 });
      output.logger.warn('a long one');
      output.logger.info('another');
      progress({ done: 2, total: 3 });
      output.close();`;
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      timeout: 10_000,
    });
    expect(status, stderr).to.equal(0);
    const [before, between, after] = stderr.split(/warning: a long one\n|another\n/);
    expect(before!.trimEnd()).to.match(/photos .*1\/3/);
    expect(before!.lastIndexOf('\x1b[?7h'), 'wrapping').to.be.above(before!.lastIndexOf('\x1b[?7l'));
    expect(before!.endsWith('\n'), 'a line of its own').to.equal(true);
    expect(between).to.equal('');
    expect(after).to.match(/photos .*2\/3/);
  }).timeout(30_000);
});
