/** The compiled modules that a page consists of, found by their imports. */
import { readFileSync } from 'node:fs';

/**
 * Paths below `root` of `entries` and of all that they import.
 * @param root - address of the folder that the paths start from, with a slash at the end
 * @param packages - where a browser finds the packages that are imported by name, which it knows nothing of
 * @throws Error where a module imports what no browser can load
 */
export function pageModules(
  root: URL,
  entries: readonly string[],
  packages: ReadonlyMap<string, string>,
): Map<string, Uint8Array> {
  const modules = new Map<string, Uint8Array>();
  const visit = (name: string): void => {
    if (modules.has(name)) return;
    const address = new URL(name, root);
    const imported: string[] = [];
    const code = readFileSync(address, 'utf8').replace(
      importPattern,
      (statement, start: string, target: string) => {
        const served = packages.get(target);
        if (served !== undefined) return `${start}'${served}'`;
        imported.push(target);
        return statement;
      },
    );
    modules.set(name, Buffer.from(code));
    for (const target of imported) {
      const { href } = new URL(target, address);
      if (!/^\.\.?\//.test(target) || !href.startsWith(root.href)) {
        throw new Error(`${name} imports ${target}, which a browser cannot load.`);
      }
      visit(href.slice(root.href.length));
    }
  };
  for (const entry of entries) visit(entry);
  return modules;
}

/** As the compiler writes them: one statement a line. */
const importPattern = /^((?:import|export)\s(?:[^'"\n;]*\sfrom\s)?)['"]([^'"\n]+)['"]/gm;
