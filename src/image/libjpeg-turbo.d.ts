/** What is used of a package that comes without types: an Emscripten module around one C++ class. */
declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  export interface JpegDecoder {
    /** Memory for so many bytes of a file, to be filled before `decode`. */
    getEncodedBuffer(length: number): Uint8Array;
    /** @throws a number (a C++ exception) where libjpeg-turbo finds an error or gives a warning. */
    decode(): void;
    /** uint8 [height, width, components] in the module's memory, until the next call. */
    getDecodedBuffer(): Uint8Array;
  }
  /** @param settings.instantiateWasm - in place of reading and compiling the package's own file */
  export default function open(settings: {
    instantiateWasm(imports: object, receive: (instance: object) => void): Record<string, never>;
  }): Promise<{ readonly JPEGDecoder: new () => JpegDecoder }>;
}
