/**
 * A wavelet scattering network of second order (Bruna & Mallat, Invariant Scattering Convolution Networks, 2013) as an
 * ONNX graph: Morlet filters, modulus, averaging. Nothing in it is trained.
 *
 *   S0 = x * φ      S1 = |x * ψ(j,l)| * φ      S2 = ||x * ψ(j1,l1)| * ψ(j2,l2)| * φ,  j2 > j1
 *
 * Input [batch, 3, 64, 64] in 0..1; the feature map `scattering/features` is [batch, channels, 4, 4], log-compressed.
 */
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Model } from '../onnx/ir.js';
import { float32 } from '../tensor/tensor.js';
import { morlet } from './morlet.js';
import type { PreprocessSpec } from './preprocess-spec.js';

const scatteringLayer = 'scattering/features';
const size = 64;
const scales = 4;
const orientations = 6;
const averaging = 16;

const preprocess: PreprocessSpec = {
  resize: { width: size, height: size, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
  layout: 'nchw',
};

/** A band of wavelet responses and the step, in input pixels, between its positions. */
interface Band {
  readonly value: string;
  readonly step: number;
}

export function buildScattering(): Model {
  const builder = new GraphBuilder({ opset: 17 });
  const image = builder.input('image', 'float32', ['batch', 3, size, size]);
  // ITU-R BT.601 luma.
  const luma = builder.constant('luma', float32([1, 3, 1, 1], [0.299, 0.587, 0.114]));
  const gray = builder.op('Conv', [image, luma], { name: 'gray' });
  const lowPass = average(builder, image, 1, 's0');
  const averages: string[] = [];
  for (let j1 = 0; j1 < scales; j1++) {
    const first = wavelets(builder, { value: gray, step: 1 }, 1, j1, `u1/${j1}`);
    averages.push(average(builder, first.value, first.step, `s1/${j1}`));
    for (let j2 = j1 + 1; j2 < scales; j2++) {
      const second = wavelets(builder, first, orientations, j2, `u2/${j1}_${j2}`);
      averages.push(average(builder, second.value, second.step, `s2/${j1}_${j2}`));
    }
  }
  const channels = 3 + scales * orientations + ((scales * (scales - 1)) / 2) * orientations ** 2;
  const joined = builder.op('Concat', averages, { name: 'scattering/averages', attributes: { axis: 1 } });
  // Log makes a change of contrast a shift, which a linear head cancels.
  const floor = builder.op('Add', [joined, builder.scalar(1e-3)], { name: 'scattering/floor' });
  const logs = builder.op('Log', [floor], { name: 'scattering/logs' });
  const features = builder.op('Concat', [lowPass, logs], { name: scatteringLayer, attributes: { axis: 1 } });
  const side = size / averaging;
  builder.output(features, 'float32', ['batch', channels, side, side]);
  return builder.model({
    metadata: new Map([
      ['graft.preprocess', JSON.stringify(preprocess)],
      ['graft.layer', scatteringLayer],
    ]),
  });
}

/** |input * ψ(j, l)| for all orientations l of one scale, at the coarsest step that the scale allows. */
function wavelets(builder: GraphBuilder, input: Band, channels: number, scale: number, name: string): Band {
  const step = Math.max(1, 2 ** (scale - 1));
  const stride = step / input.step;
  const { real, imaginary, width } = filterBank(2 ** scale / input.step);
  const dims = [channels * orientations, 1, width, width];
  const repeated = (bank: Float32Array): Float32Array => {
    const all = new Float32Array(channels * bank.length);
    for (let c = 0; c < channels; c++) all.set(bank, c * bank.length);
    return all;
  };
  const pad = (width - 1) / 2;
  const attributes = { group: channels, strides: [stride, stride], pads: [pad, pad, pad, pad] };
  const convolve = (part: string, bank: Float32Array): string => {
    const filter = builder.constant(`${name}/${part}/filter`, float32(dims, repeated(bank)));
    const response = builder.op('Conv', [input.value, filter], { name: `${name}/${part}`, attributes });
    return builder.op('Mul', [response, response], { name: `${name}/${part}/squared` });
  };
  const energy = builder.op('Add', [convolve('real', real), convolve('imaginary', imaginary)], {
    name: `${name}/energy`,
  });
  return { value: builder.op('Sqrt', [energy], { name }), step };
}

/** Morlet filters of one scale, all orientations: [orientations, 1, width, width]. */
function filterBank(scale: number): { real: Float32Array; imaginary: Float32Array; width: number } {
  const filters = Array.from({ length: orientations }, (_, l) => morlet(scale, (Math.PI * l) / orientations));
  const { width } = filters[0]!;
  const joined = (part: 'real' | 'imaginary'): Float32Array =>
    Float32Array.from(filters.flatMap((filter) => [...filter[part]]));
  return { real: joined('real'), imaginary: joined('imaginary'), width };
}

function average(builder: GraphBuilder, value: string, step: number, name: string): string {
  const window = averaging / step;
  return builder.op('AveragePool', [value], {
    name,
    attributes: { kernel_shape: [window, window], strides: [window, window] },
  });
}
