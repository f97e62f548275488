import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';

/** Status and stderr of `graft ARGS` in a shell, with `rest` behind it. */
function inShell(rest: string): Promise<{ status: number | null; stderr: string; stdout: string }> {
  return new Promise((resolve) => {
    const command = `"${process.execPath}" "${path.resolve('dist/cli/index.js')}" models ls --json ${rest}`;
    const child = spawn('bash', ['-c', command]);
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (said.stdout += chunk));
    child.stderr.on('data', (chunk) => (said.stderr += chunk));
    child.on('close', (status) => resolve({ status, ...said }));
  });
}

describe('Output that nobody takes', function () {
  this.timeout(20_000);

  it('ends no command with the trace of an error', async () => {
    const { stdout, stderr } = await inShell('| true; echo ${PIPESTATUS[0]}');
    expect(stderr).to.equal('');
    expect(stdout).to.equal('0\n');
  });

  it('is a failure where the disk is full', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const { status, stderr } = await inShell('> /dev/full');
    expect(stderr).to.match(/^graft: The result cannot be written: .*ENOSPC.*\n$/);
    expect(status).to.equal(1);
  });
});
