/** What a file is that is taken for a model: the usual mistakes, by their first bytes. */

const signatures: readonly (readonly [offset: number, text: string, format: string])[] = [
  [0, 'version https://git-lfs', 'a Git LFS pointer; fetch the file itself with "git lfs pull"'],
  [0, '<!DOCTYPE', 'a web page; the download went wrong'],
  [0, '<!doctype', 'a web page; the download went wrong'],
  [0, '<html', 'a web page; the download went wrong'],
  [0, 'PK\x03\x04', 'a zip archive (PyTorch files are); unpack it, or export the model to ONNX'],
  [0, '\x1f\x8b', 'a gzip archive; unpack it'],
  [0, '\x89HDF', 'an HDF5 file (Keras); convert it to ONNX with tf2onnx'],
  [0, '\xff\xd8\xff', 'a photo (JPEG)'],
  [0, '\x89PNG', 'an image (PNG)'],
  [0, 'PAR1', 'a Parquet file'],
  [0, 'GGUF', 'a GGUF file'],
  [4, 'ORTM', "a model in ONNX Runtime's own format; take the .onnx file it was made from"],
  [4, 'TFL3', 'a TensorFlow Lite model; convert it with tf2onnx'],
  [8, '{"', 'a safetensors file, which holds weights without a graph'],
];

/** The format in words, or undefined where nothing speaks for one. */
export function guessFormat(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 512)).toString('latin1');
  const match = signatures.find(([offset, text]) => start.startsWith(text, offset));
  if (match) return match[2];
  return /^[\t\n\r\x20-\x7e\x80-\xff]+$/.test(start) ? 'a text file' : undefined;
}
