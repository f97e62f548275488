/** The page of a run in a real browser: what a reader sees of it, on a telephone too. */
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { evaluateOutputs } from '../../src/metrics/evaluation.js';
import { renderRunPage, type RunPage } from '../../src/report/run-page.js';
import { createRng } from '../../src/rng.js';
import { openBrowser } from '../open-browser.js';

/** A run with long names of classes and some mistakes. */
function madeUpPage(classCount: number): RunPage {
  const rng = createRng(3);
  const rows = 8 * classCount;
  const labels = Int32Array.from({ length: rows }, (_, row) => row % classCount);
  const outputs = new Float32Array(rows * classCount).fill(0.1 / classCount);
  for (const [row, label] of labels.entries())
    outputs[row * classCount + (rng.uniform() < 0.7 ? label : rng.integer(classCount))]! += 0.9;
  const classes = Array.from({ length: classCount }, (_, c) => `card_payment_not_recognised_${c}`);
  const epochs = [1, 2, 3, 4];
  return {
    title: 'first',
    facts: ['a.onnx', '4 classes'],
    warnings: ['Try a larger --l2, more examples, or another --layer.'],
    examples: { train: rows, validation: 0 },
    history: epochs.map((epoch) => ({
      epoch,
      objective: 1 / epoch,
      train: { loss: 1 / epoch, accuracy: 1 - 0.5 / epoch },
    })),
    stoppedAt: 4,
    step: 'epoch',
    part: 'train',
    evaluation: evaluateOutputs({ task: 'single', outputs, classes, labels }),
    trainCounts: classes.map(() => 8),
    labelErrors: [],
    mistakes: [],
    leastCertain: [],
    settings: [['standardize', 'true']],
    environment: [['onnxruntime', '1.30.0']],
    uses: [
      ['Labels for new images:', `graft predict --model /${'long-folder/'.repeat(6)}model.onnx PHOTO.jpg`],
    ],
  };
}

describe('the page of a run', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;
  before(async function () {
    browser = await openBrowser(this);
    page = await browser.newPage({ viewport: { width: 390, height: 800 } });
    await page.setContent(renderRunPage(madeUpPage(50)));
  });
  after(() => browser?.close());

  it('has the names of fifty classes beside their rows, none cut off and none over another', async () => {
    const names = await page.evaluate<{ x: number; y: number; height: number }[]>(`
      [...document.querySelectorAll('svg[aria-label="Confusion matrix"] > text[x]')].map((text) => {
        const { x, y, height } = text.getBBox();
        return { x, y, height };
      })`);
    expect(names).to.have.length(50);
    expect(Math.min(...names.map(({ x }) => x))).to.be.at.least(0);
    for (const [i, { y }] of names.slice(1).entries())
      expect(y - names[i]!.y, `from row ${i} to the next`).to.be.at.least(0.75 * names[i]!.height);
  });

  it('has round numbers beside its charts, of losses and of shares', async () => {
    const numbers = await page.evaluate<string[][]>(`
      [...document.querySelectorAll('svg[aria-label$="by epoch"]')].map((svg) =>
        [...svg.querySelectorAll('text[text-anchor="end"]')].map((text) => text.textContent))`);
    expect(numbers).to.deep.equal([
      ['0.2', '0.4', '0.6', '0.8', '1'],
      ['50%', '60%', '70%', '80%', '90%'],
    ]);
  });

  it('is no wider than a telephone, shows whole commands, and tears no word of a setting', async () => {
    const [width, hidden, rows, lines] = await page.evaluate<[number, number[], number[], number[]]>(`[
      document.documentElement.scrollWidth,
      [...document.querySelectorAll('pre')].map((pre) => pre.scrollWidth - pre.clientWidth),
      [...document.querySelectorAll('.pairs td:first-child')].map((cell) => cell.clientHeight),
      [...document.querySelectorAll('.flag')].map((flag) => flag.getClientRects().length),
    ]`);
    expect(width).to.equal(390);
    expect(hidden).to.deep.equal([0]);
    expect(Math.max(...rows), 'height of a row').to.be.below(40);
    expect(lines).to.deep.equal([1, 1]);
  });

  it('lets long tables be reached and named with the keyboard', async () => {
    const regions = await page.evaluate<[number, string][]>(
      `[...document.querySelectorAll('.scroll')].map((region) => [region.tabIndex, region.getAttribute('aria-label')])`,
    );
    expect(regions).to.deep.equal([
      [0, 'Most frequent confusions'],
      [0, 'Metrics of each class, lowest F1 first'],
    ]);
  });

  it('shows names in any script whole, and the figure beside one that turns the direction of writing as it is', async () => {
    const turned = '\u202eTurned';
    const other = await browser.newPage({ viewport: { width: 390, height: 800 } });
    try {
      const shown = { path: 'a/1.png', label: turned, prediction: turned, score: 0.904 };
      const leastCertain = [shown, { ...shown, text: 'so good 🐱 𠮷', label: '🐱' }];
      await other.setContent(renderRunPage({ ...madeUpPage(3), leastCertain }));
      const [first, second] = await other.locator('.examples figure').allTextContents();
      expect(first).to.contain(`${turned} 90.4 %`);
      expect(second).to.contain('so good 🐱 𠮷').and.contain(`${turned} 90.4 %label: 🐱`);
      const places = await other.evaluate<number[][]>(`
        [...document.querySelectorAll('.examples figure')].map((figure) => {
          const node = [...figure.childNodes].find((child) => child.nodeType === 3 && child.data.includes('90.4 %'));
          return [...'904'].map((digit) => {
            const range = document.createRange();
            const at = node.data.indexOf(digit);
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            return range.getBoundingClientRect().x;
          });
        })`);
      for (const [nine, zero, four] of places) {
        expect(nine!).to.be.below(zero!);
        expect(zero!).to.be.below(four!);
      }
    } finally {
      await other.close();
    }
  });

  it('cuts no figure off beside an axis, however small or large a loss is, nor in its tile', async () => {
    const other = await browser.newPage({ viewport: { width: 360, height: 800 } });
    try {
      for (const unit of [1.234e-9, 1.234e-4, 0.01234, 1234, 1.234e9]) {
        const made = madeUpPage(3);
        const history = made.history.map((record) => ({
          ...record,
          train: { ...record.train, loss: record.train.loss * unit },
        }));
        const evaluation = { ...made.evaluation!, loss: unit };
        await other.setContent(renderRunPage({ ...made, history, evaluation }));
        const [starts, hidden] = await other.evaluate<[number[], number[]]>(`[
          [...document.querySelectorAll('svg[aria-label^="loss"] text')].map((text) => text.getBBox().x),
          [...document.querySelectorAll('.figure')].map((tile) => tile.scrollWidth - tile.clientWidth),
        ]`);
        expect(Math.min(...starts), `axis of ${unit}`).to.be.at.least(0);
        expect(Math.max(...hidden), `tile of ${unit}`).to.equal(0);
      }
    } finally {
      await other.close();
    }
  });

  it('of a run that held nothing out names no validation and no way to calibrate on it', async () => {
    expect(await page.innerText('.key')).to.match(/^train\s*dashed line/);
    expect(await page.innerText('main')).not.to.contain('--calibrate');
  });
});
