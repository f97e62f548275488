import { expect } from 'chai';
import { createRng } from '../../src/rng.js';
import { addRows, addSquares, scaleRows, transpose } from '../../src/simd/matrix-rows.js';

const rng = createRng(4);
const draw = (length: number): Float64Array => Float64Array.from({ length }, () => 3 + rng.normal());

/** Of each column: what `term` gives, four rows at a time. */
function sums(
  values: Float32Array,
  columns: number,
  term: (value: number, column: number) => number,
): Float64Array {
  const rows = values.length / columns;
  const at = (row: number, column: number): number => term(values[row * columns + column]!, column);
  return new Float64Array(columns).map((_, column) => {
    let sum = 0;
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      sum += at(row, column) + at(row + 1, column) + (at(row + 2, column) + at(row + 3, column));
    }
    for (; row < rows; row++) sum += at(row, column);
    return sum;
  });
}

// Fewer than four of each; one chunk and part of another; many chunks; rows longer than a chunk.
for (const [rows, columns] of [
  [3, 1],
  [5, 3],
  [1027, 64],
  [2050, 517],
  [6, 40_001],
] as const) {
  describe(`Passes over ${rows} rows of ${columns}`, () => {
    const values = new Float32Array(draw(rows * columns));
    const mean = sums(values, columns, (value) => value).map((sum) => sum / rows);

    it('add rows up as a loop in float64 does, to the last bit', () => {
      const found = new Float64Array(columns);
      addRows(values, found);
      expect(found).to.deep.equal(sums(values, columns, (value) => value));
    });

    it('add squares of differences up so', () => {
      const found = new Float64Array(columns);
      addSquares(values, mean, found);
      expect(found).to.deep.equal(sums(values, columns, (value, column) => (value - mean[column]!) ** 2));
    });

    it('scale each column, in place or elsewhere', () => {
      const factor = draw(columns);
      const wanted = values.map((value, i) => (value - mean[i % columns]!) * factor[i % columns]!);
      const elsewhere = new Float32Array(values.length);
      scaleRows(values, mean, factor, elsewhere);
      expect(elsewhere).to.deep.equal(wanted);
      const inPlace = values.slice();
      scaleRows(inPlace, mean, factor, inPlace);
      expect(inPlace).to.deep.equal(wanted);
    });

    it('turn rows into columns', () => {
      const turned = new Float32Array(values.length);
      transpose(values, columns, turned);
      const wanted = turned.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
      expect(turned).to.deep.equal(wanted);
    });
  });
}
