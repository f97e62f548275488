/** What `--learning-curve` and `--lr-find` write into the run folder. */
import path from 'node:path';
import { type Curve, drawCurves } from '../report/draw-curves.js';
import { formatFigure } from '../tasks/describe-score.js';
import type { FigureName } from '../tasks/task.js';
import type { RateTest } from '../train/find-rate.js';
import { errorAt, type LearningCurve } from '../train/learning-curve.js';
import { writeDurably } from '../write-durably.js';
import { runFiles } from './run-folder.js';
import type { TuneReport } from './tuning-run.js';

export interface Measured {
  readonly learningCurve?: LearningCurve;
  readonly lrFind?: RateTest;
}

const blue = '#2563eb';
const orange = '#ea580c';
const pale = '#9db8f5';

/** What a search measured beside its candidates, with the files that show it. */
export async function drawPlots(
  folder: string,
  { learningCurve, lrFind }: Measured,
  figure: FigureName,
): Promise<Pick<TuneReport, 'learningCurve' | 'lrFind'>> {
  return {
    ...(learningCurve && {
      learningCurve: { ...learningCurve, svg: await drawLearningCurve(folder, learningCurve, figure) },
    }),
    ...(lrFind && { lrFind: { ...lrFind, svg: await drawRateTest(folder, lrFind) } }),
  };
}

/** @returns the file */
async function drawLearningCurve(
  folder: string,
  { sizes, law, twice, verdict }: LearningCurve,
  figure: FigureName,
): Promise<string> {
  const first = sizes[0]!.examples;
  const dots = Array.from({ length: 40 }, (_, i) => first * (twice.examples / first) ** (i / 39));
  const curves: Curve[] = [
    {
      name: 'training',
      colour: orange,
      markers: true,
      points: sizes.map(({ examples, train }) => ({ x: examples, y: train })),
    },
    {
      name: 'fitted power law',
      colour: pale,
      dashed: true,
      points: dots.map((x) => ({ x, y: 1 - errorAt(law, x) })),
    },
    {
      name: 'held out, ± standard deviation over folds',
      colour: blue,
      markers: true,
      points: sizes.map(({ examples, mean, std }) => ({ x: examples, y: mean, spread: std })),
    },
  ];
  const file = path.join(folder, runFiles.learningCurve);
  await writeDurably(
    file,
    drawCurves({
      title: `Learning curve: ${verdict}`,
      subtitle: describeCurve({ sizes, law, twice, verdict }, figure),
      xTitle: 'training examples',
      yTitle: figure,
      isLogX: true,
      curves,
      marks: [{ x: sizes.at(-1)!.examples, label: 'all training examples of a fold' }],
      labelMarksAt: 'bottom',
      formatY: (y) => formatFigure(figure, y),
    }),
  );
  return file;
}

/** @example 'With 1650 examples 96.1 % ± 0.9 %; 3300 would give about 97.0 %.' */
function describeCurve({ sizes, twice }: LearningCurve, figure: FigureName): string {
  const last = sizes.at(-1)!;
  const show = (value: number): string => formatFigure(figure, value);
  return `With ${last.examples} examples ${show(last.mean)} ± ${show(last.std)}; ${twice.examples} would give about ${show(twice.mean)}.`;
}

/** @returns the file */
async function drawRateTest(folder: string, test: RateTest): Promise<string> {
  const { points, solver, steepest, tenthOfLowest, suggestion } = test;
  const file = path.join(folder, runFiles.rateTest);
  await writeDurably(
    file,
    drawCurves({
      title: `Learning-rate range test with ${solver}: take ${suggestion}`,
      subtitle:
        'The rate rises with every batch. The loss falls while the rate is useful and rises once it is too high.',
      xTitle: 'learning rate',
      yTitle: 'loss',
      isLogX: true,
      curves: [
        {
          name: 'each batch',
          colour: pale,
          clipped: true,
          points: points.map(({ lr, loss }) => ({ x: lr, y: loss })),
        },
        {
          name: 'smoothed',
          colour: blue,
          points: points.map(({ lr, smoothed }) => ({ x: lr, y: smoothed })),
        },
      ],
      marks: [
        { x: steepest, label: `steepest fall: ${steepest.toPrecision(2)}` },
        {
          x: tenthOfLowest,
          label: `a tenth of the rate of the lowest loss: ${tenthOfLowest.toPrecision(2)}`,
        },
      ],
      formatX: (x) => (x >= 0.001 ? String(x) : x.toExponential(0)),
    }),
  );
  return file;
}
