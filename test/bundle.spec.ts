import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

const dist = path.resolve('dist');

/** What a file is loaded with: files of ours, and names of packages and parts of Node. */
function loadedWith(entry: string): { files: Set<string>; names: Set<string> } {
  const files = new Set<string>();
  const names = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    const statements = readFileSync(file, 'utf8').matchAll(
      /^(?:import|export)\s(?:[^;"]*\sfrom\s)?"([^"]+)";$/gm,
    );
    for (const [, target] of statements) {
      if (target!.startsWith('.')) visit(path.resolve(path.dirname(file), target!));
      else names.add(target!.replace(/^node:/, ''));
    }
  };
  visit(path.join(dist, entry));
  return { files, names };
}

describe('The bundled files', () => {
  it('of graft wait for no package, and of Node for what is loaded anyway', () => {
    const { files, names } = loadedWith('cli/index.js');
    expect(files.size).to.be.within(2, 14);
    expect([...names]).to.have.members([
      'assert',
      'buffer',
      'events',
      'fs',
      'path',
      'url',
      'util',
      'v8',
      'module',
    ]);
  });

  for (const entry of ['features/extract-worker.js', 'runtime/probe-provider.js']) {
    it(`of ${entry} are one`, () => {
      expect(loadedWith(entry).files.size).to.equal(1);
    });
  }

  it('hold no package without its licence', () => {
    const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.js'),
    );
    const packages = files.flatMap((file) =>
      [
        ...readFileSync(path.join(dist, file), 'utf8').matchAll(
          /^\/\/ node_modules\/((?:@[^/]+\/)?[^/]+)\//gm,
        ),
      ].map(([, name]) => name!),
    );
    const licences = readFileSync(path.join(dist, 'LICENSES.txt'), 'utf8');
    const named = [...licences.matchAll(/^(\S+) \d+\.\d+\.\d+\n\n/gm)].map(([, name]) => name);
    expect(packages).to.include('yargs');
    expect(named).to.include.members(packages);
  });
});
