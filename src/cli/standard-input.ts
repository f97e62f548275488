/** yargs loses positional arguments that begin with a dash, also a lone one and those behind `--`: marked they pass. */

const standardInput = 'stdin:';
/** No argument holds it. */
const mark = '\u0000';

/**
 * @param args - what stands after `graft`
 * @param command - which of them is called
 */
export function markDashes(args: readonly string[], command: string | undefined): string[] {
  if (command !== 'predict') return [...args];
  const end = args.indexOf('--');
  const flags = end < 0 ? args : args.slice(0, end);
  const words = end < 0 ? [] : args.slice(end + 1);
  const named = (arg: string): string => (arg === '-' ? standardInput : arg);
  return [...flags.map(named), ...words.map((word) => (word === '-' ? standardInput : mark + word))];
}

/** An argument as it was given; `-` stands for standard input. */
export function unmarkDashes(arg: string): string {
  if (arg === standardInput) return '-';
  return arg.startsWith(mark) ? arg.slice(mark.length) : arg;
}
