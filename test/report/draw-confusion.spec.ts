import { expect } from 'chai';
import { drawConfusion } from '../../src/report/draw-confusion.js';

describe('The drawing of a confusion matrix', () => {
  const classes = Array.from({ length: 200 }, (_, c) => `class ${c}`);
  /** One example of each class, right but for those given. */
  const matrix = (mistakes: Readonly<Record<number, number>>): number[][] =>
    classes.map((_, label) => classes.map((_, c) => (c === (mistakes[label] ?? label) ? 1 : 0)));
  const isDrawn = (svg: string, c: number): boolean => svg.includes(`<title>class ${c}</title>`);

  it('of many classes shows both of those that are confused', () => {
    // As many mistakes as classes that are drawn, each with one that would come later by its number.
    const mistakes = Object.fromEntries(Array.from({ length: 60 }, (_, c) => [c, 199 - c]));
    const { svg, omitted } = drawConfusion(matrix(mistakes), classes);
    expect(omitted).to.equal(140);
    expect(svg.match(/class="wrong"/g)).to.have.length(30);
    for (let c = 0; c < 30; c++) expect([isDrawn(svg, c), isDrawn(svg, 199 - c)]).to.deep.equal([true, true]);
  });

  it('shows the most confused of many first', () => {
    const rows = matrix({});
    rows[150]![170] = 9;
    const { svg } = drawConfusion(rows, classes);
    expect([isDrawn(svg, 150), isDrawn(svg, 170), isDrawn(svg, 0)]).to.deep.equal([true, true, true]);
    expect(isDrawn(svg, 190)).to.equal(false);
  });

  it('is the same of rows that hold what is not 0 alone', () => {
    const rows = matrix({ 3: 150, 4: 150, 199: 0 });
    const sparse = rows.map((row) => Object.fromEntries([...row.entries()].filter(([, n]) => n > 0)));
    expect(drawConfusion(sparse, classes)).to.deep.equal(drawConfusion(rows, classes));
  });

  it('shows of long names what there is room for: of ideographs half as many as of letters', () => {
    const names = ['日本語のとても長い名前のクラス', 'a name of thirty letters or so'];
    const { svg } = drawConfusion(
      [
        [1, 0],
        [0, 1],
      ],
      names,
    );
    expect(svg).to.include('</title>…長い名前のクラス<').and.include('</title>…rty letters or so<');
  });
});
