import type { CommandModule } from 'yargs';
import { commandsWith } from './define-command.js';

/** What to do instead, of flags that are looked for where they are not. */
const instead: Readonly<Record<string, string>> = {
  shard:
    'Fill the cache with it on each machine, then leave it away: what trains, searches or measures finds all parts there.',
};

/** What yargs says, and of flags that it does not know here which of the commands have them. */
export function explainUnknown(message: string, commands: readonly CommandModule[]): string {
  const [, names] = /^Unknown arguments?: (.+)$/.exec(message) ?? [];
  const explained = (names?.split(', ') ?? []).flatMap((name) => {
    const owners = commandsWith(name, commands).map((command) => `graft ${command}`);
    if (owners.length === 0) return [];
    const list = [owners.slice(0, -1).join(', '), owners.at(-1)].filter(Boolean).join(' and ');
    return [`--${name} is a flag of ${list}.`, ...(name in instead ? [instead[name]!] : [])];
  });
  return explained.length > 0 ? `${message}. ${explained.join(' ')}` : message;
}
