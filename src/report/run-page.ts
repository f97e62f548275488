/** A run as one HTML page that stands alone: no script, nothing from outside. Every text from a file is escaped. */
import type { Evaluation } from '../metrics/evaluation.js';
import type { EpochRecord } from '../train/epoch-record.js';
import { type Curve, drawHistory } from './draw-history.js';
import { confusion, figures, perClass, reliability } from './evaluation-sections.js';
import { pageStyle } from './page-style.js';
import { number, percent, scrolling, section, sentence } from './page-text.js';
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

export interface FoundBySearch {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly left: number;
  readonly judged: number;
  readonly why: string;
  /** Drawings by data: addresses. */
  readonly pictures: readonly { readonly title: string; readonly address: string }[];
}

export interface RunPage {
  readonly title: string;
  /** Facts below the title. */
  readonly facts: readonly string[];
  readonly warnings: readonly string[];
  readonly examples: { readonly train: number; readonly validation: number };
  readonly history: readonly EpochRecord[];
  readonly stoppedAt: number;
  /** What the records of the history count: L-BFGS has iterations. */
  readonly step: 'epoch' | 'iteration';
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
  /** Of a run that a search ended with. */
  readonly search?: FoundBySearch | undefined;
  /** Labels of the training part that are probably wrong, and how many there are, as a sentence. */
  readonly labelErrors: readonly ShownExample[];
  readonly suspects?: string | undefined;
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
    search(page),
    curves(page),
    evaluation ? confusion(evaluation) : '',
    evaluation ? perClass(evaluation, page.trainCounts) : '',
    evaluation ? reliability(page) : '',
    gallery('Labels to check', page.suspects ?? '', page.labelErrors),
    gallery('Most confident mistakes', 'A confident mistake is often a wrong label.', page.mistakes),
    gallery(
      'Least confident predictions',
      'More labelled examples like these would help most.',
      page.leastCertain,
    ),
    uses(page),
    pairs('Settings', page.settings),
    pairs('Environment', page.environment),
  ];
  return (
    `<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">` +
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">` +
    `<title>Run ${escapeXml(title)}</title><style>${pageStyle}</style></head><body><main>\n${sections.filter(Boolean).join('\n')}\n</main></body></html>\n`
  );
}

function warnings({ warnings: sentences }: RunPage): string {
  if (sentences.length === 0) return '';
  const items = sentences.map((text) => `<li>${sentence(text)}</li>`).join('');
  return `<section class="warning"><h2>Warnings</h2><ul>${items}</ul></section>`;
}

function search({ search: found }: RunPage): string {
  if (!found) return '';
  const { header, rows, left, why, judged, pictures } = found;
  // A heading without words, as above the mark of the best, is none.
  const cellOf = (text: string, tag: 'td' | 'th'): string =>
    text === '' ? '<td></td>' : `<${tag}>${escapeXml(text)}</${tag}>`;
  const row = (cells: readonly string[], tag: 'td' | 'th'): string =>
    `<tr>${cells.map((cell) => cellOf(cell, tag)).join('')}</tr>`;
  const body = rows.map((cells) => row(cells, 'td')).join('');
  const table = `<table class="search"><thead>${row(header, 'th')}</thead><tbody>${body}</tbody></table>`;
  const more = left > 0 ? `, ${left} of them not shown` : '';
  const drawn = pictures.map(
    ({ title, address }) =>
      `<figure><img class="chart" alt="${escapeXml(title)}" src="${escapeXml(address)}"></figure>`,
  );
  return section(
    'Search',
    `${scrolling('Candidates of the search', table)}<p class="muted">${escapeXml(why)}; ${judged} candidates compared${more}.</p>` +
      (drawn.length > 0 ? drawn.join('') : ''),
  );
}

type ChartedFigure = 'loss' | 'accuracy' | 'macroF1' | 'rmse';

function curves({ history, stoppedAt, step, evaluation }: RunPage): string {
  if (history.length < 2) return '';
  const parts = (['train', 'validation'] as const).filter((part) => history.some((record) => record[part]));
  const chart = (title: string, key: ChartedFigure, format = number): string => {
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
    const svg = drawHistory({
      title,
      step,
      curves: drawn,
      isShare: format === percent,
      format,
      kept: stoppedAt,
    });
    return `<figure><figcaption>${escapeXml(title)}</figcaption>${svg}</figure>`;
  };
  const names = parts.map((part) => `<span><i style="background:var(--${part})"></i>${part}</span>`);
  const key = `<p class="key muted">${names.join('')}<span>dashed line: the ${step} whose weights were kept</span></p>`;
  const ofTask = {
    single: () => chart('accuracy', 'accuracy', percent),
    ordered: () => chart('accuracy', 'accuracy', percent),
    multi: () => chart('macro F1', 'macroF1', percent),
    regression: () => chart('RMSE', 'rmse'),
  };
  const charts = [chart('loss', 'loss'), ofTask[evaluation?.task ?? 'single']()];
  return section('Training curves', `<div class="pair">${charts.join('')}</div>${key}`);
}

function gallery(title: string, note: string, shown: readonly ShownExample[]): string {
  if (shown.length === 0) return '';
  const cells = shown.map(({ path, label, prediction, score, picture, text }) => {
    const image = picture ? `<img alt="" src="${escapeXml(picture)}">` : '';
    const guess =
      prediction === label
        ? `<b>${escapeXml(label)}</b> ${percent(score)}`
        : `<b>${escapeXml(prediction)}</b> ${percent(score)}<div>label: <b>${escapeXml(label)}</b></div>`;
    if (text !== undefined) {
      return `<figure class="text" title="${escapeXml(path)}"><blockquote>${escapeXml(text)}</blockquote>${guess}</figure>`;
    }
    return `<figure title="${escapeXml(path)}">${image}${guess}<div class="muted">${escapeXml(path.split(/[\\/]/).slice(-2).join('/'))}</div></figure>`;
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
