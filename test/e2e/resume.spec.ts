import { existsSync, rmSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';
import { temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';
import { essence, killWhen, linesOf } from './killed-run.js';

describe('a training run that is killed', function () {
  this.timeout(120_000);
  const folder = temporaryFolder();
  const features = path.join(folder, 'features.safetensors');
  const base = ['train', '--features', features, '--checkpoint-seconds', '0', '--threads', '1'];
  const solvers: Readonly<Record<string, readonly string[]>> = {
    adamw: ['--solver', 'adamw', '--lr', '0.0005', '--epochs', '30', '--batch', '8', '--patience', '30'],
    sgd: ['--solver', 'sgd', '--lr', '0.0005', '--epochs', '30', '--batch', '8', '--patience', '30'],
    lbfgs: ['--solver', 'lbfgs', '--l2', '0.1'],
  };

  before(() => {
    const set = madeUpFeatures({ rows: 600, dim: 32, classCount: 6, spread: 2 });
    // Features that hang together make the way to the optimum long.
    for (let row = 0; row < set.rows; row++) {
      for (let d = 1; d < set.dim; d++) {
        const at = row * set.dim + d;
        set.features[at] = 0.9 * set.features[at - 1]! + 0.2 * set.features[at]!;
      }
    }
    writeFeatureFile(features, set);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [solver, flags] of Object.entries(solvers)) {
    it(`goes on to the same bits with ${solver}, however often`, async () => {
      const whole = path.join(folder, `${solver}-whole`);
      await graftJsonHere([...base, ...flags, '--out', whole]);
      const run = path.join(folder, `${solver}-killed`);
      const call = [...base, ...flags, '--out', run];
      const state = path.join(run, 'checkpoint', 'state.safetensors');
      const metrics = path.join(run, 'metrics.jsonl');
      const total = linesOf(path.join(whole, 'metrics.jsonl'));
      const moments = [
        // Before there is a state: once is enough, it is the same for all.
        ...(solver === 'adamw' ? [() => existsSync(path.join(run, 'checkpoint', 'run.json'))] : []),
        () => existsSync(state),
        () => linesOf(metrics) >= Math.round(total / 3),
        () => linesOf(metrics) >= Math.round((2 * total) / 3),
      ];
      let killed = 0;
      for (const isTime of moments) if (await killWhen(call, isTime)) killed++;
      expect(killed, 'kills before the end').to.be.at.least(moments.length - 1);
      const { status, stderr } = await graftHere(call);
      expect(status).to.equal(0);
      expect(stderr).to.match(/Going on after epoch \d+ of the run/);
      expect(essence(run)).to.deep.equal(essence(whole));
      expect(existsSync(path.join(run, 'checkpoint'))).to.equal(false);
    });
  }

  describe('and is then begun', () => {
    const run = path.join(folder, 'unfinished');
    const call = [...base, ...solvers.adamw!, '--out', run];
    before(async () => {
      const lines = () => linesOf(path.join(run, 'metrics.jsonl')) >= 10;
      expect(await killWhen(call, lines)).to.equal(true);
    });

    it('with other settings, is refused in a sentence that names them', async () => {
      const { status, stderr } = await graftHere([...call, '--l2', '7']);
      expect(status).to.equal(2);
      expect(stderr).to.match(/unfinished run of another configuration \(l2 was 1 and is 7\).*--no-resume/);
    });

    it('with other data, is refused too', async () => {
      const other = path.join(folder, 'other.safetensors');
      writeFeatureFile(other, madeUpFeatures({ rows: 400, dim: 32, classCount: 6 }));
      const { status, stderr } = await graftHere([...call, '--features', other]);
      expect(status).to.equal(2);
      expect(stderr).to.match(/the data or its features have changed/);
    });

    it('by --resume and another setting, is refused rather than gone on with as it was', async () => {
      const { status, stderr } = await graftHere(['train', '--out', run, '--resume', '--lr', '0.5']);
      expect(status).to.equal(2);
      expect(stderr).to.match(/another configuration \(lr was .* and is 0.5\)/);
    });

    it('by --resume and a usual setting that is not its own, is refused too', async () => {
      const own = path.join(folder, 'unusual');
      const lines = () => linesOf(path.join(own, 'metrics.jsonl')) >= 2;
      const flags = ['--head', 'mlp', '--no-standardize', '--validation', '0.3'];
      expect(
        await killWhen(
          [...base, ...flags, '--epochs', '100000', '--patience', '100000', '--out', own],
          lines,
        ),
      ).to.equal(true);
      for (const [flag, message] of [
        [['--head', 'linear'], /another configuration \(head was .*"mlp".* and is .*"linear"/],
        [['--standardize'], /another configuration \(standardize was false and is true/],
        [['--validation', '0.2'], /another configuration \(validation was 0.3 and is 0.2/],
        [['--layer', 'conv5'], /--features stands in place of --layer/],
        [
          ['--max-length', '64'],
          /--max-length is about making features of examples.*leave --max-length away/,
        ],
        [['--backbone-batch', '4'], /--backbone-batch is about making features/],
        [['--no-header'], /--header is about a table/],
      ] as const) {
        const { status, stderr } = await graftHere(['train', '--out', own, '--resume', ...flag]);
        expect(stderr).to.match(message);
        expect(status).to.equal(2);
      }
    });

    it('by --resume alone, goes on with the flags it began with', async () => {
      const { status, stderr } = await graftHere(['train', '--out', run, '--resume']);
      expect(stderr).to.match(/Going on after epoch \d+/);
      expect(status).to.equal(0);
      expect(essence(run)).to.deep.equal(essence(path.join(folder, 'adamw-whole')));
    });

    it('once finished, has nothing to resume and says so', async () => {
      const { status, stderr } = await graftHere([...call, '--resume']);
      expect(status).to.equal(2);
      expect(stderr).to.match(/no unfinished run in .*: it is finished/);
    });

    it('with --no-resume begins again', async () => {
      const again = path.join(folder, 'again');
      const flags = [...base, ...solvers.sgd!, '--out', again];
      await killWhen(flags, () => linesOf(path.join(again, 'metrics.jsonl')) >= 10);
      const { stderr } = await graftHere([...flags, '--no-resume']);
      expect(stderr).to.not.match(/Going on/);
      expect(essence(again)).to.deep.equal(essence(path.join(folder, 'sgd-whole')));
    });
  });
});
