/** `graft report`: what a run folder holds, as one page for people. */
import { Buffer } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError, messageOf, systemErrorCode } from '../errors.js';
import { thumbnail } from '../image/thumbnail.js';
import { renderRunPage, type RunPage, type ShownExample } from '../report/run-page.js';
import { readFileContent } from '../sources/read-file.js';
import { describeFolds, describeLabelErrors, formatFigure } from '../tasks/describe-score.js';
import type { EpochRecord } from '../train/epoch-record.js';
import { writeDurably } from '../write-durably.js';
import { checkOptions } from './check-options.js';
import type { RatedExample, RunEvaluation } from './evaluate-run.js';
import {
  type FeatureRunConfig,
  isFeatureRun,
  readRunFolder,
  type RunConfig,
  runFiles,
} from './run-folder.js';
import { usesOfRun } from './run-uses.js';
import { warningsOfRun } from './run-warnings.js';
import { tabulateSearch } from './tabulate-search.js';
import type { TrainReport } from './training-run.js';
import type { TuneReport } from './tuning-run.js';

export interface PageReport {
  /** The page that was written. */
  readonly report: string;
  readonly bytes: number;
}

/** @throws GraftError where the folder holds no finished run. */
export async function reportRun(options: { readonly run: string }): Promise<PageReport> {
  checkOptions(options, ['run']);
  const folder = path.resolve(options.run);
  const html = await pageOf(folder).catch((error: unknown) => {
    if (error instanceof GraftError) throw error;
    // Files of people: what they hold is known by what the page makes of it.
    throw new GraftError(
      'FILE_UNREADABLE',
      `The files of ${folder} are not as graft train writes them (${runFiles.result}, ${runFiles.evaluation} or ${runFiles.metrics}): no report can be made of them. Train again to write them.`,
      { cause: error },
    );
  });
  const file = path.join(folder, runFiles.report);
  await writeDurably(file, html);
  return { report: file, bytes: Buffer.byteLength(html) };
}

async function pageOf(folder: string): Promise<string> {
  const { config, head } = await readRunFolder(folder);
  const result = (await readJson(path.join(folder, runFiles.result))) as TrainReport;
  const evaluated = (await readJson(path.join(folder, runFiles.evaluation))) as RunEvaluation | undefined;
  const search = await searchOf(folder);
  const history = await readMetrics(path.join(folder, runFiles.metrics));
  return renderRunPage({
    title: path.basename(folder),
    facts: factsOf(config, result),
    warnings: warningsOfRun(result, result.headAlone ? 'unfrozen' : head.spec.kind, history, evaluated),
    examples: result.examples,
    history,
    stoppedAt: result.stoppedAt,
    step: result.convergence ? 'iteration' : 'epoch',
    part: evaluated?.part ?? 'validation',
    evaluation: evaluated?.evaluation,
    crossValidation: sentenceOf(result) ?? search?.crossValidation,
    suspects: suspectsOf(result),
    trainCounts: evaluated?.trainCounts ?? [],
    ...(evaluated?.calibration && { calibration: evaluated.calibration }),
    search,
    labelErrors: await withPictures(evaluated?.labelErrors ?? []),
    mistakes: await withPictures(evaluated?.mistakes ?? []),
    leastCertain: await withPictures(evaluated?.leastCertain ?? []),
    settings: [...pairsOf(sourceOf(config)), ...pairsOf(config.training)],
    environment: environmentOf(config),
    uses: await usesOfRun(folder, config, result.task),
  });
}

/** Lines of `metrics.jsonl`; a torn one, as a killed process leaves behind, is passed over. */
async function readMetrics(file: string): Promise<EpochRecord[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return line === '' ? [] : [JSON.parse(line) as EpochRecord];
    } catch {
      return [];
    }
  });
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT' && path.basename(file) === runFiles.evaluation) return undefined;
    throw new GraftError(
      'FILE_UNREADABLE',
      `${file} cannot be read: ${messageOf(error)}. Train again to write it.`,
      {
        cause: error,
      },
    );
  }
}

function sourceOf(config: RunConfig | FeatureRunConfig): Readonly<Record<string, unknown>> {
  if (isFeatureRun(config)) return { features: config.features, dimensions: config.dim };
  const { backbone, layer, pool, data } = config;
  return { backbone, layer, pool, data };
}

function factsOf(
  config: RunConfig | FeatureRunConfig,
  { task, classes, examples, seconds }: TrainReport,
): string[] {
  const [one, several] =
    task === 'regression'
      ? ['number', 'numbers']
      : task === 'multi'
        ? ['label', 'labels']
        : ['class', 'classes'];
  const source = isFeatureRun(config)
    ? `features of ${path.basename(config.features)}`
    : `${path.basename(config.backbone)}, layer ${config.layer}`;
  return [
    source,
    `${classes.length} ${classes.length === 1 ? one : several}`,
    `${examples.train} training and ${examples.validation} validation examples`,
    `fitted in ${seconds.toFixed(1)} s`,
  ];
}

function sentenceOf({ crossValidation, examples }: TrainReport): string | undefined {
  if (!crossValidation) return undefined;
  const said = describeFolds(crossValidation);
  return `${said[0]!.toUpperCase()}${said.slice(1)} (mean and standard deviation, of the ${examples.train} training examples).`;
}

function suspectsOf({ labelErrors }: TrainReport): string | undefined {
  if (!labelErrors) return undefined;
  const said = describeLabelErrors(labelErrors);
  return (
    `${said[0]!.toUpperCase()}${said.slice(1)}: heads that were not trained on them are sure of another class. ` +
    `${runFiles.labelErrors} of the run folder lists them.`
  );
}

/** Of a run that a search ended with. */
async function searchOf(
  folder: string,
): Promise<(NonNullable<RunPage['search']> & { readonly crossValidation: string }) | undefined> {
  let report: TuneReport;
  try {
    report = JSON.parse(await readFile(path.join(folder, runFiles.search), 'utf8')) as TuneReport;
  } catch {
    return undefined;
  }
  const { learningCurve, lrFind, candidates } = report;
  const drawings = [
    ['Learning curve', learningCurve?.svg],
    ['Learning-rate range test', lrFind?.svg],
  ] as const;
  const pictures: { title: string; address: string }[] = [];
  for (const [title, svg] of drawings) {
    if (svg === undefined) continue;
    // Beside it, wherever the folder is now: what the file names may be of another machine, or nobody's business.
    const place = path.join(folder, svg.split(/[\\/]/).at(-1)!);
    const drawn = await readFile(place).catch(() => undefined);
    if (drawn) pictures.push({ title, address: dataAddress('image/svg+xml', drawn) });
  }
  const { best, figure, folds } = report;
  const show = (value: number): string => formatFigure(figure, value);
  const crossValidation =
    `Cross-validated over ${folds} folds, by which it was chosen: ${figure} ${show(best.mean)} ± ${show(best.std)} ` +
    '(mean and standard deviation).';
  return { ...tabulateSearch(report), judged: candidates.length, pictures, crossValidation };
}

async function withPictures(examples: readonly RatedExample[]): Promise<ShownExample[]> {
  return Promise.all(
    examples.map(async (example) => {
      if (example.text !== undefined) return example;
      try {
        const small = await thumbnail((await readFileContent(example.path)).bytes);
        return { ...example, picture: dataAddress('image/jpeg', small) };
      } catch {
        // The image has moved, lies in an archive, or never was one.
        return example;
      }
    }),
  );
}

function dataAddress(type: string, bytes: Uint8Array): string {
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** @example settingOf({ kind: 'mlp', hidden: [64] }) // 'mlp, hidden [64]' */
function settingOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  return Object.entries(value)
    .map(([name, part]) => (name === 'kind' ? settingOf(part) : `${name} ${settingOf(part)}`))
    .join(', ');
}

function pairsOf(record: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(record)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]): [string, string] => [name, settingOf(value)])
    .filter(([, value]) => value !== '');
}

function environmentOf({ environment }: RunConfig | FeatureRunConfig): [string, string][] {
  if (!environment) return [];
  const { memoryBytes, ...others } = environment;
  return pairsOf({ ...others, memory: `${(memoryBytes / 2 ** 30).toFixed(1)} GiB` });
}
