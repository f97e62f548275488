import { readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { HashMemo } from '../../src/features/hash-memo.js';
import { scratchFolder } from './tiny-backbone.js';

const look = (file: string) => stat(file, { bigint: true });

describe('Hash memo', () => {
  let scratch: { folder: string; remove(): Promise<void> };
  const sha256 = new Uint8Array(32).fill(7);
  let file: string;
  let list: { path: string }[];

  before(async function () {
    this.timeout(10_000);
    scratch = await scratchFolder();
    file = path.join(scratch.folder, 'photo.jpg');
    list = [{ path: file }];
    await writeFile(file, 'pixels');
  });
  after(() => scratch.remove());

  it('does not remember a file that has just been written', async () => {
    const memo = await HashMemo.open(scratch.folder, list);
    await writeFile(file, 'pixels');
    memo.remember(file, await look(file), sha256);
    await memo.save();
    expect((await HashMemo.open(scratch.folder, list)).isEmpty).to.equal(true);
  });

  it('recognises an untouched file, and none that was changed or moved', async () => {
    await sleep(2100);
    const memo = await HashMemo.open(scratch.folder, list);
    memo.remember(file, await look(file), sha256);
    await memo.save();
    const again = await HashMemo.open(scratch.folder, list);
    expect(again.find(file, await look(file))).to.deep.equal(sha256);
    expect(again.find(`${file}.other`, await look(file))).to.equal(undefined);
    const { atime, mtime } = await stat(file);
    await writeFile(file, 'PIXELS');
    // The old time and the old size do not hide the change: the time of the inode tells.
    await utimes(file, atime, mtime);
    expect(again.find(file, await look(file))).to.equal(undefined);
  });

  it('is empty where its file is damaged', async () => {
    const [name] = await readdir(path.join(scratch.folder, 'hashes'));
    const saved = path.join(scratch.folder, 'hashes', name!);
    const bytes = await readFile(saved);
    expect((await HashMemo.open(scratch.folder, list)).isEmpty).to.equal(false);
    for (const position of [0, 20, 60, bytes.length - 1]) {
      const flipped = Buffer.from(bytes);
      flipped[position]! ^= 1;
      await writeFile(saved, flipped);
      expect((await HashMemo.open(scratch.folder, list)).isEmpty, `byte ${position}`).to.equal(true);
    }
    await writeFile(saved, bytes.subarray(0, 40));
    expect((await HashMemo.open(scratch.folder, list)).isEmpty).to.equal(true);
  });
});
