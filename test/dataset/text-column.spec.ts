import { expect } from 'chai';
import { TextColumn } from '../../src/dataset/text-column.js';
import { createRng } from '../../src/rng.js';

describe('A column of texts', () => {
  it('gives each text in whatever order it is asked for, also while it grows', () => {
    const rng = createRng(3);
    const texts: string[] = [];
    const column = new TextColumn();
    const grow = (): void => {
      const begin = texts.at(-1)?.slice(0, rng.integer(20)) ?? '';
      const length = rng.integer(10) === 0 ? 700 : rng.integer(40);
      const text = begin + Array.from({ length }, () => 'ab/é漢😀'.at(rng.integer(6)) ?? '').join('');
      texts.push(Buffer.from(text).toString());
      column.push(text);
    };
    for (let i = 0; i < 100; i++) grow();
    let at = 0;
    for (let step = 0; step < 3000; step++) {
      if (rng.integer(10) === 0) grow();
      // On, the same again, back within the block, anywhere.
      at = [at + 1, at, Math.max(0, at - 3), rng.integer(texts.length)][rng.integer(4)]! % texts.length;
      expect(column.at(at), `text ${at}`).to.equal(texts[at]);
    }
  });
});
