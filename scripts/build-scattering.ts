/** Writes the built-in wavelet scattering backbone to onnx-models/scattering/model.onnx, with its preprocessing beside it. */
import path from 'node:path';
import { resolveBackbone } from '../src/models/resolve-backbone.js';

const file = await resolveBackbone('scattering', { folder: path.resolve('onnx-models/scattering') });
console.log(`wrote ${path.relative('.', file)}`);
