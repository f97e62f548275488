import { expect } from 'chai';
import { ExampleCollector } from '../../src/dataset/collect-examples.js';
import type { Example } from '../../src/dataset/dataset.js';
import { TextColumn } from '../../src/dataset/text-column.js';
import { createRng } from '../../src/rng.js';

describe('TextColumn', () => {
  it('gives back every text, whatever it has in common with its neighbours', () => {
    const rng = createRng(5);
    const letters = ['a', '/', '.', 'ü', '雪', '🦊', '\0', '\n'];
    const texts = ['', ''];
    for (let i = 0; i < 3000; i++) {
      const kept = texts.at(-1)!.slice(0, rng.integer(texts.at(-1)!.length + 1));
      // A cut within a surrogate pair would leave half of it.
      const start = Buffer.from(kept)
        .toString()
        .replace(/\uFFFD$/, '');
      const added = Array.from(
        { length: rng.integer(rng.uniform() < 0.05 ? 700 : 6) },
        () => letters[rng.integer(letters.length)]!,
      );
      texts.push(rng.uniform() < 0.02 ? added.join('') : start.slice(0, 4000) + added.join(''));
    }
    const column = new TextColumn();
    for (const text of texts) column.push(text);
    expect(column.length).to.equal(texts.length);
    const order = rng.shuffle(Array.from(texts.keys()));
    for (const i of order) expect(column.at(i), `text ${i}`).to.equal(texts[i]);
  });
});

describe('ExampleList', () => {
  const plain = (examples: Iterable<Example>) =>
    Array.from(examples, ({ path, label, split, group, source }) => ({ path, label, split, group, source }));

  const added: {
    label: string;
    example: { path: string; source?: Example['source'] };
    split?: 'train' | 'test';
    group?: string;
  }[] = [
    { label: 'dog', example: { path: '/p/1.jpg' } },
    { label: 'cat', example: { path: '/p/2.jpg' }, split: 'test' },
    { label: 'ape', example: { path: 'http://h/3', source: { kind: 'url', url: 'http://h/3' } }, group: 'b' },
    {
      label: 'cat',
      example: { path: '/t.tar/4', source: { kind: 'slice', file: '/t.tar', start: 2 ** 40, length: 9 } },
      group: 'a',
    },
    {
      label: 'dog',
      example: { path: '/q#7', source: { kind: 'parquet', file: '/q', column: 'image.bytes', row: 7 } },
      split: 'train',
      group: 'b',
    },
    { label: 'ape', example: { path: '/p/6.jpg' } },
  ];
  const expected = added.map(({ label, example, split, group }) => ({
    path: example.path,
    label: ['ape', 'cat', 'dog'].indexOf(label),
    split,
    group: group === undefined ? undefined : ['b', 'a'].indexOf(group),
    source: example.source,
  }));
  const collect = () => {
    const collector = new ExampleCollector();
    for (const { label, example, split, group } of added) collector.add(label, example, split, group);
    return collector.finish('/').examples;
  };

  it('gives back what was collected: paths, labels by the names of classes, parts, groups and places of bytes', () => {
    expect(plain(collect())).to.deep.equal(expected);
  });

  it('holds a choice of a choice of rows, and other labels, without touching the list they are from', () => {
    const list = collect();
    const chosen = list.choose([5, 3, 1, 0]).slice(1, 4);
    expect(plain(chosen)).to.deep.equal([expected[3], expected[1], expected[0]]);
    expect(plain(chosen.relabel([20, 10, 0])).map(({ label }) => label)).to.deep.equal([10, 10, 0]);
    expect(list.rowsWhere(({ label }) => label === 1)).to.deep.equal([1, 3]);
    expect(plain(list)).to.deep.equal(expected);
  });

  it('refuses a row that is not there', () => {
    for (const row of [-1, 3, Number.NaN])
      expect(() => collect().slice(0, 3).at(row)).to.throw(/row below 3/);
  });
});
