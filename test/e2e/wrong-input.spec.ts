import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  truncateSync,
} from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { graft, temporaryFolder } from './graft.js';
import { graftHere, graftJsonHere } from './graft-here.js';
import { exportedModel } from '../web/exported-model.js';
import { madeUpFeatures, writeFeatureFile } from '../train/made-up-features.js';

/** A class folder with `count` small images, each of its own colour. */
async function images(folder: string, label: string, count: number): Promise<void> {
  mkdirSync(path.join(folder, label), { recursive: true });
  for (let i = 0; i < count; i++) {
    const background = { r: (i * 37) % 256, g: (label.length * 53) % 256, b: (i * 11) % 256 };
    const file = path.join(folder, label, `${i}.png`);
    await sharp({ create: { width: 16, height: 16, channels: 3, background } })
      .png()
      .toFile(file);
  }
}

describe('wrong input', function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const env = { GRAFT_CACHE: path.join(folder, 'cache') };
  const good = path.join(folder, 'good');
  const out = path.join(folder, 'out');
  const run = (backbone: string, data: string, ...more: string[]) =>
    graftHere(['run', '--backbone', backbone, '--data', data, '--out', out, '--device', 'cpu', ...more], env);

  before(async () => {
    await images(good, 'red', 6);
    await images(good, 'yellow', 6);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** One message, naming what is wrong, without a stack trace; no model left behind. */
  function expectRefusal(
    outcome: { status: number | null; stderr: string },
    status: number,
    message: RegExp,
  ): void {
    expect(outcome.stderr).to.match(message);
    expect(outcome.stderr).not.to.match(/\n\s+at /);
    expect(outcome.status).to.equal(status);
  }

  it('of no command is wrong usage', async () => {
    expectRefusal(await graft([]), 2, /Name a command/);
  });

  it('of a mistyped command or a missing word tells which, and where help is', async () => {
    for (const [args, message] of [
      [['trian'], /There is no command trian\. Did you mean train\?\nSee: graft --help/],
      [['zzzzzzzz'], /graft: There is no command zzzzzzzz\.\n/],
      [['help', 'zzzzzzzz'], /graft: There is no command zzzzzzzz\.\n/],
      [['cache', 'lss'], /There is no command lss\. Did you mean ls\?/],
      [['cache', '--data', 'a', 'b'], /Unknown argument: b\. Each value follows its flag/],
      [['export', '--precision', 'int4'], /Missing: --run and --out\./],
      [
        ['predict', '--model', 'm', '--on-error', 'stop', 'a'],
        /one of skip, fail for --on-error but received "stop"\./,
      ],
      [['inspect'], /Missing: the model of graft inspect <model>\./],
      [
        ['gradient', '--model', 'm.onnx'],
        /Missing: the model of .*, a word of its own and no flag \(--model\)\./,
      ],
      [['models', 'get'], /Missing: what graft models get is for/],
      [['run', '--backbone'], /Expected a value for --backbone but there is none\./],
      [['export', '--run', 'x', '--out', 'y', '--precision'], /Expected a value for --precision but there/],
      [
        ['run', '--shard', '1/2', '--out', 'x'],
        /Unknown argument: shard\. --shard is a flag of graft cache\. Fill/,
      ],
    ] as const)
      expectRefusal(await graftHere(args), 2, message);
  });

  it('of an unknown flag is said before all else that is wrong, with the flag that may be meant', async () => {
    for (const [args, message] of [
      [['doctor', '--colour'], /Unknown argument: colour\nSee: graft doctor --help/],
      [['train', '--help-me'], /Unknown argument: help-me\. Did you mean --help\?/],
      [['train', '--bakbone', 'b', '--l2', 'x'], /Unknown argument: bakbone\. Did you mean --backbone\?/],
      [['predict', '--modle', 'm.onnx', 'a.jpg'], /modle\. Did you mean --model\?/],
      [['run', '--val', '0.1', '--out'], /Unknown argument: val\. Did you mean --validation\?/],
      [['inspect', '--x'], /Unknown argument: x\n/],
      [['cache', 'prune', '--olderThn', '3d'], /Did you mean --older-than\?\nSee: graft cache prune --help/],
    ] as const)
      expectRefusal(await graftHere(args), 2, message);
  });

  it('of a switch with a value that is neither true nor false is not taken for false', async () => {
    const call = ['train', '--backbone', 'b', '--data', 'd', '--out', 'o'];
    expectRefusal(
      await graftHere([...call, '--standardize=no']),
      2,
      /true or false for --standardize but received "no"\./,
    );
    expectRefusal(
      await graftHere([...call, '--standardize', 'no']),
      2,
      /argument: no\. --standardize is a switch, without a value: --no-standardize turns it off\./,
    );
    expectRefusal(await graftHere([...call, '--config', 'a', '--config', 'b']), 2, /one file for --config/);
  });

  it('of words where flags stand tells what a pattern without quotation marks has become', async () => {
    expectRefusal(
      await graftHere(['train', '--backbone', 'b', '--out', 'o', '--data', 'a.tar', 'b.tar', 'c.tar']),
      2,
      /Unknown arguments: b\.tar, c\.tar\. .* quotation marks: --data 'a-\{0\.\.9\}\.tar'\./,
    );
    expectRefusal(
      await graftHere(['report', 'a', 'b']),
      2,
      /Unknown argument: b\. graft report takes one run\.\n/,
    );
    expectRefusal(
      await graftHere(['doctor', 'a']),
      2,
      /Unknown argument: a\. Each value follows its flag\.\n/,
    );
  });

  it('of an unknown command below a command names those that there are', async () => {
    expectRefusal(
      await graftHere(['cache', 'frobnicate']),
      2,
      /no command cache frobnicate; .* ls, stats, verify, prune, export/,
    );
  });

  it('of an unknown augmentation is refused before anything is cached', async () => {
    const outcome = await run('scattering', good, '--views', '2', '--augment', 'flip,spin');
    expectRefusal(outcome, 2, /"spin"/);
    expect(existsSync(env.GRAFT_CACHE), 'a cache').to.equal(false);
  });

  it('of a list with an item twice, or none between two commas, is wrong usage and names both', async () => {
    const table = path.join(folder, 'twice.csv');
    writeFileSync(table, 'text,wide,tall\na,1,0\nb,0,1\n');
    const tune = (...more: string[]) =>
      graftHere(['tune', '--backbone', good, '--data', good, '--out', out, ...more], env);
    const multi = (columns: string) =>
      run('hashed-ngrams', table, '--task', 'multi', '--label-column', columns);
    expectRefusal(await multi('wide,wide'), 2, /each item of --label-column once but wide is there twice/);
    expectRefusal(await multi('wide,,tall'), 2, /--label-column .* an item is empty/);
    expectRefusal(await tune('--layers', 'a,b,a'), 2, /--layers once but a is there twice/);
    expectRefusal(await tune('--unfreeze', 'a,a'), 2, /--unfreeze once but a is there twice/);
    expectRefusal(await tune('--l2', '1,1.0'), 2, /--l2 once but 1\.0 is there twice/);
    expectRefusal(await tune('--heads', 'mlp,mlp'), 2, /--heads once but mlp is there twice/);
    expectRefusal(
      await run(path.join(folder, 'none.onnx'), good, '--views', '1', '--augment', 'flip,flip'),
      2,
      /--augment once but flip is there twice/,
    );
    expectRefusal(
      await graftHere(['gradient', path.join(folder, 'none.onnx'), '--wrt', 'W,W', '--check'], env),
      2,
      /--wrt once but W is there twice/,
    );
  });

  it('of a share above 1 is wrong usage and names the flag', async () => {
    expectRefusal(await run('scattering', good, '--validation', '20'), 2, /share .* --validation .*20/);
  });

  it('of more threads than any machine has is wrong usage and says how many there may be', async () => {
    const message = /a whole number from 1 to \d+ for --threads but received 100000\./;
    expectRefusal(await run('scattering', good, '--threads', '100000'), 2, message);
  });

  it('of a missing backbone names the file', async () => {
    expectRefusal(await run(path.join(folder, 'none.onnx'), good), 1, /none\.onnx/);
  });

  it('of the one input of a prediction is said once', async () => {
    const missing = path.join(folder, 'missing.png');
    const file = path.join(folder, 'labels.onnx');
    writeFileSync(file, exportedModel(['a', 'b']));
    const { stderr, status } = await graftHere(['predict', '--model', file, missing]);
    expect([stderr, status]).to.deep.equal([`graft: There is no file ${missing}; check the path.\n`, 1]);
  });

  it('of an empty path among those of a prediction is told as one', async () => {
    const file = path.join(folder, 'labels.onnx');
    writeFileSync(file, exportedModel(['a', 'b']));
    const { stderr } = await graftHere(['predict', '--model', file, '', path.join(good, 'red', '0.png')]);
    expect(stderr).to.match(/Left out "": Expected a path but it is empty\./);
  });

  it('of a model that is no ONNX names the file', async () => {
    const file = path.join(folder, 'text.onnx');
    writeFileSync(file, 'This is a letter to my aunt, not a model.');
    expectRefusal(await run(file, good), 1, /text\.onnx/);
  });

  it('of an empty model file names the file', async () => {
    const file = path.join(folder, 'empty.onnx');
    writeFileSync(file, '');
    expectRefusal(await run(file, good), 1, /empty\.onnx/);
  });

  it('of an unknown layer lists near names', async () => {
    expectRefusal(await run('scattering', good, '--layer', 'scattering/featurez'), 1, /scattering\/features/);
  });

  it('of a missing data folder names it', async () => {
    expectRefusal(await run('scattering', path.join(folder, 'nowhere')), 1, /nowhere/);
  });

  it('of an empty class folder names the class', async () => {
    const data = path.join(folder, 'empty-class');
    await images(data, 'red', 3);
    await images(data, 'yellow', 3);
    mkdirSync(path.join(data, 'purple'));
    expectRefusal(await run('scattering', data), 1, /purple/);
  });

  it('of a single class says that two are needed', async () => {
    const data = path.join(folder, 'single');
    await images(data, 'red', 3);
    expectRefusal(await run('scattering', data), 1, /two classes|2 classes|single class|one class/i);
  });

  it('of two images for ten classes says what is missing', async () => {
    const data = path.join(folder, 'two');
    for (let i = 0; i < 10; i++) mkdirSync(path.join(data, `class-${i}`), { recursive: true });
    await images(data, 'class-0', 1);
    await images(data, 'class-1', 1);
    expectRefusal(await run('scattering', data), 1, /class-2/);
  });

  it('of one image a class says that nothing is left to hold out', async () => {
    const data = path.join(folder, 'thin');
    await images(data, 'red', 1);
    await images(data, 'yellow', 1);
    expectRefusal(await run('scattering', data), 1, /two examples .* --validation 0/);
    expect(existsSync(out), 'a run folder of the runs refused so far').to.equal(false);
  });

  it('of a file where the run folder should be is refused before any work', async () => {
    const file = path.join(folder, 'a-file');
    writeFileSync(file, '');
    const outcome = await graftHere(
      ['train', '--backbone', 'scattering', '--data', good, '--out', path.join(file, 'run')],
      env,
    );
    expectRefusal(outcome, 1, /a-file/);
  });

  it('of a run folder that is none says what was expected', async () => {
    expectRefusal(
      await graftHere(['export', '--run', folder, '--out', path.join(folder, 'm.onnx')], env),
      1,
      /not a finished run/,
    );
  });

  it('of a model without labels cannot predict and says why', async () => {
    const { status, stderr } = await graft(
      ['predict', '--model', path.join(folder, 'text.onnx'), 'x.png'],
      env,
    );
    expect(status).to.equal(1);
    expect(stderr).not.to.match(/\n\s+at /);
  });

  it('of a backbone where an exported model belongs says what it lacks', async () => {
    const calls = [
      ['predict', '--model', 'scattering', path.join(good, 'red', '0.png')],
      ['eval', '--model', 'scattering', '--data', good],
      ['eval', '--model', 'hf:owner/repo', '--features', 'x.safetensors'],
      ['verify', '--model', 'scattering', '--run', out],
      ['serve', '--model', 'scattering'],
    ];
    for (const call of calls)
      expectRefusal(await graftHere(call, env), 1, /is a backbone, which has no head .*graft run --backbone/);
  });

  it('of broken photos trains on the others and reports them', async () => {
    const data = path.join(folder, 'broken');
    await images(data, 'red', 6);
    await images(data, 'yellow', 6);
    writeFileSync(path.join(data, 'red', 'broken.jpg'), 'not a jpeg');
    writeFileSync(path.join(data, 'red', 'empty.jpg'), '');
    const { status, stdout, stderr } = await run('scattering', data, '--json');
    expect(status, stderr).to.equal(0);
    const report = JSON.parse(stdout) as { skipped: { path: string }[]; computed: number; cached: number };
    expect(report.skipped.map(({ path: file }) => path.basename(file)).sort()).to.deep.equal([
      'broken.jpg',
      'empty.jpg',
    ]);
    expect(report.computed + report.cached).to.equal(12);
    expect(stderr).to.match(/warning: 2 of 14 examples left out, the first one .*(broken|empty)\.jpg: /);
  });

  it('of a broken photo with --on-error fail stops and names it', async () => {
    const outcome = await run('scattering', path.join(folder, 'broken'), '--on-error', 'fail');
    expectRefusal(outcome, 1, /(broken|empty)\.jpg/);
  });

  it('answers a failure with --json in one document too', async () => {
    const { stdout, status } = await graftHere(['inspect', path.join(folder, 'none.onnx'), '--json']);
    expect(status).to.equal(1);
    expect((JSON.parse(stdout) as { error: { code: string } }).error.code).to.equal('FILE_NOT_FOUND');
  });

  it('is no flag of another command in a configuration, which may serve several', async () => {
    const config = path.join(folder, 'shared.yaml');
    const flags = {
      backbone: 'scattering',
      data: good,
      out,
      l2: 3,
      seed: 2,
      onError: 'skip',
      device: 'cpu',
    };
    writeFileSync(config, JSON.stringify(flags));
    const { status, stderr } = await graftHere(['cache', '--config', config], env);
    expect(status, stderr).to.equal(0);
    writeFileSync(config, JSON.stringify({ ...flags, l3: 3 }));
    expectRefusal(await graftHere(['cache', '--config', config], env), 2, /Unknown argument: l3\n/);
    expectRefusal(
      await graftHere(['cache', '--backbone', 'b', '--data', good, '--l2', '3']),
      2,
      /Unknown argument: l2\. --l2 is a flag of graft run, graft train and graft tune\.\n/,
    );
  });

  describe('in a configuration', () => {
    const config = path.join(folder, 'values.yaml');
    const configured = path.join(folder, 'configured');
    const trainWith = (flags: object) => {
      writeFileSync(config, JSON.stringify({ features: 'none.safetensors', out: configured, ...flags }));
      return graftHere(['train', '--config', config], env);
    };
    const refused: readonly (readonly [flags: object, message: RegExp])[] = [
      [{ l2: null }, /a value .* for l2 in the configuration but received null/],
      [{ l2: true }, /a number for l2 in the configuration but received true/],
      [{ standardize: 'yes' }, /true or false for standardize in the configuration but received "yes"/],
      [{ tensorboard: false }, /a value .* for tensorboard in the configuration but received false/],
      [{ json: 'yes' }, /true or false for json in the configuration but received "yes"/],
      [{ l2: [1, 2] }, /for --l2 but received "1,2"/],
      [{ head: ['mlp', 'linear'] }, /one of linear, mlp, .* for --head but received "mlp,linear"/],
    ];
    for (const [flags, message] of refused) {
      it(`is refused rather than guessed at: ${JSON.stringify(flags)}`, async () => {
        expectRefusal(await trainWith(flags), 2, message);
      });
    }

    it('is a list where the flag takes one, the contrary of a switch, and a name that is a number', async () => {
      const flags = { head: 'mlp', hidden: [16, 8], 'no-standardize': true, epochs: 1, threads: 1 };
      const features = path.join(folder, 'listed.safetensors');
      writeFeatureFile(features, madeUpFeatures({ rows: 20, dim: 3, classCount: 2 }));
      const { status, stderr } = await trainWith({ ...flags, features });
      expect(status, stderr).to.equal(0);
      const { training } = JSON.parse(readFileSync(path.join(configured, 'config.json'), 'utf8')) as {
        training: { head: { hidden: number[] }; standardize: boolean };
      };
      expect(training.head.hidden).to.deep.equal([16, 8]);
      expect(training.standardize).to.equal(false);
      expectRefusal(await trainWith({ features: 123 }), 1, /There is no file .*123/);
    });
  });

  it('names the command that a flag is of, and for --shard what to do instead', async () => {
    for (const command of ['train', 'tune', 'run']) {
      const call = [command, '--features', 'f', '--out', 'o', '--shard', '1/2'];
      expectRefusal(
        await graftHere(call),
        2,
        /: shard\. --shard is a flag of graft cache\. Fill the cache with it/,
      );
    }
    expectRefusal(
      await graftHere(['cache', '--backbone', 'b', '--data', 'd', '--tune', '1']),
      2,
      /graft run\.\n/,
    );
    expectRefusal(await graftHere(['report', 'r', '--seeds', '1', '--new']), 2, /: seeds, new\. --seeds is/);
  });

  it('is no configuration that is read twice, that never ends, names another or has a tag of YAML that is not known', async () => {
    const flags = path.join(folder, 'flags-of-a-pipe.json');
    writeFileSync(flags, '\ufeff{"top": 2}');
    const call = ['predict', '--model', path.join(folder, 'none.onnx'), 'a.jpg', '--config'];
    const command = [process.execPath, path.resolve('dist/cli/index.js'), ...call];
    const piped = spawnSync('bash', ['-c', '"$@" <(cat "$0")', flags, ...command], {
      encoding: 'utf8',
    });
    expect(piped.stderr).to.match(/^graft: There is no file .*none\.onnx/);
    expectRefusal(await graftHere([...call, '/dev/zero']), 2, /\/dev\/zero has more than 1048576 bytes/);
    writeFileSync(flags, '{"config": "other.yaml"}');
    expectRefusal(await graftHere([...call, flags]), 2, /names another one/);
    const tagged = path.join(folder, 'tagged.yaml');
    writeFileSync(tagged, 'top: !!python/int 2\n');
    expectRefusal(await graftHere([...call, tagged]), 2, /Unresolved tag/);
  });

  it('is told in a document too where the configuration asks for one', async () => {
    const config = path.join(folder, 'flags.yaml');
    writeFileSync(config, 'json: true\n');
    const { stdout, status } = await graftHere([
      'inspect',
      path.join(folder, 'none.onnx'),
      '--config',
      config,
    ]);
    expect(status).to.equal(1);
    expect(JSON.parse(stdout)).to.have.nested.property('error.code', 'FILE_NOT_FOUND');
  });

  it('of a flag that only says more of another one names that one', async () => {
    for (const [flags, owner] of [
      [['--augment', 'flip'], 'views'],
      [['--view-seed', '3'], 'views'],
      [['--mlflow-experiment', 'x'], 'mlflow'],
      [['--no-warm-start'], 'unfreeze'],
    ] as const) {
      const outcome = await run('scattering', good, ...flags);
      expectRefusal(outcome, 2, new RegExp(`has no meaning without --${owner}`));
    }
    const net = path.resolve('test/fixtures/backbones/resnet-int8-dynamic.onnx');
    const gradient = await graftHere(['gradient', net, '--out', out, '--samples', '3']);
    expectRefusal(gradient, 2, /--samples has no meaning without --check/);
    const rows = ['cache', 'export', '--store', 'abcd', '--out', 'x.parquet', '--max-length', '5'];
    expectRefusal(await graftHere(rows, env), 2, /--max-length is about a backbone and a data set/);
    const cached = await graftHere(
      ['cache', '--backbone', 'scattering', '--data', good, '--augment', 'flip'],
      env,
    );
    expectRefusal(cached, 2, /--augment has no meaning without --views/);
  });

  it('of lists or objects in one another, thousands deep, is one sentence', async () => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const write = (name: string, text: string): string => {
      writeFileSync(path.join(folder, name), text);
      return path.join(folder, name);
    };
    const table = write('deep.jsonl', `{"image":"a.jpg","label":${deep}}\n`);
    expectRefusal(await run('scattering', table), 1, /text or a number for label in row 1 .* thousands deep/);
    const spec = write('deep.json', `{"resize":${deep}}`);
    expectRefusal(
      await run('scattering', good, '--preprocess', spec),
      1,
      /object for resize .* thousands deep/,
    );
    for (const value of [deep, '{"a":1}', '[["a"]]']) {
      const config = write('config.json', `{"data":${value}}`);
      expectRefusal(
        await graftHere(['cache', '--backbone', 'scattering', '--config', config]),
        2,
        /list of values, for data/,
      );
    }
  });

  it('of flags before the command tells where its help is, and reads what the command reads', async () => {
    const missing = await graftHere(['--config', path.join(folder, 'none.yaml'), 'predict', '-']);
    expectRefusal(missing, 2, /no file .*none\.yaml.*\nSee: graft predict --help/s);
    const unknown = await graftHere(['--json', 'predict', '--model', 'm.onnx', '--colour', 'red', '-']);
    expectRefusal(unknown, 2, /colour.*\nSee: graft predict --help/s);
    const stray = await graftHere(['--config', path.join(folder, 'none.yaml'), 'frobnicate']);
    expect(stray.stderr).not.to.include('no command ' + folder);
    const model = path.join(folder, 'none.onnx');
    const lines = await graft(['--json', 'predict', '--model', model, '-'], env, 'a.jpg\n');
    expectRefusal(lines, 1, /no file .*none\.onnx/);
    const word = await graft(['predict', '--model', model, '--', '--json'], env);
    expect(word.stdout).to.equal('');
  });

  it('of a name that moves the cursor is shown in the result, not sent to the terminal', async () => {
    const odd = path.join(folder, 'odd-names');
    await images(odd, 'red', 3);
    await images(odd, 'yellow', 3);
    writeFileSync(path.join(odd, 'red', '\x1b[2J\nbroken.png'), 'no image');
    const { stdout, status } = await graftHere(['cache', '--backbone', 'scattering', '--data', odd], env);
    expect(status).to.equal(0);
    expect(stdout).to.include('\\x1b[2J\\nbroken.png: ').and.not.to.include('\x1b');
  });

  it('of an empty word is wrong usage, as it would be the folder one stands in', async () => {
    for (const args of [
      ['report', ''],
      ['inspect', ''],
      ['models', 'get', ''],
      ['gradient', '', '--check'],
    ])
      expectRefusal(await graftHere(args), 2, /Expected a value for (run|model|name) but it is empty/);
  });

  it('of an empty value is wrong usage: an empty --out would be the folder one stands in', async () => {
    expectRefusal(
      await graftHere(['train', '--backbone', 'scattering', '--data', good, '--out', ''], env),
      2,
      /a value for --out but it is empty/,
    );
  });

  it('of a port that is no number shows what was given', async () => {
    expectRefusal(
      await graftHere(['serve', '--model', 'm.onnx', '--port', 'eighty']),
      2,
      /port .* --port .*"eighty"/,
    );
  });

  it('of a device or a circle of links in place of a model is refused unread', async function () {
    if (!existsSync('/dev/zero')) this.skip();
    expectRefusal(await run('/dev/zero', good), 1, /\/dev\/zero: it is no regular file/);
    const circle = path.join(folder, 'circle.onnx');
    symlinkSync(circle, circle);
    expectRefusal(await run(circle, good), 1, /circle\.onnx: its links lead in a circle/);
  });

  it('of a single image or an empty Parquet file as a data set says what was expected', async () => {
    expectRefusal(
      await run('scattering', path.join(good, 'red', '0.png')),
      1,
      /Expected a folder .*0\.png is named as a single image/,
    );
    const empty = path.join(folder, 'empty.parquet');
    writeFileSync(empty, '');
    expectRefusal(await run('scattering', empty), 1, /empty\.parquet cannot be read: it is empty/);
  });

  it('of a read-only place leaves nothing half written', async function () {
    if (process.getuid?.() === 0) {
      this.skip(); // root may write anywhere
    }
    const locked = path.join(folder, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const outcome = await graftHere(
      ['train', '--backbone', 'scattering', '--data', good, '--out', path.join(locked, 'run')],
      env,
    );
    expectRefusal(outcome, 1, /locked.*permission/);
  });

  it('of a full disk is one error and leaves no half-written file', async function () {
    const full = path.join(folder, 'full');
    mkdirSync(full);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full], { stdio: 'ignore' });
    } catch {
      this.skip(); // mounting needs root
    }
    try {
      writeFileSync(path.join(full, 'ballast'), Buffer.alloc(60 * 1024));
      const outcome = await graft(
        [
          'run',
          '--backbone',
          'scattering',
          '--data',
          good,
          '--out',
          path.join(full, 'run'),
          '--device',
          'cpu',
        ],
        env,
      );
      expectRefusal(outcome, 1, /disk is full/);
      for (const format of ['npy', 'parquet', 'safetensors']) {
        const from = ['--backbone', 'scattering', '--data', good, '--device', 'cpu', '--format', format];
        const exported = await graftHere(['cache', 'export', ...from, '--out', path.join(full, format)], env);
        expectRefusal(exported, 1, /Cannot write .*full.* disk is full/);
      }
      const trained = path.join(folder, 'trained');
      await graftJsonHere(['train', '--backbone', 'scattering', '--data', good, '--out', trained], env);
      const sideBySide = path.join(full, 'side.onnx');
      const exporting = ['export', '--run', trained, '--out'];
      const beside = await graftHere([...exporting, sideBySide, '--external-data'], env);
      expectRefusal(beside, 1, /Cannot write \S*full\/side\.onnx: the disk is full/);
      // Room for what is small beside the model.
      truncateSync(path.join(full, 'ballast'), 44 * 1024);
      const hub = path.join(full, 'hub');
      const published = await graftHere([...exporting, hub, '--format', 'huggingface'], env);
      expectRefusal(published, 1, /Cannot write \S*full\/hub\/\S+: the disk is full/);
      expect(existsSync(hub)).to.equal(false);
      const model = path.join(folder, 'int8.onnx');
      const inside = await graftHere([...exporting, model, '--precision', 'int8'], { ...env, TMPDIR: full });
      expectRefusal(inside, 1, /Cannot write \S*full: the disk is full.*TMPDIR/);
      const left = readdirSync(full, { recursive: true, encoding: 'utf8' });
      expect(left.filter((name) => /\.onnx|\.tmp$|head\.safetensors$/.test(name))).to.deep.equal([]);
    } finally {
      execFileSync('umount', [full]);
    }
  });
});
