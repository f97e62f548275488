/** A run as one HTML page that stands alone: no script, nothing from outside. Every text from a file is escaped. */
import type { Evaluation } from '../metrics/evaluation.js';
import type { EpochRecord } from '../train/epoch-record.js';
import { drawConfusion } from './draw-confusion.js';
import { type Curve, drawHistory } from './draw-history.js';
import { drawReliability } from './draw-reliability.js';
import { pageStyle } from './page-style.js';
import { escapeXml } from './svg-elements.js';

export interface ShownExample {
  readonly path: string;
  readonly label: string;
  readonly prediction: string;
  readonly score: number;
  /** Of a text its beginning. */
  readonly text?: string | undefined;
  /** A data: address of a small picture. */
  readonly picture?: string | undefined;
}

export interface RunPage {
  readonly title: string;
  /** Facts below the title. */
  readonly facts: readonly string[];
  readonly warnings: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly history: readonly EpochRecord[];
  readonly stoppedAt: number;
  readonly part: 'train' | 'validation';
  readonly evaluation?: Evaluation | undefined;
  readonly trainCounts: readonly number[];
  /** What the folds of the training part say, as a sentence. */
  readonly crossValidation?: string | undefined;
  readonly calibration?: {
    readonly temperature: number;
    readonly before: { readonly ece: number };
    readonly after: { readonly ece: number };
  };
  readonly mistakes: readonly ShownExample[];
  readonly leastCertain: readonly ShownExample[];
  /** Settings and where it was made. */
  readonly settings: readonly (readonly [name: string, value: string])[];
  readonly environment: readonly (readonly [name: string, value: string])[];
  /** How to use the model: what to type, and why. */
  readonly uses: readonly (readonly [what: string, command: string])[];
}

export function renderRunPage(page: RunPage): string {
  const { title, facts, evaluation } = page;
  const sections = [
    `<h1>${escapeXml(title)}</h1><p class="muted">${facts.map(escapeXml).join(' · ')}</p>`,
    figures(page),
    warnings(page),
    curves(page),
    evaluation ? confusion(evaluation) : '',
    evaluation ? table(evaluation, page.trainCounts) : '',
    evaluation ? reliability(page) : '',
    gallery('Mistakes, the surest first', 'A sure mistake is often a wrong label.', page.mistakes),
    gallery('Least certain', 'More examples like these would teach the most.', page.leastCertain),
    uses(page),
    pairs('Settings', page.settings),
    pairs('Made on', page.environment),
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">` +
    `<title>Run ${escapeXml(title)}</title><style>${pageStyle}</style></head><body><main>\n${sections.filter(Boolean).join('\n')}\n</main></body></html>\n`
  );
}

/** A sentence in which no flag is torn at its dashes. */
function sentence(text: string): string {
  return escapeXml(text).replace(/--[\w-]+/g, '<span class="flag">$&</span>');
}

/** A name that may be broken where a word of it ends, rather than anywhere. */
function name(text: string): string {
  return escapeXml(text).replace(/[_./-](?=[^_./-])/g, '$&<wbr>');
}

/** Wider or longer than its place it can be moved, with the keyboard too. */
function scrolling(label: string, content: string): string {
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escapeXml(label)}">${content}</div>`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function section(title: string, content: string): string {
  return `<section><h2>${escapeXml(title)}</h2>${content}</section>`;
}

function figures({ evaluation, examples, part, crossValidation }: RunPage): string {
  if (!evaluation) return '';
  const of = (value: number, interval?: { low: number; high: number }, show = percent) =>
    [show(value), interval && `${show(interval.low)} to ${show(interval.high)}`] as const;
  const plain = (value: number): string => value.toPrecision(4);
  const cards: (readonly [string, readonly [string, string | undefined]])[] = [];
  if (evaluation.task === 'regression') {
    const { r2, mae, rmse, intervals } = evaluation;
    cards.push(['R²', of(r2, undefined, plain)], ['mean absolute error', of(mae, intervals?.mae, plain)]);
    cards.push(['RMSE', of(rmse, intervals?.rmse, plain)]);
  } else if (evaluation.task === 'multi') {
    const { accuracy, macroF1, microF1, loss } = evaluation;
    cards.push(['all labels right', of(accuracy)], ['macro F1', of(macroF1)], ['micro F1', of(microF1)]);
    cards.push(['loss', of(loss, undefined, plain)]);
  } else {
    const { accuracy, macroF1, loss, ece, intervals } = evaluation;
    cards.push(
      ['accuracy', of(accuracy, intervals?.accuracy)],
      ['macro F1', of(macroF1, intervals?.macroF1)],
    );
    cards.push(['loss', of(loss, intervals?.loss, plain)], ['calibration error', of(ece)]);
  }
  const shown = cards.map(
    ([name, [value, interval]]) =>
      `<div class="figure"><span class="muted">${escapeXml(name)}</span><b>${value}</b><span class="muted">${interval ?? '&nbsp;'}</span></div>`,
  );
  const hasRanges = cards.some(([, [, interval]]) => interval !== undefined);
  const which =
    part === 'validation'
      ? `On the ${examples.validation} examples held out, of ${examples.train + examples.validation}${hasRanges ? '; ranges are 95 % bootstrap intervals' : ''}.`
      : `On the ${examples.train} training examples themselves, as nothing was held out: expect less on new ones.`;
  const folds = crossValidation === undefined ? '' : `<p>${escapeXml(crossValidation)}</p>`;
  return `<div class="figures">${shown.join('')}</div><p class="muted">${which}</p>${folds}`;
}

function warnings({ warnings: sentences }: RunPage): string {
  if (sentences.length === 0) return '';
  const items = sentences.map((text) => `<li>${sentence(text)}</li>`).join('');
  return `<section class="warning"><h2>Worth a look</h2><ul>${items}</ul></section>`;
}

function curves({ history, stoppedAt, evaluation }: RunPage): string {
  if (history.length < 2) return '';
  const parts = (['train', 'validation'] as const).filter((part) => history.some((record) => record[part]));
  const figure = evaluation?.task === 'regression' ? 'rmse' : 'accuracy';
  const chart = (
    title: string,
    key: 'loss' | 'accuracy' | 'rmse',
    format: (value: number) => string,
  ): string => {
    const drawn = parts
      .map((name): Curve => ({
        name,
        points: history.flatMap((record) => {
          const value = record[name]?.[key];
          return value !== undefined && Number.isFinite(value) ? [[record.epoch, value] as const] : [];
        }),
      }))
      .filter(({ points }) => points.length > 0);
    if (drawn.length === 0) return '';
    const svg = drawHistory({ title, curves: drawn, format, kept: stoppedAt });
    return `<figure>${svg}<figcaption>${escapeXml(title)}</figcaption></figure>`;
  };
  const names = parts.map((part) => `<span><i style="background:var(--${part})"></i>${part}</span>`);
  const key = `<p class="key muted">${names.join('')}the dashed line is the epoch (of L-BFGS the iteration) whose weights were kept</p>`;
  const charts = [
    chart('loss', 'loss', (value) => value.toPrecision(3)),
    figure === 'rmse'
      ? chart('RMSE', 'rmse', (value) => value.toPrecision(3))
      : chart('accuracy', 'accuracy', (value) => `${(100 * value).toFixed(value > 0.9 ? 1 : 0)}%`),
  ];
  return section('How it learned', `<div class="pair">${charts.join('')}</div>${key}`);
}

function confusion(evaluation: Evaluation): string {
  if (!('confusion' in evaluation)) return '';
  const { svg, omitted } = drawConfusion(evaluation.confusion, evaluation.classes);
  const note =
    'Rows are labels, columns predictions; the stronger the colour, the larger the share of the row.' +
    (omitted > 0 ? ` The ${omitted} classes with the fewest mistakes are left out.` : '');
  const rows = evaluation.confusedPairs.map(
    ({ label, prediction, examples, share }) =>
      `<tr><td>${name(label)}</td><td class="words">${name(prediction)}</td><td>${examples}</td><td>${percent(share)}</td></tr>`,
  );
  const list =
    rows.length === 0
      ? '<p>No class is taken for another.</p>'
      : `<h2 style="margin-top:18px">Taken for another</h2>` +
        scrolling(
          'Taken for another',
          `<table><thead><tr><th>label</th><th class="words">prediction</th><th>examples</th><th>of the label</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
        );
  return section('What it takes for what', `<p class="muted">${note}</p>${svg}${list}`);
}

function table(evaluation: Evaluation, trainCounts: readonly number[]): string {
  if (evaluation.task === 'regression') {
    const rows = evaluation.perClass.map(
      ({ label, r2, mae, rmse }) =>
        `<tr><td>${escapeXml(label)}</td><td>${r2.toFixed(4)}</td><td>${mae.toPrecision(4)}</td><td>${rmse.toPrecision(4)}</td></tr>`,
    );
    return section(
      'Each number',
      `<table><thead><tr><th>number</th><th>R²</th><th>MAE</th><th>RMSE</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
    );
  }
  const rows = evaluation.perClass
    .map((row, c) => ({ ...row, trained: trainCounts[c] ?? 0 }))
    .sort((a, b) => a.f1 - b.f1)
    .map(
      ({ label, precision, recall, f1, support, trained }) =>
        `<tr><td>${name(label)}</td><td>${percent(precision)}</td><td>${percent(recall)}</td>` +
        `<td><span class="share" style="width:${Math.round(60 * f1)}px"></span>${percent(f1)}</td><td>${support}</td><td>${trained}</td></tr>`,
    );
  const title = `Each of ${rows.length} classes, the weakest first`;
  const head =
    '<tr><th>class</th><th>precision</th><th>recall</th><th>F1</th><th>examples</th><th>trained on</th></tr>';
  return section(
    title,
    scrolling(title, `<table><thead>${head}</thead><tbody>${rows.join('')}</tbody></table>`),
  );
}

function reliability({ evaluation, calibration, part }: RunPage): string {
  if (!evaluation || !('reliability' in evaluation)) return '';
  const words = [
    `A bar on the dashed line means that of predictions with this confidence as many are right as they promise. ` +
      `On average they are off by ${percent(evaluation.ece)} (expected calibration error).`,
    calibration
      ? `Calibrated with temperature ${calibration.temperature.toPrecision(3)}: the error went from ${percent(calibration.before.ece)} to ${percent(calibration.after.ece)} on the part it was fitted on.`
      : evaluation.ece > 0.05 && part === 'validation'
        ? 'Train with --calibrate to bring it down.'
        : '',
  ];
  const text = words
    .filter(Boolean)
    .map((text) => `<p>${sentence(text)}</p>`)
    .join('');
  return section(
    'Whether its confidence can be believed',
    `<div class="pair"><figure>${drawReliability(evaluation.reliability)}<figcaption>confidence of the prediction (across), share that is right (up)</figcaption></figure><div>${text}</div></div>`,
  );
}

function gallery(title: string, note: string, shown: readonly ShownExample[]): string {
  if (shown.length === 0) return '';
  const cells = shown.map(({ path, label, prediction, score, picture, text }) => {
    const image = picture ? `<img alt="" src="${escapeXml(picture)}">` : '';
    const guess =
      prediction === label
        ? `<b>${escapeXml(label)}</b>`
        : `<b>${escapeXml(prediction)}</b>, is ${escapeXml(label)}`;
    if (text !== undefined) {
      return `<figure class="text" title="${escapeXml(path)}"><blockquote>${escapeXml(text)}</blockquote>${guess} ${percent(score)}</figure>`;
    }
    return `<figure title="${escapeXml(path)}">${image}${guess} ${percent(score)}<div class="muted">${escapeXml(path.split(/[\\/]/).slice(-2).join('/'))}</div></figure>`;
  });
  return section(
    title,
    `<p class="muted">${escapeXml(note)}</p><div class="examples">${cells.join('')}</div>`,
  );
}

function uses({ uses: list }: RunPage): string {
  if (list.length === 0) return '';
  return section(
    'Use it',
    list.map(([what, command]) => `<p>${escapeXml(what)}</p><pre>${escapeXml(command)}</pre>`).join(''),
  );
}

function pairs(title: string, rows: readonly (readonly [string, string])[]): string {
  if (rows.length === 0) return '';
  const body = rows.map(
    ([key, value]) => `<tr><td>${escapeXml(key)}</td><td class="words">${escapeXml(value)}</td></tr>`,
  );
  return section(title, `<table class="pairs"><tbody>${body.join('')}</tbody></table>`);
}
