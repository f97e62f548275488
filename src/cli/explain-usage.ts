import type { CommandModule } from 'yargs';
import { commandsWith } from './define-command.js';

/** What to do instead, of flags that are looked for where they are not. */
const instead: Readonly<Record<string, string>> = {
  shard:
    'Fill the cache with it on each machine, then leave it away: what trains, searches or measures finds all parts there.',
};

/**
 * What yargs says of a call, with the words that it is about.
 * @param args - what stands after `graft`
 */
export function explainUsage(
  message: string,
  args: readonly string[],
  commands: readonly CommandModule[],
): string {
  // What follows --config is its file.
  const words = args.filter((arg, i) => !arg.startsWith('-') && args[i - 1] !== '--config');
  const isCommand = words[0] !== undefined && words[0] === commandOf(args, commands);
  const [, names] = /^Unknown arguments?: (.+)$/.exec(message) ?? [];
  if (names !== undefined && !isCommand && words[0] !== undefined) return `There is no command ${words[0]}.`;
  if (names !== undefined) {
    const known = whereFlagsAre(names.split(', '), commands);
    return known.length > 0 ? `${message}. ${known.join(' ')}` : message;
  }
  const [, flag] = /^Not enough arguments following: (.+)$/.exec(message) ?? [];
  if (flag !== undefined) return `Expected a value for --${flag} but there is none.`;
  if (message.startsWith('Not enough non-option arguments')) {
    const called = commands.find(({ command }) => String(command).split(' ')[0] === words[0]);
    const [, wanted] = /<(.+?)>/.exec(String(called?.command)) ?? [];
    if (wanted === undefined)
      return `Missing: what graft ${words.slice(0, 2).join(' ')} is for, as its help says.`;
    const isFlag = args.some((arg) => arg === `--${wanted}` || arg.startsWith(`--${wanted}=`));
    return `Missing: the ${wanted} of graft ${String(called!.command)}${isFlag ? `, a word of its own and no flag (--${wanted})` : ''}.`;
  }
  const [, near] = /^Did you mean (.+)\?$/.exec(message) ?? [];
  // Below a command stand others.
  const unknown = words[isCommand ? 1 : 0];
  if (near !== undefined && unknown !== undefined)
    return `There is no command ${unknown}. Did you mean ${near}?`;
  return message;
}

/** The command that is called: flags of all commands may stand before it. */
export function commandOf(args: readonly string[], commands: readonly CommandModule[]): string | undefined {
  const names = commands.map(({ command }) => String(command).split(' ')[0]!);
  return args.find((arg, i) => names.includes(arg) && args[i - 1] !== '--config');
}

/** Which of the commands have the flags. */
function whereFlagsAre(names: readonly string[], commands: readonly CommandModule[]): string[] {
  return names.flatMap((name) => {
    const owners = commandsWith(name, commands).map((command) => `graft ${command}`);
    if (owners.length === 0) return [];
    const list = [owners.slice(0, -1).join(', '), owners.at(-1)].filter(Boolean).join(' and ');
    return [`--${name} is a flag of ${list}.`, ...(name in instead ? [instead[name]!] : [])];
  });
}
