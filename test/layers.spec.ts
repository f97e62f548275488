import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

const root = path.resolve('src');

/** Folders (or files) under src/ by row; a row imports from rows before it, and from itself. */
const rows: readonly (readonly string[])[] = [
  [
    'errors.ts',
    'free-memory.ts',
    'rng.ts',
    'logger.ts',
    'csv-cell.ts',
    'quote-for-shell.ts',
    'shorten-text.ts',
    'split-list.ts',
    'version.ts',
    'write-durably.ts',
    'tensor',
    'simd',
  ],
  ['onnx', 'optim', 'metrics'],
  ['graph'],
  ['autodiff', 'runtime'],
  ['models', 'image', 'text', 'inputs', 'sources', 'tasks', 'heads'],
  ['dataset', 'features', 'train', 'export', 'predict', 'report', 'serve', 'tracking'],
  ['pipeline'],
  ['cli', 'web', 'index.ts'],
];
/** Within a row, a folder is before those it may be imported by. */
const rowOf = new Map(rows.flatMap((folders, row) => folders.map((folder) => [folder, row] as const)));

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
const ownerOf = (file: string): string => file.split(path.sep)[0]!;

const imports: Import[] = [];
const packages: { readonly file: string; readonly name: string }[] = [];
for (const file of files) {
  const text = readFileSync(path.join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '');
  const pattern =
    /(?:import|export)\s+(type\s)?[^;'"]*?from\s+'([^']+)'|import\('([^']+)'\)|import\s+'([^']+)'/g;
  for (const match of text.matchAll(pattern)) {
    const target = match[2] ?? match[3] ?? match[4]!;
    if (!target.startsWith('.')) packages.push({ file, name: target });
    else {
      const to = path.relative(root, path.resolve(root, path.dirname(file), target.replace(/\.js$/, '.ts')));
      imports.push({ from: file, to, typeOnly: match[1] !== undefined });
    }
  }
}

describe('the layers of src/', () => {
  it('are all in the table', () => {
    expect(files.map(ownerOf).filter((owner) => !rowOf.has(owner))).to.deep.equal([]);
  });

  it('are told to contributors as they are asserted here', () => {
    const told = [...readFileSync('CONTRIBUTING.md', 'utf8').matchAll(/^\| \d +\| `([^`|]+)` *\|$/gm)];
    const named = told.map(([, names]) => names!.split(' ').map((name) => name.replace('/', '')));
    expect(named.map((row) => row.sort())).to.deep.equal(rows.map((row) => [...row].sort()));
  });

  it('import downwards only', () => {
    const upward = imports.filter(({ from, to }) => rowOf.get(ownerOf(to))! > rowOf.get(ownerOf(from))!);
    expect(upward.map(({ from, to }) => `${from} imports ${to}`)).to.deep.equal([]);
  });

  it('let a stage know only the types of another stage', () => {
    const stages = rows[5]!;
    const crossing = imports.filter(({ from, to, typeOnly }) => {
      const [importer, imported] = [ownerOf(from), ownerOf(to)];
      return importer !== imported && stages.includes(importer) && stages.includes(imported) && !typeOnly;
    });
    expect(crossing.map(({ from, to }) => `${from} imports ${to}`)).to.deep.equal([]);
  });

  it('hold no cycle of files', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) {
      if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    }
    const done = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) throw new Error([...trail.slice(trail.indexOf(file)), file].join(' → '));
      if (done.has(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
  });

  it('hold no cycle of folders', () => {
    const edges = new Map<string, Set<string>>();
    for (const { from, to } of imports) {
      const [importer, imported] = [ownerOf(from), ownerOf(to)];
      if (importer !== imported) edges.set(importer, (edges.get(importer) ?? new Set()).add(imported));
    }
    const visit = (folder: string, trail: readonly string[]): void => {
      if (trail.includes(folder))
        throw new Error([...trail.slice(trail.indexOf(folder)), folder].join(' → '));
      for (const next of edges.get(folder) ?? []) visit(next, [...trail, folder]);
    };
    for (const folder of edges.keys()) visit(folder, []);
  });

  for (const [name, home] of [
    ['protobufjs', 'onnx'],
    ['onnxruntime', 'runtime'],
    ['sharp', 'image'],
    ['@huggingface/tokenizers', 'text'],
    ['yargs', 'cli'],
  ] as const) {
    it(`import ${name} in ${home}/ only`, () => {
      const strays = packages.filter((used) => used.name.startsWith(name) && ownerOf(used.file) !== home);
      expect(strays.map(({ file }) => file)).to.deep.equal([]);
    });
  }
});
