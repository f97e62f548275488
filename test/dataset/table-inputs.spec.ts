import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import { readTableInputs, type TableInput } from '../../src/dataset/table-inputs.js';
import { messageOf } from '../../src/errors.js';
import { silentLogger } from '../../src/logger.js';
import { readSource } from '../../src/sources/read-source.js';

describe('Rows of a Parquet file that are to be labelled', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-inputs-'));
  after(() => rmSync(scratch, { recursive: true }));

  const collect = async (
    file: string,
    kind: 'images' | 'texts',
    options: Parameters<typeof readTableInputs>[2] = {},
  ): Promise<TableInput[]> => {
    const found: TableInput[] = [];
    for await (const input of readTableInputs(file, kind, options, silentLogger)) found.push(input);
    return found;
  };
  const write = (name: string, columnData: Parameters<typeof parquetWriteFile>[0]['columnData']): string => {
    const filename = path.join(scratch, name);
    parquetWriteFile({ filename, columnData });
    return filename;
  };

  it('are texts as they stand, and an empty one has its reason', async () => {
    const file = write('texts.parquet', [
      { name: 'id', data: [1, 2, 3, 4], type: 'INT32' },
      { name: 'question', data: ['where is it?', '  spaced ', '', null], type: 'STRING', nullable: true },
    ]);
    const inputs = await collect(file, 'texts', { textColumn: 'question' });
    expect(inputs.slice(0, 2).map((input) => input.path)).to.deep.equal(['where is it?', '  spaced ']);
    expect(inputs.slice(2).map(({ error }) => messageOf(error))).to.deep.equal(
      [2, 3].map((row) => `There is no text in row ${row} of ${file}.`),
    );
  });

  it('are texts where they are bytes without the word that they are strings', async () => {
    const data = [Buffer.from('wo ist sie, bitte schön?'), Uint8Array.of(0xff, 0xfe)];
    const file = write('bytes-of-texts.parquet', [{ name: 'text', data, type: 'BYTE_ARRAY' }]);
    const inputs = await collect(file, 'texts');
    expect(inputs[0]!.path).to.equal('wo ist sie, bitte schön?');
    const bytes = await Promise.all(inputs.map(async (input) => (await readSource(input)).bytes));
    expect(bytes.map((each) => [...each])).to.deep.equal(data.map((each) => [...each]));
  });

  it('are images by their bytes, or by their places beside the file', async () => {
    const photos = [1, 2, 3].map((first) => Uint8Array.of(first, 5, 7));
    const bytes = write('bytes.parquet', [{ name: 'image', data: photos, type: 'BYTE_ARRAY' }]);
    const inputs = await collect(bytes, 'images');
    expect(inputs.map((input) => input.path)).to.deep.equal([0, 1, 2].map((row) => `${bytes}#${row}`));
    expect(await Promise.all(inputs.map(async (input) => (await readSource(input)).bytes))).to.deep.equal(
      photos,
    );
    const places = write('places.parquet', [{ name: 'path', data: ['a.jpg', 'b/c.png'], type: 'STRING' }]);
    expect((await collect(places, 'images')).map((input) => input.path)).to.deep.equal([
      path.join(scratch, 'a.jpg'),
      path.join(scratch, 'b/c.png'),
    ]);
  });

  it('are refused with the columns that are there, and where the file is said to name none', async () => {
    const file = write('numbers.parquet', [{ name: 'size', data: [1.5], type: 'DOUBLE' }]);
    const refusal = (options: Parameters<typeof readTableInputs>[2]) =>
      collect(file, 'texts', options).then(() => 'It is taken.', messageOf);
    expect(await refusal({})).to.match(/column of texts .* size \(number\); name it with --text-column/);
    expect(await refusal({ header: false })).to.match(/names its columns itself; leave --no-header away/);
  });
});
