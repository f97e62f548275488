/** One shape for every command: flags as data, an example, and what it does with the parsed flags. */
import type { Argv, CommandModule, InferredOptionTypes, Options, PositionalOptions } from 'yargs';
import { GraftError } from '../errors.js';
import { helpGroups } from './help-groups.js';
import { configValue } from './config-value.js';
import { createOutput, type Output } from './output.js';

/** Flags of all commands; of the one that is called its words and its flags, with --json, which each has. */
const flags = { known: new Set<string>(), called: '', own: new Map<string, Options>() };

const parentOf = new WeakMap<CommandModule, string>();
const flagsOf = new WeakMap<CommandModule, ReadonlySet<string>>();

/** Names of those of the commands that have the flag. */
export function commandsWith(flag: string, commands: readonly CommandModule[]): string[] {
  return commands.filter((command) => flagsOf.get(command)?.has(flag)).map(nameOf);
}

const nameOf = ({ command }: CommandModule): string => String(command).split(' ')[0]!;

/** The words of the command that is called: `cache ls`. */
export const calledCommand = (): string => flags.called;

/** Of the command that is called, its flags, and the names of the words that stand without one. */
export function flagsOfCall(): { readonly flags: string[]; readonly words: string[] } {
  const isWord = ([, { type }]: readonly [string, Options]): boolean => type === 'array';
  const own = [...flags.own];
  const names = (some: typeof own): string[] => some.map(([name]) => name);
  return { flags: names(own.filter((one) => !isWord(one))), words: names(own.filter(isWord)) };
}

/**
 * A switch is true or false; yargs takes anything else for false.
 * @param args - the flags of the call
 * @throws GraftError USAGE
 */
export function refuseOddSwitches(args: readonly string[]): void {
  for (const arg of args) {
    const [, name, value] = /^--([^=]+)=(.*)$/s.exec(arg) ?? [];
    if (name === undefined || !isSwitch(name) || value === 'true' || value === 'false') continue;
    throw new GraftError('USAGE', `Expected true or false for --${name} but received "${value}".`);
  }
}

export const isSwitch = (name: string): boolean => flags.own.get(kebabCase(name))?.type === 'boolean';

/**
 * What of a configuration the command that is called takes. One file may serve several commands, so flags of the others
 * are passed over; what no command knows stays, to be refused.
 */
export function flagsForCommand(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const taken = Object.entries(config).flatMap(([given, value]): [string, unknown][] => {
    const name = kebabCase(given);
    const own = flags.own.get(name);
    if (own) return [[given, configValue(name, value, own)]];
    const denied = name.startsWith('no-') ? flags.own.get(name.slice(3)) : undefined;
    if (denied?.type === 'boolean') return [[name.slice(3), !(configValue(name, value, denied) as boolean)]];
    return flags.known.has(name) ? [] : [[given, value]];
  });
  return Object.fromEntries(taken);
}

/** What yargs knows of a parsed call beside what its types say: the flags that have their defaults. */
interface Defaulted {
  readonly defaulted: Readonly<Record<string, boolean>>;
}

export interface CommandDefinition<O extends Record<string, Options>, P> {
  /** As yargs writes it: `inspect <model>`. */
  readonly command: string;
  readonly describe: string;
  readonly options: O;
  readonly positionals?: { readonly [K in keyof P]: PositionalOptions };
  readonly example: readonly [call: string, meaning: string];
  /** Commands below this one (`cache ls`); they have flags of their own. */
  readonly subcommands?: readonly CommandModule[];
  /** Whether the help has its flags under headings. */
  readonly isGrouped?: true;
  /** What Ctrl-C is answered with; `goesOn` where the same command goes on later. */
  readonly farewell?: string;
  /** @param isGiven - whether a flag was given, on the command line or in a configuration, or else has its default */
  run(args: InferredOptionTypes<O> & P, output: Output, isGiven: (flag: string) => boolean): Promise<void>;
}

export function defineCommand<O extends Record<string, Options>, P = unknown>(
  definition: CommandDefinition<O, P>,
): CommandModule {
  const { command, describe, options, positionals, example, subcommands = [], farewell, run } = definition;
  const names = Object.keys({ ...options, ...positionals });
  for (const name of names) flags.known.add(name);
  let defaulted = (): Defaulted['defaulted'] => ({});
  const module: CommandModule = {
    command,
    describe,
    builder: (yargs: Argv, isHelpAsked?: boolean) => {
      // Positional words may come as lists of their own.
      const words = Object.keys(positionals ?? {}).map((name) => [name, { type: 'array' }] as const);
      flags.called = [parentOf.get(module), nameOf(module)].filter(Boolean).join(' ');
      flags.own = new Map<string, Options>([
        ['json', { type: 'boolean' }],
        ...Object.entries(options),
        ...words,
      ]);
      defaulted = () => (yargs.parsed as unknown as Defaulted).defaulted;
      for (const [name, settings] of Object.entries<PositionalOptions>(positionals ?? {}))
        yargs.positional(name, settings);
      for (const subcommand of subcommands) yargs.command(subcommand);
      // Else a mistyped one is told to lack the flags of this command.
      if (subcommands.length > 0) yargs.middleware((args) => refuseUnknown(args._, subcommands), true);
      // Not global: what this command demands, its subcommands would demand too.
      // yargs lays out the help of every command that it calls, asked for or not, which costs longer than
      // the rest of the start; hidden flags are not laid out.
      // A flag of choices without one would silently have its default.
      const own = Object.entries(options).map(([name, option]) => [
        name,
        {
          ...option,
          ...(option.choices && { requiresArg: true }),
          global: false,
          // Told in the help alone: yargs would make NaN of what is no number, before a check can say what it was.
          ...(isHelpAsked === false
            ? { hidden: true }
            : option.coerce && !option.type && { type: 'number' as const }),
        },
      ]);
      if (definition.isGrouped && isHelpAsked !== false) {
        for (const [heading, flags] of helpGroups) {
          const had = flags.filter((flag) => flag in options);
          if (had.length > 0) yargs.group(had, heading);
        }
      }
      return yargs
        .options(Object.fromEntries(own) as Record<string, Options>)
        .example(`$0 ${example[0]}`, example[1]);
    },
    async handler(args) {
      const output = createOutput({ json: args.json === true, farewell });
      try {
        const given = lastOfEach(args, options);
        refuseEmpty(given, options, '--');
        refuseEmpty(given, positionals ?? {}, '');
        const isGiven = (flag: string): boolean => given[flag] !== undefined && !defaulted()[kebabCase(flag)];
        await run(given as unknown as InferredOptionTypes<O> & P, output, isGiven);
      } finally {
        output.close();
      }
    },
  };
  flagsOf.set(module, new Set(names));
  for (const subcommand of subcommands) parentOf.set(subcommand, nameOf(module));
  return module;
}

/** @throws GraftError USAGE for a word after the command that is no command below it. */
function refuseUnknown(
  [command, word]: readonly (string | number)[],
  subcommands: readonly CommandModule[],
): void {
  const names = subcommands.map(nameOf);
  if (word === undefined || names.includes(String(word))) return;
  throw new GraftError(
    'USAGE',
    `There is no command ${command} ${word}; below ${command} there are ${names.join(', ')}.`,
  );
}

/**
 * An empty value is most likely a variable of the shell that was not set; as a path it would be the folder one stands in.
 * @param dashes - what stands before the names
 * @throws GraftError USAGE
 */
function refuseEmpty(
  given: Record<string, unknown>,
  options: Record<string, Options | PositionalOptions>,
  dashes: string,
): void {
  for (const [name, { type }] of Object.entries(options)) {
    if (type === 'string' && given[name] === '' && name !== 'tensorboard')
      throw new GraftError('USAGE', `Expected a value for ${dashes}${name} but it is empty.`);
  }
}

/** A flag that was given twice counts as it was given last. */
function lastOfEach(
  args: Record<string, unknown>,
  options: Record<string, Options>,
): Record<string, unknown> {
  const last = { ...args };
  for (const name of Object.keys(options)) {
    for (const key of [name, camelCase(name)]) {
      const value = last[key];
      if (Array.isArray(value)) last[key] = value.at(-1);
    }
  }
  return last;
}

export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function camelCase(name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
}
