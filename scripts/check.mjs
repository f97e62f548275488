/**
 * All that `npm test` asks before the specs run: lint, types, format, and the builds that the specs need. Two chains at
 * once, as each step keeps one core busy and ESLint takes as long as the others together.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';

const chains = [
  ['eslint .'],
  ['npm run --silent build', 'npm run --silent build:all', 'prettier --check . --cache --log-level warn'],
];

// As npm has it, for a call without npm.
const env = {
  ...process.env,
  PATH: [path.resolve('node_modules/.bin'), process.env.PATH].join(path.delimiter),
};

const run = (command) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, { shell: true, stdio: 'inherit', env });
    child.on('error', reject);
    child.on('close', (status) => resolve(status === 0));
  });

/** Every step is tried, so that one call shows all that is wrong. */
async function runAll(commands) {
  let isFine = true;
  for (const command of commands) isFine = (await run(command)) && isFine;
  return isFine;
}

const outcomes = await Promise.all(chains.map(runAll));
process.exitCode = outcomes.every(Boolean) ? 0 : 1;
