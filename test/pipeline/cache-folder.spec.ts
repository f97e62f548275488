import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { resolveBackbone } from '../../src/models/resolve-backbone.js';
import { cacheFolder, inCacheFolder } from '../../src/pipeline/cache-folder.js';
import { inFolder } from '../../src/write-durably.js';

describe('The cache folder', () => {
  const names = ['GRAFT_CACHE', 'XDG_CACHE_HOME', 'HOME'] as const;
  const before = names.map((name) => process.env[name]);
  afterEach(() => {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  });

  it('is not in the current folder where $HOME is empty', () => {
    for (const name of names) process.env[name] = '';
    expect(path.isAbsolute(cacheFolder()), cacheFolder()).to.equal(true);
  });

  it('is the named one, else $GRAFT_CACHE, else in $XDG_CACHE_HOME, else in the home', () => {
    Object.assign(process.env, { GRAFT_CACHE: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' });
    expect([cacheFolder('/named'), cacheFolder()]).to.deep.equal(['/named', '/a']);
    delete process.env.GRAFT_CACHE;
    expect(cacheFolder()).to.equal('/b/graft');
    delete process.env.XDG_CACHE_HOME;
    expect(cacheFolder()).to.equal('/c/.cache/graft');
  });

  it('that cannot be is named with its flag, also where it is a built-in backbone that is to lie in it', async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'graft-cache-'));
    try {
      const file = path.join(scratch, 'file');
      writeFileSync(file, '');
      const folder = path.join(file, 'cache', 'backbones');
      const failures = [
        await resolveBackbone('hashed-ngrams', { folder }).then(() => 'none', String),
        await inCacheFolder(path.join(file, 'cache'), async () => 'none').then(String, String),
      ];
      for (const failure of failures)
        expect(failure).to.match(
          /a part of the path is a file.*folder of the cache, named by --cache DIR or \$GRAFT_CACHE\.$/,
        );
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });

  it('does not stay behind empty where nothing could be written into it, nor anything below it', async () => {
    const scratch = mkdtempSync(path.join(tmpdir(), 'graft-cache-'));
    try {
      const cache = path.join(scratch, 'new', 'cache');
      const full = (): Promise<never> => Promise.reject(new Error('the disk is full'));
      const inside = () => inFolder(path.join(cache, 'features', 'store'), full);
      expect(await inCacheFolder(cache, inside).then(() => 'none', String)).to.match(/the disk is full/);
      expect(readdirSync(scratch)).to.deep.equal([]);
      mkdirSync(cache, { recursive: true });
      await inCacheFolder(cache, inside).catch(() => {});
      expect(readdirSync(path.join(scratch, 'new'))).to.deep.equal(['cache']);
    } finally {
      rmSync(scratch, { recursive: true });
    }
  });
});
