import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { fileState, readFileContent } from '../../src/sources/read-file.js';

describe('Reading a file that may be anything', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'graft-files-'));
  const at = (name: string): string => path.join(folder, name);
  let server: Server | undefined;
  after(() => {
    server?.close();
    rmSync(folder, { recursive: true });
  });

  async function refusal(file: string): Promise<string> {
    try {
      await readFileContent(file);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${file} was read.`);
  }

  it('gives the whole content, in memory of its own', async () => {
    writeFileSync(at('whole'), 'all of it');
    const { bytes, info } = await readFileContent(at('whole'));
    expect(Buffer.from(bytes).toString()).to.equal('all of it');
    expect(bytes.buffer.byteLength).to.equal(9);
    expect(info.size).to.equal(9n);
  });

  it('gives the whole of a file that is too large to hold up the thread', async () => {
    const content = Buffer.from(
      Uint8Array.from({ length: 3 * 2 ** 20 + 5 }, (_, i) => (i * 2654435761) >>> 24),
    );
    writeFileSync(at('large'), content);
    const { bytes } = await readFileContent(at('large'));
    expect(content.equals(bytes)).to.equal(true);
  });

  it('gives the state of what is there, and none of what is not or cannot be reached', async () => {
    writeFileSync(at('state'), '12345');
    symlinkSync('circle', at('circle'));
    expect((await fileState(at('state')))?.size).to.equal(5n);
    for (const name of ['absent', 'state/below', 'circle'])
      expect(await fileState(at(name))).to.equal(undefined);
  });

  it('gives a part', async () => {
    writeFileSync(at('part'), '0123456789');
    const { bytes } = await readFileContent(at('part'), { slice: { start: 3, length: 4 } });
    expect(Buffer.from(bytes).toString()).to.equal('3456');
  });

  it('refuses a part that is not there', async () => {
    writeFileSync(at('short'), '0123456789');
    const error: unknown = await readFileContent(at('short'), { slice: { start: 8, length: 4 } }).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as Error).message).to.match(/short.*ends at 10 bytes, before byte 12/);
  });

  it('asks before it reads', async () => {
    const asked: number[] = [];
    const mayRead = async (size: number): Promise<void> => {
      asked.push(size);
      truncateSync(at('whole'), 3);
    };
    const { bytes } = await readFileContent(at('whole'), { mayRead });
    expect(asked).to.deep.equal([9]);
    expect(Buffer.from(bytes).toString()).to.equal('all');
  });

  it('names a missing file and a link to nowhere', async () => {
    symlinkSync(at('nowhere'), at('dangling.jpg'));
    for (const name of ['missing.jpg', 'dangling.jpg']) {
      expect(await refusal(at(name))).to.match(new RegExp(`no file .*${name}`));
    }
  });

  it('refuses a folder whose name is that of an image', async () => {
    mkdirSync(at('folder.jpg'));
    expect(await refusal(at('folder.jpg'))).to.match(/folder\.jpg: it is a folder/);
  });

  it('refuses a link that leads to itself', async () => {
    symlinkSync('loop.jpg', at('loop.jpg'));
    expect(await refusal(at('loop.jpg'))).to.match(/loop\.jpg/);
  });

  it('does not wait for a pipe', async function () {
    if (process.platform === 'win32') return this.skip(); // no named pipes among files
    execFileSync('mkfifo', [at('pipe.jpg')]);
    expect(await refusal(at('pipe.jpg'))).to.match(/pipe\.jpg: it is not a regular file/);
  });

  it('does not read a device for ever', async function () {
    if (process.platform === 'win32') return this.skip(); // no device files
    symlinkSync('/dev/zero', at('device.jpg'));
    expect(await refusal(at('device.jpg'))).to.match(/device\.jpg: it is not a regular file/);
  });

  it('refuses a socket', async function () {
    if (process.platform === 'win32') return this.skip(); // no sockets among files
    server = createServer();
    await new Promise<void>((resolve) => server!.listen(at('socket.jpg'), resolve));
    expect(await refusal(at('socket.jpg'))).to.match(/socket\.jpg/);
  });

  it('does not take up memory for a file that no photo has the size of', async () => {
    writeFileSync(at('sparse.jpg'), '');
    truncateSync(at('sparse.jpg'), 2 ** 40);
    expect(await refusal(at('sparse.jpg'))).to.match(/sparse\.jpg: it has 1099511627776 bytes/);
  });

  it('says where permission was denied', async function () {
    if (process.platform === 'win32') return this.skip(); // permissions are another matter there
    writeFileSync(at('locked.jpg'), 'x');
    chmodSync(at('locked.jpg'), 0);
    chmodSync(folder, 0o755);
    if (process.getuid?.() !== 0) {
      expect(await refusal(at('locked.jpg'))).to.match(/locked\.jpg: permission was denied/);
      return;
    }
    // Root may read anything, so it asks as nobody.
    const module = new URL('../../src/sources/read-file.js', import.meta.url);
    const script = `import { fileState, readFileContent } from '${module.href}';
      await readFileContent(process.argv[1]).catch((error) => console.log(error.message));`;
    const nobody = { uid: 65534, gid: 65534, encoding: 'utf8', stdio: 'pipe' } as const;
    let answer: string;
    try {
      answer = execFileSync(
        process.execPath,
        ['--input-type=module', '-e', script, at('locked.jpg')],
        nobody,
      );
    } catch {
      return this.skip(); // nobody may not read this project either
    }
    expect(answer).to.match(/locked\.jpg: permission was denied/);
  });
});
