/**
 * Writes dist/ from src/: few large files instead of some 300, each of which Node 20 takes most of a millisecond to find, read
 * and compile, in every thread anew. The compiler adds the declarations, and the modules that a browser loads one by one.
 *
 * Dependencies stay packages of their own; what is a development dependency in package.json goes in, with its licence.
 */
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const { dependencies } = JSON.parse(await readFile('package.json', 'utf8'));

const settings = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  outbase: 'src',
  outdir: 'dist',
  external: Object.keys(dependencies),
  alias: { 'string-width': './src/cli/ascii-width.ts' },
  sourcemap: true,
  sourcesContent: false,
  metafile: true,
  logLevel: 'warning',
};

/** What commands and library share lies in chunks; the names of earlier ones differ. */
await rm('dist/chunks', { recursive: true, force: true });
const results = [
  await build({
    ...settings,
    // The last one for bench/cache-throughput.ts, which measures it as it is shipped.
    entryPoints: ['src/index.ts', 'src/cli/index.ts', 'src/cli/main.ts', 'src/features/extract-features.ts'],
    splitting: true,
    // One folder deep, as the sources are: `new URL('../features/…', import.meta.url)` holds in both.
    chunkNames: 'chunks/[name]-[hash]',
  }),
  // A thread and a process begin anew: one file each.
  await build({
    ...settings,
    entryPoints: ['src/features/extract-worker.ts', 'src/runtime/probe-provider.ts'],
  }),
];
await writeFile('dist/LICENSES.txt', await licences(results));
await chmod('dist/cli/index.js', 0o755);

/** The licences of the packages that were bundled. */
async function licences(builds) {
  const inputs = builds.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = new Set(
    inputs.map((file) => /^.*node_modules\/(@[^/]+\/)?[^/]+/.exec(file)?.[0]).filter(Boolean),
  );
  const parts = [...folders].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`Expected a licence in ${folder}, which is bundled, but there is none.`);
    return `${name} ${version}\n\n${(await readFile(path.join(folder, file), 'utf8')).trim()}\n`;
  });
  return (await Promise.all(parts)).join(`\n${'-'.repeat(80)}\n\n`);
}
