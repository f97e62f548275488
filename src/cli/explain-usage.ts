import type { CommandModule } from 'yargs';
import { listNames, nameSome } from '../errors.js';
import { nearNames } from '../graph/near-names.js';
import { calledCommand, commandsWith, flagsOfCall, isSwitch, kebabCase } from './define-command.js';

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
  if (message.startsWith('Unknown argument'))
    return isCommand || words[0] === undefined
      ? explainWords(message, args)
      : `There is no command ${words[0]}.`;
  if (message.startsWith('Invalid JSON config file'))
    return 'Expected one file for --config but there are several.';
  const [, missing] = /^Missing required arguments?: (.+)$/.exec(message) ?? [];
  if (missing !== undefined) return `Missing: ${listNames(missing.split(', ').map((name) => `--${name}`))}.`;
  const wrong = [...message.matchAll(/^ {2}Argument: (.+?), Given: (.*), Choices: (.+)$/gm)];
  if (wrong.length > 0)
    return wrong.map(([, name, given, choices]) => explainChoice(name!, given!, choices!)).join('\n');
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
  if (near !== undefined) {
    // Below a command stand others, right behind it.
    const unknown = isCommand ? args[args.indexOf(words[0]!) + 1] : words[0];
    if (unknown !== undefined && !unknown.startsWith('-'))
      return `There is no command ${unknown}. Did you mean ${near}?`;
    const extra = args.filter((arg, i) => i > 0 && ![arg, args[i - 1]!].some((one) => one.startsWith('-')));
    if (extra.length > 0) return explainWords(`Unknown argument: ${extra.join(', ')}`, args);
  }
  return message;
}

/** The command that is called: flags of all commands may stand before it. */
export function commandOf(args: readonly string[], commands: readonly CommandModule[]): string | undefined {
  const names = commands.map(({ command }) => String(command).split(' ')[0]!);
  return args.find((arg, i) => names.includes(arg) && args[i - 1] !== '--config');
}

/** @param choices - between quotation marks, with commas, as yargs has them; so is what was given */
function explainChoice(name: string, given: string, choices: string): string {
  const bare = choices.replaceAll('"', '');
  return `Expected one of ${bare} for --${name} but received ${given}.`;
}

/** Words that the command takes none of: most often a pattern, which the shell has taken apart. */
function explainWords(message: string, args: readonly string[]): string {
  const most = 300;
  const shown = message.length > most ? `${message.slice(0, most)} …` : message;
  const { flags, words } = flagsOfCall();
  const [word] = message.replace(/^.*?: /, '').split(', ');
  const before = args[args.indexOf(word!) - 1]?.replace(/^--/, '') ?? '';
  if (isSwitch(before))
    return `${shown}. --${before} is a switch, without a value: --no-${before} turns it off.`;
  if (words.length > 0) return `${shown}. graft ${calledCommand()} takes one ${words[0]}.`;
  const quoted = "; a pattern stands between quotation marks: --data 'a-{0..9}.tar'";
  return `${shown}. Each value follows its flag${flags.includes('data') ? quoted : ''}.`;
}

/**
 * What the flags of a call are that its command does not have: another command's, or near to which. It is said before
 * what is missing, which may be what a flag was meant to give.
 * @param parsed - the call as yargs reads it
 * @returns undefined where there are none
 */
export function explainUnknownFlags(
  parsed: Readonly<Record<string, unknown>>,
  commands: readonly CommandModule[],
): string | undefined {
  const { flags, words } = flagsOfCall();
  const known = [...flags, 'help', 'version', 'config'];
  const other = [...words, 'h', 'v', '_', '$0', '--'];
  const given = Object.keys(parsed);
  // yargs holds foo-bar a second time, as fooBar.
  const isTwice = (name: string): boolean => kebabCase(name) !== name && given.includes(kebabCase(name));
  const unknown = given.filter(
    (name) => !isTwice(name) && !known.includes(kebabCase(name)) && !other.includes(name),
  );
  if (unknown.length === 0) return undefined;
  const title = `Unknown argument${unknown.length > 1 ? 's' : ''}: ${nameSome(unknown)}`;
  const hints = unknown.slice(0, mostHints).flatMap((name) => {
    const owners = commandsWith(name, commands).map((command) => `graft ${command}`);
    if (owners.length === 0) return nearFlag(name, known);
    return [`--${name} is a flag of ${listNames(owners)}.`, ...(name in instead ? [instead[name]!] : [])];
  });
  return hints.length > 0 ? `${title}. ${hints.join(' ')}` : title;
}

/** A file that is no configuration has thousands of what might be flags. */
const mostHints = 10;

/** Which flag was meant, where one begins alike or differs in less than half of its letters. */
function nearFlag(name: string, known: readonly string[]): string[] {
  const alike = known.filter((flag) => name.length > 2 && flag.startsWith(name));
  const [near] = [...alike, ...nearNames(name, known, { within: Math.floor(name.length / 2) })];
  return near === undefined ? [] : [`Did you mean --${near}?`];
}
