import path from 'node:path';
import { expect } from 'chai';
import { cacheFolder } from '../../src/pipeline/cache-folder.js';

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
});
