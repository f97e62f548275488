/** Fetches one example over http(s) into memory. */
import { fetchPatiently, type PatienceOptions, refusal } from './fetch-patiently.js';
import { largestExample } from './read-file.js';

export interface FetchOptions extends PatienceOptions {
  readonly maxBytes?: number;
}

/** @throws GraftError FILE_NOT_FOUND (404, 410) or FILE_UNREADABLE naming the address and what the server said. */
export function fetchUrl(
  url: string,
  { maxBytes = largestExample, ...patience }: FetchOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  return fetchPatiently(url, {
    ...patience,
    async take(response, alive) {
      const announced = Number(response.headers.get('content-length') ?? 0);
      if (announced > maxBytes) {
        void response.body?.cancel();
        throw refusal(url, `it has ${announced} bytes, more than any photo`);
      }
      const pieces: Uint8Array[] = [];
      let length = 0;
      for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        alive();
        length += piece.length;
        if (length > maxBytes) throw refusal(url, `it has over ${maxBytes} bytes, more than any photo`);
        pieces.push(piece);
      }
      const bytes = new Uint8Array(length);
      let at = 0;
      for (const piece of pieces) {
        bytes.set(piece, at);
        at += piece.length;
      }
      return bytes;
    },
  });
}
