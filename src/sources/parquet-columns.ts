/** What columns a Parquet file has, by its schema, and what they stand for, by its metadata. */
import type { FileMetaData, SchemaTree } from 'hyparquet';

export interface ParquetColumn {
  /** Names from the root, joined by dots, of a list up to the list itself. @example 'image.bytes' */
  readonly name: string;
  /** A list is one of texts, numbers or truth values. */
  readonly kind: 'bytes' | 'text' | 'number' | 'boolean' | 'list' | 'other';
  /** Where its values lie. @example 'labels.list.element' */
  readonly leaf: string;
}

/** What a column stands for to the `datasets` library, of a list its items. */
export interface ParquetFeature {
  /** @example 'ClassLabel' */
  readonly type: unknown;
  /** Of classes, by number. */
  readonly names: unknown;
}

/** Moments are stored as numbers too; INT96 are some of old. */
const numberTypes: ReadonlySet<string> = new Set(['INT32', 'INT64', 'INT96', 'FLOAT', 'DOUBLE']);

/** Columns with one value a row, and lists of plain values; lists of anything else are left out. */
export function columnsOf(node: SchemaTree): ParquetColumn[] {
  const { children, element, path } = node;
  if (element.repetition_type === 'REPEATED') return [];
  const item = itemOf(node);
  if (item) {
    const isPlain = ['text', 'number', 'boolean'].includes(kindOf(item));
    return isPlain ? [{ name: path.join('.'), kind: 'list', leaf: item.path.join('.') }] : [];
  }
  if (children.length > 0) return children.flatMap(columnsOf);
  const name = path.join('.');
  return path.length > 0 ? [{ name, kind: kindOf(node), leaf: name }] : [];
}

/** The column of the items of a list, where it is one: `labels.list.element`, or `labels.array` as old programs wrote it. */
function itemOf({ children: [inner, ...others] }: SchemaTree): SchemaTree | undefined {
  if (inner?.element.repetition_type !== 'REPEATED' || others.length > 0) return undefined;
  if (inner.children.length === 0) return inner;
  const [item, ...more] = inner.children;
  const isLeaf = item!.children.length === 0 && item!.element.repetition_type !== 'REPEATED';
  return isLeaf && more.length === 0 ? item : undefined;
}

function kindOf({ element: { type, converted_type: converted, logical_type: logical } }: SchemaTree) {
  const isText = converted === 'UTF8' || converted === 'ENUM' || logical?.type === 'STRING';
  if (type === 'BYTE_ARRAY') return isText ? 'text' : 'bytes';
  if (type === 'BOOLEAN') return 'boolean';
  if (converted === 'DECIMAL' || logical?.type === 'DECIMAL' || logical?.type === 'FLOAT16') return 'number';
  return type !== undefined && numberTypes.has(type) ? 'number' : 'other';
}

/** The `huggingface` entry that the `datasets` library writes: what each column stands for, by name. */
export function readFeatures({
  key_value_metadata: entries,
}: FileMetaData): Readonly<Record<string, ParquetFeature>> {
  const text = entries?.find(({ key }) => key === 'huggingface')?.value;
  try {
    const parsed = JSON.parse(text ?? '{}') as { info?: { features?: object } } | null;
    return Object.fromEntries(
      Object.entries(parsed?.info?.features ?? {}).map(([name, feature]) => [name, featureOf(feature)]),
    );
  } catch {
    return {};
  }
}

/** Lists are `{ _type: 'List', feature }` (or Sequence, LargeList), in old files `[feature]`. */
function featureOf(given: unknown): ParquetFeature {
  const feature = (Array.isArray(given) ? given[0] : given) as Readonly<Record<string, unknown>> | null;
  if (typeof feature?.feature === 'object' && feature.feature !== null) return featureOf(feature.feature);
  return { type: feature?._type, names: feature?.names };
}
