/** The plots of a search in a real browser. */
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { drawCurves } from '../../src/report/draw-curves.js';
import { openBrowser } from '../open-browser.js';

describe('The plot of a search', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;
  before(async function () {
    browser = await openBrowser(this);
    page = await browser.newPage({ colorScheme: 'dark' });
    await page.setContent(
      drawCurves({
        title: 'Range test',
        xTitle: 'learning rate',
        yTitle: 'loss',
        isLogX: true,
        curves: [
          { name: 'each batch', colour: 'red', clipped: true, points: [1e-6, 1e-4, 1].map(outlier) },
          { name: 'smoothed', colour: 'blue', points: [1e-6, 1e-4, 1].map((x) => ({ x, y: 1 + x })) },
        ],
        marks: [
          { x: 0.0089, label: 'a tenth of the lowest: 0.0089' },
          { x: 0.0056, label: 'steepest fall: 0.0056' },
        ],
      }),
    );
  });
  after(() => browser?.close());

  it('has no line of a mark through the label of another', async () => {
    const [labels, lines] = await page.evaluate<[{ x: number; width: number }[], number[]]>(`[
      [...document.querySelectorAll('text.on')].map((text) => { const { x, width } = text.getBBox(); return { x, width }; }),
      [...document.querySelectorAll('line[stroke-dasharray="4 4"]')].map((line) => line.x1.baseVal.value),
    ]`);
    expect(labels).to.have.length(2);
    for (const { x, width } of labels)
      for (const line of lines)
        expect(line < x || line > x + width, `${line} in ${x}, ${width}`).to.equal(true);
  });

  it('keeps to the range of the smoothed loss, whatever single batches do', async () => {
    const numbers = await page.locator('text[text-anchor="end"]:not(.on)').allTextContents();
    expect(Math.max(...numbers.map(Number))).to.equal(2);
  });

  it('is dark where the reader prefers that, its words light', async () => {
    const [ground, words] = await page.evaluate<string[]>(
      `['.ground', 'text'].map((name) => getComputedStyle(document.querySelector(name)).fill)`,
    );
    expect(ground).to.equal('rgb(26, 32, 39)');
    expect(words).to.equal('rgb(195, 204, 214)');
  });
});

function outlier(x: number): { x: number; y: number } {
  return { x, y: x === 1e-4 ? 50 : 1 };
}
