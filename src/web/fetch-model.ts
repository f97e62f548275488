import { GraftError, messageOf } from '../errors.js';

/**
 * Downloads into memory of the known size, so that a large model is held once.
 * @throws GraftError OUT_OF_MEMORY, or FILE_UNREADABLE where the server is gone or sent something else.
 */
export async function fetchModel(
  address: string,
  sizeBytes: number,
  onProgress: (receivedBytes: number) => void,
): Promise<Uint8Array> {
  const bytes = allocate(sizeBytes);
  try {
    const response = await fetch(address);
    if (!response.ok || !response.body) throw new Error(`the answer was ${response.status}`);
    const reader = response.body.getReader();
    let received = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes.set(part.value, received);
      received += part.value.length;
      onProgress(received);
    }
    if (received !== sizeBytes) throw new Error(`${received} of ${sizeBytes} bytes came`);
    return bytes;
  } catch (error) {
    throw new GraftError(
      'FILE_UNREADABLE',
      `The model could not be downloaded (${messageOf(error)}). Is graft serve still running? Then load this page again.`,
      { cause: error },
    );
  }
}

function allocate(sizeBytes: number): Uint8Array {
  try {
    return new Uint8Array(sizeBytes);
  } catch (error) {
    throw new GraftError(
      'OUT_OF_MEMORY',
      `The model has ${(sizeBytes / 1e6).toFixed(0)} MB, more than this browser gives to a page. graft predict runs it outside the browser.`,
      { cause: error },
    );
  }
}
