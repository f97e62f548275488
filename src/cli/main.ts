/**
 * The `graft` command. Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
 * Nothing heavy is imported here: each command loads what it needs when it runs, so that --help answers at once.
 */
import yargs from 'yargs';
import { GraftError, isInterruption, messageOf } from '../errors.js';
import { packageVersion } from '../version.js';
import { cacheCommand } from './commands/cache.js';
import { doctorCommand } from './commands/doctor.js';
import { evalCommand } from './commands/eval.js';
import { exportCommand } from './commands/export.js';
import { gradientCommand } from './commands/gradient.js';
import { inspectCommand } from './commands/inspect.js';
import { modelsCommand } from './commands/models.js';
import { predictCommand } from './commands/predict.js';
import { reportCommand } from './commands/report.js';
import { runCommand } from './commands/run.js';
import { serveCommand } from './commands/serve.js';
import { trainCommand } from './commands/train.js';
import { tuneCommand } from './commands/tune.js';
import { verifyCommand } from './commands/verify.js';
import { surviveClosedOutput } from './end-of-output.js';
import { commandOf, explainUnknownFlags, explainUsage } from './explain-usage.js';
import { calledCommand, flagsForCommand, refuseOddSwitches } from './define-command.js';
import { optimizeLater } from './optimize-later.js';
import { configReader } from './read-config-file.js';
import { showControls } from './show-controls.js';
import { markDashes } from './standard-input.js';

const commands = [
  runCommand,
  inspectCommand,
  cacheCommand,
  trainCommand,
  tuneCommand,
  exportCommand,
  verifyCommand,
  evalCommand,
  predictCommand,
  serveCommand,
  reportCommand,
  gradientCommand,
  modelsCommand,
  doctorCommand,
];

/** @param given - what stands after `graft` */
export async function main(given: readonly string[]): Promise<void> {
  optimizeLater();
  surviveClosedOutput();
  const args = given[0] === 'help' ? askedHelp(given.slice(1)) : given;
  const called = commandOf(args, commands);
  const end = args.indexOf('--');
  const flags = end < 0 ? args : args.slice(0, end);
  /** Whether a failure too is told in a document; known before the flags are parsed, as that may be what fails. */
  let isJson = flags.some((arg) => arg === '--json' || arg === '--json=true');
  const readConfig = configReader();
  const cli = yargs(markDashes(args, called))
    .scriptName('graft')
    .usage(
      '$0 <command>\n\nTransfer learning on ONNX Runtime: cache features, train a head, export one ONNX file.',
    )
    .command(commands)
    .demandCommand(1, 'Name a command.')
    .strict()
    .option('json', { type: 'boolean', default: false, describe: 'Print one JSON document on stdout' })
    .option('config', { type: 'string' })
    .config('config', 'Read flags from a JSON or YAML file', (file) => {
      const config = readConfig(file);
      isJson ||= config.json === true;
      return flagsForCommand(config);
    })
    .wrap(Math.min(110, process.stdout.columns ?? 100))
    .middleware(() => refuseOddSwitches(flags), true)
    .version(packageVersion())
    .alias({ h: 'help', v: 'version' })
    .recommendCommands()
    .exitProcess(false)
    .fail((message, error) => {
      // No error: yargs itself refuses the call.
      if (error && !isYargsError(error)) throw error;
      throw new GraftError('USAGE', explainUsage(message ?? error.message, args, commands));
    });

  try {
    await cli.parseAsync();
  } catch (error) {
    const isUsage = error instanceof GraftError && error.code === 'USAGE';
    const { argv } = cli.parsed || { argv: {} };
    const unknown = isUsage && called !== undefined ? explainUnknownFlags(argv, commands) : undefined;
    const message = unknown ?? messageOf(error);
    process.stderr.write(`graft: ${showControls(message)}\n`);
    if (isUsage) process.stderr.write(`See: ${helpOf(called)}\n`);
    else if (!(error instanceof GraftError) && error instanceof Error)
      process.stderr.write(`${showControls(String(error.stack))}\n`);
    if (isJson) {
      const code = error instanceof GraftError ? error.code : isUsage ? 'USAGE' : 'INTERNAL';
      process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
    }
    // 128 + SIGINT, as shells have it.
    process.exitCode = isUsage ? 2 : isInterruption(error) ? 130 : 1;
  }
}

/** As of git and npm, `graft help train`. What is no command is left to be refused as that. */
function askedHelp(words: readonly string[]): readonly string[] {
  return words.length === 0 || commandOf(words, commands) !== undefined ? [...words, '--help'] : words;
}

/** @param called - the command, of which one below it may be meant */
function helpOf(called: string | undefined): string {
  if (called === undefined) return 'graft --help';
  const words = calledCommand();
  return `graft ${words.split(' ')[0] === called ? words : called} --help`;
}

function isYargsError(error: unknown): boolean {
  return error instanceof Error && error.name === 'YError';
}
