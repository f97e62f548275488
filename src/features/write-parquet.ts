/**
 * Parquet with a row for each example: `path`, `label` (number), `label_name`, `split`, `sha256`, and `embedding`, a list
 * of float32. Of sets of classes and of numbers there is `targets`, a list of float32, in place of `label`. The key `huggingface` tells the `datasets` library that labels are classes; other readers pass it over.
 */
import { writePieces } from '../write-durably.js';
import { type FeatureTable, keyText, labelText, targetsOf } from './feature-table.js';
import type { FeaturePiece } from './iterate-features.js';

type HuggingFaceType =
  | { readonly _type: 'Value'; readonly dtype: string }
  | { readonly _type: 'ClassLabel'; readonly names: readonly string[] }
  | { readonly _type: 'Sequence'; readonly feature: HuggingFaceType };

const text = (name: string) =>
  ({ name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' }) as const;

/** Optional throughout although no value is missing: `datasets` knows no other columns. */
const labelColumn = { name: 'label', type: 'INT64', repetition_type: 'OPTIONAL' } as const;
const listColumn = (name: string) =>
  [
    { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'FLOAT', repetition_type: 'OPTIONAL' },
  ] as const;

/** Rows in a row group: what a reader must hold at a time. */
const groupRows = 1024;

/** @throws GraftError FILE_UNWRITABLE, INVALID_CACHE. */
export async function writeParquet(file: string, table: FeatureTable): Promise<void> {
  const { ByteWriter, ParquetWriter } = await import('hyparquet-writer');
  const { examples } = table;
  const label = examples?.targets ? listColumn('targets') : [labelColumn];
  const labelled = examples ? [[text('path')], label, [text('label_name')], [text('split')]] : [];
  const columns = [...labelled, [text('sha256')], listColumn('embedding')];
  await writePieces(file, async (write) => {
    const buffer = new ByteWriter();
    // Called after each row group: what is written leaves the memory.
    const flush = async (): Promise<void> => {
      await write(buffer.getBytes());
      buffer.index = 0;
    };
    const writer = new ParquetWriter({
      writer: Object.assign(buffer, { flush }),
      schema: [{ name: 'root', num_children: columns.length }, ...columns.flat()],
      // Features do not compress; the rest is small.
      codec: 'UNCOMPRESSED',
      createdBy: 'onnx-graft',
      kvMetadata: [
        { key: 'huggingface', value: JSON.stringify({ info: { features: featureTypes(table) } }) },
        ...(examples ? [{ key: 'classes', value: JSON.stringify(examples.classes) }] : []),
      ],
    });
    for await (const piece of table.pieces()) {
      await writer.write({ columnData: columnsOf(table, piece), rowGroupSize: groupRows });
    }
    await writer.finish();
    await flush();
  });
}

function columnsOf(
  { dim, keys, examples }: FeatureTable,
  { start, rows, features }: FeaturePiece,
): { name: string; data: unknown[] | BigInt64Array; encoding?: 'PLAIN'; statistics?: boolean }[] {
  const all = Array.from({ length: rows }, (_, i) => start + i);
  const list = { encoding: 'PLAIN', statistics: false } as const;
  const labelled = examples
    ? [
        { name: 'path', data: all.map((row) => examples.of.at(row).path) },
        examples.targets
          ? { ...list, name: 'targets', data: all.map((row) => Array.from(targetsOf(examples, row)!)) }
          : { name: 'label', data: BigInt64Array.from(all, (row) => BigInt(examples.of.at(row).label)) },
        { name: 'label_name', data: all.map((row) => labelText(examples, row)) },
        { name: 'split', data: all.map((row) => examples.of.at(row).split ?? null) },
      ]
    : [];
  const embedding = all.map((row) =>
    Array.from(features.subarray((row - start) * dim, (row - start + 1) * dim)),
  );
  return [
    ...labelled,
    { name: 'sha256', data: all.map((row) => keyText(keys, row)) },
    { ...list, name: 'embedding', data: embedding },
  ];
}

function featureTypes({ examples }: FeatureTable): Record<string, HuggingFaceType> {
  const string = { _type: 'Value', dtype: 'string' } as const;
  const list = { _type: 'Sequence', feature: { _type: 'Value', dtype: 'float32' } } as const;
  return {
    ...(examples && {
      path: string,
      ...(examples.targets ? { targets: list } : { label: { _type: 'ClassLabel', names: examples.classes } }),
      label_name: string,
      split: string,
    }),
    sha256: string,
    embedding: list,
  };
}
