/** What several messages have in common. */
import { GraftError } from '../errors.js';
import type { Message } from './message.js';
import { quoteName } from './quote-name.js';

const noEntries: ReadonlyMap<string, string> = new Map();

/** A list of key and value; of equal keys the last one counts, as for ONNX Runtime. */
export function entriesFrom(proto: Message, field: string): ReadonlyMap<string, string> {
  if (!proto.has(field)) return noEntries;
  return new Map(proto.map(field, (row) => [row.text('key'), row.text('value')]));
}

export function unknownFieldsOf(proto: Message): { unknownFields?: Uint8Array } {
  return proto.unknownFields.length > 0 ? { unknownFields: proto.unknownFields } : {};
}

/** 'ai.onnx' is the long name of the default domain. */
export function domainFrom(proto: Message): string {
  const domain = proto.text('domain');
  return domain === 'ai.onnx' ? '' : domain;
}

/** Operator set versions by domain. @throws GraftError INVALID_MODEL where one domain has two. */
export function opsetsFrom(proto: Message, what: string): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of proto.map('opsetImport', (row) => ({
    domain: domainFrom(row),
    version: safeNumber(row.int64('version'), () => `The operator set of ${what}`),
  }))) {
    if ((opsets.get(domain) ?? version) !== version) {
      throw new GraftError(
        'INVALID_MODEL',
        `${what} imports the operator set ${quoteName(domain)} in versions ${opsets.get(domain)} and ${version}.`,
      );
    }
    opsets.set(domain, version);
  }
  return opsets;
}

/** @throws GraftError INVALID_MODEL for a number that only a damaged file holds. */
export function safeNumber(value: bigint, what: () => string): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new GraftError('INVALID_MODEL', `${what()} has the impossible number ${value}.`);
}
