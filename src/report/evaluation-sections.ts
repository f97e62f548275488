/** What a page says of an evaluation: its figures, what was taken for what, each class, and whether to believe it. */
import type { Evaluation } from '../metrics/evaluation.js';
import { drawConfusion } from './draw-confusion.js';
import { drawReliability } from './draw-reliability.js';
import { name, number, percent, scrolling, section, sentence } from './page-text.js';
import type { RunPage } from './run-page.js';
import { escapeXml } from './svg-elements.js';

export function figures({ evaluation, examples, part, crossValidation }: RunPage): string {
  if (!evaluation) return '';
  const of = (value: number, interval?: { low: number; high: number }, show = percent) =>
    [show(value), interval && `${show(interval.low)} to ${show(interval.high)}`] as const;
  const cards: (readonly [string, readonly [string, string | undefined]])[] = [];
  if (evaluation.task === 'regression') {
    const { r2, mae, rmse, intervals } = evaluation;
    // Of one example there is none.
    if (r2 !== null) cards.push(['R²', of(r2, undefined, number)]);
    cards.push(['mean absolute error', of(mae, intervals?.mae, number)]);
    cards.push(['RMSE', of(rmse, intervals?.rmse, number)]);
  } else if (evaluation.task === 'multi') {
    const { accuracy, macroF1, microF1, loss, ece } = evaluation;
    cards.push(['all labels right', of(accuracy)], ['macro F1', of(macroF1)], ['micro F1', of(microF1)]);
    cards.push(['loss', of(loss, undefined, number)], ['calibration error', of(ece)]);
  } else {
    const { accuracy, macroF1, loss, ece, intervals } = evaluation;
    cards.push(
      ['accuracy', of(accuracy, intervals?.accuracy)],
      ['macro F1', of(macroF1, intervals?.macroF1)],
    );
    cards.push(['loss', of(loss, intervals?.loss, number)], ['calibration error', of(ece)]);
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

export function confusion(evaluation: Evaluation): string {
  if (!('confusedPairs' in evaluation)) return '';
  const { svg, omitted } = drawConfusion(evaluation.confusion, evaluation.classes);
  const note =
    'Rows: labels. Columns: predictions. A stronger colour is a larger share of the row.' +
    (omitted > 0 ? ` ${omitted} classes with fewer confusions are left out.` : '');
  const rows = evaluation.confusedPairs.map(
    ({ label, prediction, examples, share }) =>
      `<tr><td>${name(label)}</td><td class="words">${name(prediction)}</td><td>${examples}</td><td>${percent(share)}</td></tr>`,
  );
  const list =
    rows.length === 0
      ? '<p>No class is confused with another.</p>'
      : '<h3>Most frequent confusions</h3>' +
        scrolling(
          'Most frequent confusions',
          `<table><thead><tr><th>label</th><th class="words">prediction</th><th>examples</th><th>share of the label</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
        );
  return section('Confusion matrix', `<p class="muted">${note}</p>${svg}${list}`);
}

export function perClass(evaluation: Evaluation, trainCounts: readonly number[]): string {
  if (evaluation.task === 'regression') {
    const rows = evaluation.perClass.map(
      ({ label, r2, mae, rmse }) =>
        `<tr><td>${escapeXml(label)}</td><td>${r2?.toFixed(4) ?? '–'}</td><td>${number(mae)}</td><td>${number(rmse)}</td></tr>`,
    );
    return section(
      'Metrics of each number',
      `<table><thead><tr><th>number</th><th>R²</th><th>MAE</th><th>RMSE</th></tr></thead><tbody>${rows.join('')}</tbody></table>`,
    );
  }
  const rows = evaluation.perClass
    .map((row, c) => ({ ...row, trained: trainCounts[c] ?? 0 }))
    // Of a class without examples the shares, all 0, say nothing of the model.
    .sort((a, b) => Number(a.support === 0) - Number(b.support === 0) || a.f1 - b.f1)
    .map(({ label, precision, recall, f1, support, trained }) => {
      const [exact, found, both] = [precision, recall, f1].map((share) =>
        support === 0 ? '–' : percent(share),
      );
      return (
        `<tr><td>${name(label)}</td><td>${exact}</td><td>${found}</td>` +
        `<td><span class="share" style="width:${Math.round(60 * f1)}px"></span>${both}</td><td>${support}</td><td>${trained}</td></tr>`
      );
    });
  const what = evaluation.task === 'multi' ? 'label' : 'class';
  const title = `Metrics of each ${what}, lowest F1 first`;
  const head = `<tr><th>${what}</th><th>precision</th><th>recall</th><th>F1</th><th>examples</th><th>in training</th></tr>`;
  return section(
    title,
    scrolling(title, `<table><thead>${head}</thead><tbody>${rows.join('')}</tbody></table>`),
  );
}

export function reliability({ evaluation, calibration, part }: RunPage): string {
  if (!evaluation || !('reliability' in evaluation)) return '';
  const words = [
    `On the dashed line, confidence equals accuracy. A bar below it means overconfident predictions, a bar above it underconfident ones. ` +
      `The expected calibration error, their mean gap, is ${percent(evaluation.ece)}.`,
    calibration
      ? `Calibrated with temperature ${calibration.temperature.toPrecision(3)}: the error went from ${percent(calibration.before.ece)} to ${percent(calibration.after.ece)} on the part it was fitted on.`
      : evaluation.ece > 0.05 && part === 'validation' && evaluation.task === 'single'
        ? 'Train with --calibrate to reduce it.'
        : '',
  ];
  const text = words
    .filter(Boolean)
    .map((text) => `<p>${sentence(text)}</p>`)
    .join('');
  return section(
    'Calibration',
    `<div class="pair"><figure>${drawReliability(evaluation.reliability)}<figcaption>across: confidence of the prediction; up: share of correct predictions</figcaption></figure><div>${text}</div></div>`,
  );
}
