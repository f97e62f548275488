/** yargs loses a lone `-` among positional arguments; under this name it passes. */
const name = 'stdin:';

export function nameStandardInput(args: readonly string[]): string[] {
  return args[0] === 'predict' ? args.map((arg) => (arg === '-' ? name : arg)) : [...args];
}

export function isStandardInput(arg: string): boolean {
  return arg === name;
}
