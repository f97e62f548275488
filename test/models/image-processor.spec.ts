/** What is written as a Hugging Face image processor is read back as the same preprocessing. */
import { expect } from 'chai';
import { toImageProcessor } from '../../src/models/image-processor.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { parsePreprocess } from '../../src/models/read-preprocess.js';

const plain: PreprocessSpec = {
  resize: { width: 320, height: 240, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'rgb',
  scale: 1 / 255,
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
  layout: 'nchw',
};
const edge = { width: 256, height: 256, fit: 'shortest-edge', kernel: 'bicubic' } as const;

const specs: Readonly<Record<string, PreprocessSpec>> = {
  'two sides': plain,
  'two sides and a crop': { ...plain, crop: { width: 300, height: 200 } },
  'a shortest edge and a crop that is no square': {
    ...plain,
    resize: edge,
    crop: { width: 224, height: 192 },
  },
  'a crop alone': { ...plain, resize: null, crop: { width: 64, height: 48 } },
  'the nearest pixel': { ...plain, resize: { ...plain.resize!, kernel: 'nearest' } },
  lanczos3: { ...plain, resize: { ...plain.resize!, kernel: 'lanczos3' } },
  'levels of 0 to 255': { ...plain, scale: 1, mean: [127, 127, 127], std: [128, 128, 128] },
};

describe('an image processor of a preprocessing spec', () => {
  for (const [name, spec] of Object.entries(specs)) {
    it(`says ${name}, and is read back as that`, () => {
      const written = JSON.parse(JSON.stringify(toImageProcessor(spec))) as unknown;
      expect(parsePreprocess(written, 'preprocessor_config.json')).to.deep.equal(spec);
    });
  }

  it('cuts what a shortest edge without a crop leaves too long', () => {
    const crop = { width: 256, height: 256 };
    const read = parsePreprocess(toImageProcessor({ ...plain, resize: edge }), 'it');
    expect(read).to.deep.equal({ ...plain, resize: edge, crop });
  });

  it('writes the fit cover of a square as a shortest edge', () => {
    const read = parsePreprocess(toImageProcessor({ ...plain, resize: { ...edge, fit: 'cover' } }), 'it');
    expect(read).to.deep.include({ resize: edge, crop: { width: 256, height: 256 } });
  });

  for (const [what, spec] of [
    ['the fit contain', { ...plain, resize: { ...edge, fit: 'contain' } }],
    ['the fit cover of 320 x 240', { ...plain, resize: { ...plain.resize!, fit: 'cover' } }],
    ['a scale of -1', { ...plain, scale: -1 }],
  ] as const) {
    it(`refuses ${what}, and says what to do`, () => {
      expect(() => toImageProcessor(spec)).to.throw(new RegExp(`cannot say ${what}.*--pixels`));
    });
  }
});
