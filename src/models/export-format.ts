/** One ONNX file, or the folder in which transformers.js and Optimum look for one. */
export const exportFormats = ['onnx', 'huggingface'] as const;

export type ExportFormat = (typeof exportFormats)[number];
