import { expect } from 'chai';
import { graftHere } from '../e2e/graft-here.js';

const commands = [
  ...['run', 'inspect', 'cache', 'train', 'tune', 'export', 'verify', 'eval', 'predict', 'serve', 'report'],
  ...['gradient', 'models', 'doctor'],
  ...['cache ls', 'cache stats', 'cache verify', 'cache prune', 'cache export', 'models ls', 'models get'],
];

describe('The help', () => {
  for (const command of commands) {
    // What is not ASCII costs the layout 35 ms: its width is asked of the tables of Unicode.
    it(`of graft ${command} has an example and is plain ASCII`, async () => {
      const { stdout, status } = await graftHere([...command.split(' '), '--help']);
      expect(status).to.equal(0);
      expect(stdout)
        .to.match(new RegExp(`^graft ${command}`))
        .and.match(/\nExamples:\n +graft /);
      // eslint-disable-next-line no-control-regex -- a newline is one
      expect(stdout).to.match(/^[\x00-\x7f]+$/);
    });
  }

  for (const command of ['run', 'train', 'tune']) {
    it(`of graft ${command} has every flag under a heading that says what it is about`, async () => {
      const { stdout } = await graftHere([command, '--help']);
      const [, general] = /^Options:\n([^]*?)\n\n/m.exec(stdout)!;
      expect([...general!.matchAll(/--([\w-]+)/g)].map(([, flag]) => flag)).to.have.members([
        ...['json', 'config', 'help', 'version'],
      ]);
      expect(stdout).to.match(/\nData:\n +--data /);
    });
  }

  it('says of every flag what it takes: text, a number, one of some words, or nothing', async () => {
    const { stdout } = await graftHere(['train', '--help']);
    const flags = stdout.split(/\n+(?= {6}--\S+ {2}|\w)/).filter((part) => part.startsWith(' '));
    const odd = flags.filter((flag) => !/\[(string|number|boolean|choices: [^\]]+)\]/.test(flag));
    expect(odd).to.deep.equal([]);
    expect(stdout).to.match(/--seed .*\[number\] \[default: 1\]/);
  });

  it('is given for graft help and a command too', async () => {
    const [asked, usual] = [
      await graftHere(['help', 'cache', 'ls']),
      await graftHere(['cache', 'ls', '--help']),
    ];
    expect(asked).to.deep.equal(usual);
    expect(asked.stdout).to.match(/^graft cache ls\n/);
  });

  it('of graft itself names every command', async () => {
    const { stdout } = await graftHere(['--help']);
    expect([...stdout.matchAll(/^ {2}graft (\w+)/gm)].map(([, name]) => name)).to.have.members(
      commands.filter((command) => !command.includes(' ')),
    );
  });
});
