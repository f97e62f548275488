import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { makeFolder, stageFile, writeDurably } from '../src/write-durably.js';

describe('a file written durably', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'graft-durable-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const failure = async (action: Promise<unknown>): Promise<unknown> => {
    try {
      await action;
    } catch (error) {
      return error;
    }
    throw new Error('Expected a failure.');
  };

  it('replaces what was there and leaves nothing beside it', async () => {
    const file = path.join(folder, 'a.bin');
    await writeFile(file, 'old');
    await writeDurably(file, 'new');
    expect(await readFile(file, 'utf8')).to.equal('new');
    expect(await readdir(folder)).to.deep.equal(['a.bin']);
  });

  it('may have the longest name that file systems take', async () => {
    const file = path.join(folder, 'é'.repeat(127));
    await writeDurably(file, 'x');
    expect(await readFile(file, 'utf8')).to.equal('x');
  });

  it('is not there before commit, and never after discard', async () => {
    const file = path.join(folder, 'a.bin');
    const staged = await stageFile(file);
    await staged.handle.writeFile('half');
    expect(await readdir(folder)).to.not.include('a.bin');
    await staged.discard();
    await staged.discard();
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('tells the remedy where the folder is missing or the place is a folder', async () => {
    expect(await failure(writeDurably(path.join(folder, 'none', 'a'), 'x'))).to.have.property(
      'code',
      'FILE_UNWRITABLE',
    );
    expect(String(await failure(writeDurably(folder, 'x')))).to.contain(folder);
    expect(await readdir(folder)).to.deep.equal([]);
  });

  it('never takes the place of a device or a pipe, also behind a link', async function () {
    if (process.platform === 'win32') this.skip();
    const pipe = path.join(folder, 'pipe');
    expect(spawnSync('mkfifo', [pipe]).status).to.equal(0);
    const link = path.join(folder, 'link');
    await symlink('/dev/null', link);
    for (const file of [pipe, link])
      expect(String(await failure(writeDurably(file, 'x')))).to.contain(
        `Cannot write ${file}: it is a device or a pipe`,
      );
    expect((await stat(pipe)).isFIFO()).to.equal(true);
    expect((await readdir(folder)).sort()).to.deep.equal(['link', 'pipe']);
  });

  it('is refused in /proc, where no folder can be made, instead of waited for', async function () {
    if (process.platform !== 'linux') this.skip();
    // In a process of its own: a call of the system that does not come back cannot be stopped in this one.
    const call = `import { makeFolder } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/write-durably.js')).href)};
      await makeFolder('/proc/graft/run').catch(({ code, message }) => console.log(code, message));`;
    const { stdout, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', call], {
      encoding: 'utf8',
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    expect(signal).to.equal(null);
    expect(stdout).to.match(/^FILE_UNWRITABLE Cannot write \/proc\/graft\/run: no folder can be made there/);
  });

  it('makes the folders above it, whoever else makes them at the same time', async () => {
    const deep = path.join(folder, 'a', 'b', 'c');
    await Promise.all(Array.from({ length: 16 }, () => makeFolder(deep)));
    await writeDurably(path.join(deep, 'x'), 'x');
    await symlink(deep, path.join(folder, 'link'));
    await makeFolder(path.join(folder, 'link', 'd'));
    expect(await readdir(deep)).to.have.members(['d', 'x']);
    expect(await failure(makeFolder(path.join(deep, 'x', 'y')))).to.have.property('code', 'FILE_UNWRITABLE');
  });

  /** A limit on the size of files cuts the write short: with an error, or with a signal that kills. */
  const writeWithLimit = (prefix: string, file: string) =>
    spawnSync(
      'bash',
      [
        '-c',
        `${prefix} ulimit -f 64; exec "$0" --input-type=module -e "$1"`,
        process.execPath,
        `import { writeDurably } from ${JSON.stringify(pathToFileURL(path.resolve('build/src/write-durably.js')).href)};
         await writeDurably(${JSON.stringify(file)}, Buffer.alloc(1 << 20)).catch((error) => {
           console.log(error.code, error.message);
           process.exit(3);
         });`,
      ],
      { encoding: 'utf8' },
    );

  it('keeps the old content where the disk ends in the middle of the write', async function () {
    if (process.platform === 'win32') this.skip();
    const file = path.join(folder, 'a.bin');
    await writeFile(file, 'old');
    const { status, stdout, stderr } = writeWithLimit("trap '' XFSZ;", file);
    expect(status, stderr).to.equal(3);
    expect(stdout)
      .to.match(/^FILE_UNWRITABLE /)
      .and.contain(file);
    expect(await readFile(file, 'utf8')).to.equal('old');
    expect(await readdir(folder)).to.deep.equal(['a.bin']);
  });
});
