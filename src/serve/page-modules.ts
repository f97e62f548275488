/** The compiled modules that a page consists of, found by their imports. */
import { readFileSync } from 'node:fs';

/**
 * Paths below `root` of `entries` and of all that they import.
 * @param root - address of the folder that the paths start from, with a slash at the end
 * @throws Error where a module imports what no browser can load
 */
export function pageModules(root: URL, entries: readonly string[]): Map<string, Uint8Array> {
  const modules = new Map<string, Uint8Array>();
  const visit = (name: string): void => {
    if (modules.has(name)) return;
    const address = new URL(name, root);
    const code = readFileSync(address);
    modules.set(name, code);
    for (const [, imported = ''] of code.toString().matchAll(importPattern)) {
      const target = new URL(imported, address).href;
      if (!/^\.\.?\//.test(imported) || !target.startsWith(root.href)) {
        throw new Error(`${name} imports ${imported}, which a browser cannot load.`);
      }
      visit(target.slice(root.href.length));
    }
  };
  for (const entry of entries) visit(entry);
  return modules;
}

/** As the compiler writes them: one statement a line. */
const importPattern = /^(?:import|export)\s(?:[^'"\n;]*\sfrom\s)?['"]([^'"\n]+)['"]/gm;
