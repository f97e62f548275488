/** Pairs of texts in tables of every kind, to be trained on and to be labelled. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import type { Dataset } from '../../src/dataset/dataset.js';
import { type DataOptions, readDataset } from '../../src/dataset/read-dataset.js';
import { readTableInputs, type TableInputOptions } from '../../src/dataset/table-inputs.js';
import { silentLogger } from '../../src/logger.js';
import { readSource } from '../../src/sources/read-source.js';
import { bytesOfText, dividePair, type TextPair } from '../../src/sources/text-pair.js';

const decoder = new TextDecoder();

describe('Pairs of texts', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-pairs-'));
  after(() => rmSync(scratch, { recursive: true }));
  const place = (name: string, content: string): string => {
    const file = path.join(scratch, name);
    writeFileSync(file, content);
    return file;
  };
  const parquet = (
    name: string,
    columns: Readonly<Record<string, readonly (string | null)[]>>,
    asBytes = false,
  ) => {
    const filename = path.join(scratch, name);
    const columnData = Object.entries(columns).map(([column, values]) => {
      const isBytes = asBytes && column !== 'label';
      const data = isBytes ? values.map((value) => Buffer.from(value ?? '')) : [...values];
      return { name: column, data, type: isBytes ? ('BYTE_ARRAY' as const) : ('STRING' as const) };
    });
    parquetWriteFile({ filename, columnData });
    return filename;
  };
  const contents = async ({ examples }: Dataset): Promise<Uint8Array[]> => {
    const read = [];
    for (const example of examples) read.push((await readSource(example)).bytes);
    return read;
  };
  const asTexts = (bytes: Uint8Array): string[] | undefined =>
    dividePair(bytes)?.map((part) => decoder.decode(part));
  const refusal = (data: string, options: DataOptions = {}): Promise<string> =>
    readDataset(data, options).then(String, String);

  const rows: readonly TextPair[] = [
    [' a ', 'b,c'],
    ['a', ' b,c'],
    ['é\n"x"', 'y'],
  ];
  const labels = ['x', 'y', 'x'];
  const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const csv = rows.map(([a, b], i) => `${quote(a)},${quote(b)},${labels[i]}`).join('\n');
  const columns = { premise: rows.map(([a]) => a), hypothesis: rows.map(([, b]) => b), label: labels };
  const jsonl = rows
    .map(([a, b], i) => JSON.stringify({ premise: a, hypothesis: b, label: labels[i] }))
    .join('\n');
  const files: readonly [what: string, file: () => string, options: DataOptions][] = [
    ['a CSV table', () => place('a.csv', `premise,hypothesis,label\n${csv}\n`), {}],
    ['a CSV table in capitals', () => place('b.csv', `Premise,Hypothesis,Label\n${csv}\n`), {}],
    [
      'a table without a header',
      () => place('c.csv', csv),
      { textColumn: '0,1', labelColumn: '2', header: false },
    ],
    ['a list of JSON objects', () => place('d.jsonl', jsonl), { textColumn: 'premise, hypothesis' }],
    ['a Parquet file', () => parquet('e.parquet', columns), {}],
    [
      'a Parquet file of bytes',
      () => parquet('f.parquet', columns, true),
      { textColumn: 'premise,hypothesis' },
    ],
  ];
  for (const [what, file, options] of files) {
    it(`are read from ${what} with their white space, to the same bytes`, async () => {
      const dataset = await readDataset(file(), options);
      expect(dataset.kind).to.equal('pairs');
      const found = await contents(dataset);
      expect(found.map(asTexts)).to.deep.equal(rows);
      expect(found).to.deep.equal(rows.map(bytesOfText));
    });
  }

  it('have a key that no text has, nor the same letters divided elsewhere', () => {
    const examples = [
      ['ab', 'c'],
      ['a', 'bc'],
      ['', 'abc'],
      ['abc', ''],
      'abc',
      'ab\u00ffc',
      'ab\u0000c',
    ] as const;
    const keys = examples.map((text) => createHash('sha256').update(bytesOfText(text)).digest('hex'));
    expect(new Set(keys).size).to.equal(examples.length);
    for (const [i, text] of examples.entries())
      expect(asTexts(bytesOfText(text))).to.deep.equal(typeof text === 'string' ? undefined : examples[i]);
  });

  it('of which one text is missing are left out, and said', async () => {
    const said: string[] = [];
    const logger = { ...silentLogger, warn: (message: string) => said.push(message) };
    const file = place('gaps.csv', 'text_a,text_b,label\na,b,x\n,b,x\na, ,y\nc,d,y\n');
    const dataset = await readDataset(file, {}, logger);
    expect((await contents(dataset)).map(asTexts)).to.deep.equal([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(said).to.deep.equal([
      `1 row of ${file} without text_a left out, the first one row 3.`,
      `1 row of ${file} without text_b left out, the first one row 4.`,
    ]);
  });

  it('are no column whose own name has a comma, nor columns beside those of single texts', async () => {
    const comma = place('comma.csv', '"a,b",c,label\none,two,x\nthree,four,y\n');
    expect((await readDataset(comma, { textColumn: 'a,b' })).kind).to.equal('texts');
    const beside = place('beside.csv', 'sentence1,sentence2,text,label\na,b,c,x\nd,e,f,y\n');
    const dataset = await readDataset(beside);
    expect((await contents(dataset)).map((bytes) => decoder.decode(bytes))).to.deep.equal(['c', 'f']);
  });

  it('are refused where a data set holds single texts too', async () => {
    mkdirSync(path.join(scratch, 'mixed'));
    place('mixed/train.csv', 'premise,hypothesis,label\na,b,x\nc,d,y\n');
    const test = place('mixed/test.csv', 'text,label\na,x\nc,y\n');
    expect(await refusal(path.dirname(test))).to.match(
      /The tables before .* hold (texts|pairs), but of this one .*name the same columns in all with --text-column/,
    );
    mkdirSync(path.join(scratch, 'shards'));
    parquet('shards/test.parquet', { text: ['a', 'b'], label: ['x', 'y'] });
    parquet('shards/train.parquet', columns);
    expect(await refusal(path.join(scratch, 'shards'))).to.match(
      /The files before .* hold (texts, but this one pairs|pairs)/,
    );
  });

  it('to be labelled are found by their usual names or by place, and asked for where there are none', async () => {
    const collect = async (file: string, options: TableInputOptions = {}): Promise<unknown[]> => {
      const found = [];
      for await (const { source, error } of readTableInputs(file, 'pairs', options, silentLogger))
        found.push(error?.message ?? asTexts((await readSource({ path: file, source })).bytes));
      return found;
    };
    const header = place('in.csv', 'id,question1,question2\n1,a,b\n2,,d\n');
    expect(await collect(header)).to.deep.equal([['a', 'b'], `There is no pair in row 3 of ${header}.`]);
    expect(await collect(place('in.tsv', 'a\tb\tx\n'), { header: false })).to.deep.equal([['a', 'b']]);
    expect(await collect(parquet('in.parquet', columns))).to.deep.equal(rows);
    expect(
      await collect(parquet('bytes.parquet', columns, true), { textColumn: 'hypothesis,premise' }),
    ).to.deep.equal(rows.map(([a, b]) => [b, a]));
    const other = place('other.csv', 'text,label\na,b\n');
    expect(await collect(other).catch(String)).to.match(
      /has no two columns .* name them with --text-column a,b/,
    );
    expect(await collect(other, { textColumn: 'text' }).catch(String)).to.match(
      /takes pairs of texts; name two columns with --text-column a,b/,
    );
  });
});
