import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';
import { findPreprocess, parsePreprocess } from '../../src/models/read-preprocess.js';

/** The documented example, of NanoDet. */
const own = {
  resize: { width: 416, height: 416, fit: 'fill', kernel: 'bilinear' },
  crop: null,
  channelOrder: 'bgr',
  scale: 1,
  mean: [103.53, 116.28, 123.675],
  std: [57.375, 57.12, 58.395],
  layout: 'nchw',
};
const vit = {
  image_processor_type: 'ViTImageProcessor',
  do_resize: true,
  size: { height: 224, width: 224 },
  resample: 2,
  do_normalize: true,
  image_mean: [0.5, 0.5, 0.5],
  image_std: [0.5, 0.5, 0.5],
};
const timm = {
  architecture: 'resnet50',
  num_classes: 1000,
  pretrained_cfg: {
    input_size: [3, 224, 224],
    interpolation: 'bicubic',
    crop_pct: 0.95,
    crop_mode: 'center',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
};
const text = (value: unknown): string => JSON.stringify(value);

describe('A preprocessing spec', () => {
  const scratch = mkdtempSync(path.join(tmpdir(), 'graft-preprocess-'));
  after(() => rmSync(scratch, { recursive: true }));
  let count = 0;

  /** A folder with these files; reads the spec of the model in it. */
  async function read(
    files: Readonly<Record<string, string>>,
    {
      preprocess,
      metadata = {},
      model = 'model.onnx',
    }: {
      preprocess?: string;
      metadata?: Record<string, string>;
      model?: string;
    } = {},
  ): Promise<PreprocessSpec | undefined> {
    const folder = path.join(scratch, String(count++));
    mkdirSync(folder);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
      writeFileSync(path.join(folder, name), content);
    }
    return findPreprocess({
      modelPath: path.join(folder, model),
      metadata: new Map(Object.entries(metadata)),
      ...(preprocess !== undefined && { preprocess: path.join(folder, preprocess) }),
    });
  }

  describe('is looked for', () => {
    const everywhere = {
      'mine.json': text({ ...own, scale: 2 }),
      'model.preprocess.json': text({ ...own, scale: 3 }),
      'preprocessor_config.json': text(vit),
      'config.json': text(timm),
    };
    const metadata = { 'graft.preprocess': text({ ...own, scale: 5 }) };
    const scaleFrom = async (absent: readonly string[], preprocess?: string): Promise<number> => {
      const files = Object.fromEntries(Object.entries(everywhere).filter(([name]) => !absent.includes(name)));
      return (await read(files, { metadata, ...(preprocess && { preprocess }) }))!.scale;
    };

    it('first in the file that is named, then beside the model, then in its metadata', async () => {
      expect(await scaleFrom([], 'mine.json')).to.equal(2);
      expect(await scaleFrom([])).to.equal(3);
      const absent = ['model.preprocess.json'];
      expect(await scaleFrom(absent)).to.equal(1 / 255);
      absent.push('preprocessor_config.json');
      expect(await scaleFrom(absent)).to.equal(1 / 255);
      absent.push('config.json');
      expect(await scaleFrom(absent)).to.equal(5);
    });

    it('above the folder onnx/, as Hugging Face lays a model out, but above no other', async () => {
      const files = { 'preprocessor_config.json': text(vit), 'onnx/model.onnx': '', 'other/model.onnx': '' };
      expect(await read(files, { model: 'onnx/model.onnx' })).to.not.equal(undefined);
      expect(await read(files, { model: 'other/model.onnx' })).to.equal(undefined);
    });

    it('and what it asks for that a spec cannot say is told, with what is done', async () => {
      const folder = path.join(scratch, String(count++));
      mkdirSync(folder);
      const donut = { ...vit, do_thumbnail: true, do_pad: true, do_align_long_axis: false };
      const heard: string[] = [];
      const logger = { info: () => {}, warn: (message: string) => void heard.push(message) };
      for (const config of [donut, { ...vit, size: { shortest_edge: 800, longest_edge: 1333 } }, vit]) {
        writeFileSync(path.join(folder, 'preprocessor_config.json'), text(config));
        await findPreprocess({ modelPath: path.join(folder, 'model.onnx'), metadata: new Map(), logger });
      }
      expect(heard).to.have.length(2);
      expect(heard[0]).to.match(
        /preprocessor_config\.json asks for do_pad, do_thumbnail, which is not done: .*"fit":"fill".*--preprocess/,
      );
      expect(heard[1]).to.match(/asks for longest_edge, .*"crop":{"width":800,"height":800}/);
    });

    it('in no config.json that does not tell of pixels', async () => {
      const files = { 'config.json': text({ model_type: 'vit', image_size: 224, id2label: {} }) };
      expect(await read(files)).to.equal(undefined);
    });

    it('in the field preprocess of a larger file', async () => {
      const spec = await read(
        { 'run.json': text({ preprocess: own, layer: 'x' }) },
        { preprocess: 'run.json' },
      );
      expect(spec).to.deep.equal(own);
    });
  });

  describe('of our own', () => {
    it('is taken as it stands', () => {
      expect(parsePreprocess(own, 'x.json')).to.deep.equal(own);
    });

    it('needs no more than a size', () => {
      expect(parsePreprocess({ resize: { width: 8, height: 6 } }, 'x.json')).to.deep.equal({
        resize: { width: 8, height: 6, fit: 'fill', kernel: 'bilinear' },
        crop: null,
        channelOrder: 'rgb',
        scale: 1,
        mean: [0, 0, 0],
        std: [1, 1, 1],
        layout: 'nchw',
      });
    });

    it('may give one number for all channels, and gray has one channel', () => {
      const spec = parsePreprocess({ ...own, mean: 127.5, std: 64 }, 'x.json');
      expect([spec.mean, spec.std]).to.deep.equal([
        [127.5, 127.5, 127.5],
        [64, 64, 64],
      ]);
      const gray = parsePreprocess({ ...own, channelOrder: 'gray', mean: [3], std: 4 }, 'x.json');
      expect([gray.mean, gray.std]).to.deep.equal([[3], [4]]);
    });

    it('may name a background and what profiles do; what is usual leaves no trace', () => {
      const extras = (fields: object): object => {
        const { background, profiles } = parsePreprocess({ ...own, ...fields }, 'x.json');
        return { background, profiles };
      };
      const usual = { background: undefined, profiles: undefined };
      expect(extras({})).to.deep.equal(usual);
      expect(extras({ background: 'white', profiles: 'ignore' })).to.deep.equal(usual);
      expect(extras({ background: [255, 255, 255] })).to.deep.equal(usual);
      expect(extras({ background: [0, 10, 20], profiles: 'convert' })).to.deep.equal({
        background: [0, 10, 20],
        profiles: 'convert',
      });
      expect(extras({ background: 'none' })).to.deep.equal({ background: 'none', profiles: undefined });
    });
  });

  describe("of timm's config.json", () => {
    const parse = (fields: object): PreprocessSpec =>
      parsePreprocess({ ...timm, pretrained_cfg: { ...timm.pretrained_cfg, ...fields } }, 'config.json');

    it('enlarges by crop_pct and takes the centre', () => {
      expect(parse({})).to.deep.equal({
        resize: { width: 235, height: 235, fit: 'shortest-edge', kernel: 'bicubic' },
        crop: { width: 224, height: 224, margins: 'even' },
        channelOrder: 'rgb',
        scale: 1 / 255,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        layout: 'nchw',
      });
    });

    it('follows crop_mode and interpolation', () => {
      const squash = parse({
        crop_mode: 'squash',
        crop_pct: 1,
        interpolation: 'bilinear',
        input_size: [3, 200, 300],
      });
      expect(squash.resize).to.deep.equal({ width: 300, height: 200, fit: 'fill', kernel: 'bilinear' });
      expect(squash.crop).to.equal(null);
      expect(parse({ crop_mode: 'border', crop_pct: 1 }).resize?.fit).to.equal('contain');
      expect(parse({ input_size: [3, 200, 300] }).resize?.fit).to.equal('cover');
      // So small that black is around it, as some of timm's are.
      const small = parse({ crop_pct: 1.15, input_size: [3, 448, 448] });
      expect([small.resize?.width, small.crop?.width]).to.deep.equal([389, 448]);
    });

    it('knows grey', () => {
      const gray = parse({ input_size: [1, 28, 28], mean: [0.1307], std: [0.3081] });
      expect([gray.channelOrder, gray.mean, gray.std]).to.deep.equal(['gray', [0.1307], [0.3081]]);
    });
  });

  describe('that is wrong is refused with the file and the field', () => {
    const cfg = timm.pretrained_cfg;
    const cases: readonly (readonly [unknown, RegExp])[] = [
      [null, /an object for the spec .* null/],
      [[own], /an object for the spec/],
      ['resize', /an object for the spec/],
      [{}, /a resize or a crop in bad\.json but it has neither/],
      [{ ...own, resize: null }, /a resize or a crop/],
      [{ preprocess: { preprocess: own } }, /a resize or a crop/],
      [{ ...own, resize: 416 }, /an object for resize .* 416/],
      [{ ...own, resize: { width: 416 } }, /whole number from 1 to 16384 for resize\.height .* nothing/],
      [{ ...own, resize: { width: -416, height: 416 } }, /for resize\.width .* -416/],
      [{ ...own, resize: { width: 4.5, height: 416 } }, /for resize\.width .* 4\.5/],
      [{ ...own, resize: { width: '416', height: 416 } }, /for resize\.width .* "416"/],
      [{ ...own, resize: { width: 1e9, height: 1 } }, /from 1 to 16384 for resize\.width/],
      [
        { ...own, crop: { width: 3, height: 3, margins: 'odd' } },
        /one of lower, even for crop\.margins .* "odd"/,
      ],
      [{ ...own, resize: { width: 16384, height: 16384 } }, /at most 16777216 pixels for resize/],
      [
        { ...own, resize: { ...own.resize, fit: 'stretch' } },
        /one of fill, cover.* for resize\.fit .* "stretch"/,
      ],
      [{ ...own, resize: { ...own.resize, kernel: 'box' } }, /one of nearest.* for resize\.kernel .* "box"/],
      [{ ...own, resize: { ...own.resize, kernel: 'constructor' } }, /for resize\.kernel/],
      [{ ...own, crop: 224 }, /an object for crop/],
      [{ ...own, crop: { width: 0, height: 1 } }, /for crop\.width .* 0/],
      [{ ...own, channelOrder: 'RGB' }, /one of rgb, bgr, gray for channelOrder .* "RGB"/],
      [{ ...own, scale: 0 }, /other than 0 for scale .* 0/],
      [{ ...own, scale: '1/255' }, /for scale .* "1\/255"/],
      [{ ...own, mean: [1, 2] }, /3 numbers, one a channel for mean/],
      [{ ...own, mean: [1, 2, null] }, /for mean/],
      [{ ...own, std: [1, 0, 1] }, /3 numbers above 0, one a channel for std .* \[1,0,1\]/],
      [{ ...own, std: -1 }, /for std .* -1/],
      [{ ...own, std: ['a', 'b', 'c'] }, /for std/],
      [{ ...own, layout: 'hwc' }, /one of nchw, nhwc for layout/],
      [{ ...own, background: [0, 0, 256] }, /three whole numbers from 0 to 255 for background/],
      [{ ...own, background: 'black' }, /for background .* "black"/],
      [{ ...own, profiles: 'yes' }, /one of ignore, convert for profiles/],
      [{ ...vit, size: -224 }, /whole number from 1 to 16384 for size .* -224/],
      [{ ...vit, size: { height: 224 } }, /for size\.width .* nothing/],
      [{ ...vit, size: { height: 1e6, width: 2 } }, /for size\.height/],
      [{ ...vit, size: { longest_edge: 800 } }, /a number, height and width, or shortest_edge for size/],
      [{ ...vit, size: '224' }, /an object for size .* "224"/],
      [{ ...vit, resample: 4 }, /a number from 0 to 3 for resample .* 4/],
      [{ ...vit, resample: 'bicubic' }, /for resample .* "bicubic"/],
      [{ ...vit, do_resize: 'yes' }, /true or false for do_resize .* "yes"/],
      [{ ...vit, do_center_crop: true, crop_size: 0 }, /for crop_size .* 0/],
      [{ ...vit, do_center_crop: true, crop_size: { height: 7 } }, /for crop_size\.width/],
      [{ ...vit, rescale_factor: 0 }, /a number above 0 for rescale_factor .* 0/],
      [{ ...vit, rescale_factor: -1 }, /for rescale_factor .* -1/],
      [{ ...vit, image_std: [0, 0, 0] }, /for image_std/],
      [{ ...vit, image_mean: 'imagenet' }, /for image_mean/],
      [{ ...vit, image_processor_type: 7 }, /a text for image_processor_type/],
      [
        { ...vit, image_processor_type: 'ConvNextImageProcessor', size: 224, crop_pct: 0 },
        /a share above 0 for crop_pct/,
      ],
      [{ ...vit, image_processor_type: 'ConvNextImageProcessor', size: 224, crop_pct: 1e-9 }, /pixels for/],
      [{ pretrained_cfg: 'resnet50' }, /an object for pretrained_cfg/],
      [
        { pretrained_cfg: { ...cfg, input_size: 224 } },
        /three numbers.* for pretrained_cfg\.input_size .* 224/,
      ],
      [{ pretrained_cfg: { ...cfg, input_size: [4, 224, 224] } }, /for pretrained_cfg\.input_size/],
      [{ pretrained_cfg: { ...cfg, input_size: [3, -1, 224] } }, /for pretrained_cfg\.input_size/],
      [
        { pretrained_cfg: { ...cfg, input_size: [3, 1e5, 1e5] } },
        /at most 16777216 pixels for pretrained_cfg/,
      ],
      [{ pretrained_cfg: { ...cfg, crop_pct: 0 } }, /for pretrained_cfg\.crop_pct/],
      [{ pretrained_cfg: { ...cfg, std: [0.2, 0.2, 0] } }, /for pretrained_cfg\.std/],
    ];
    for (const [json, reason] of cases) {
      it(`such as ${text(json)?.slice(-70)}`, () => {
        let error: unknown;
        try {
          parsePreprocess(json, 'bad.json');
        } catch (thrown) {
          error = thrown;
        }
        expect(error).to.be.instanceOf(GraftError);
        const { code, message } = error as GraftError;
        expect(code).to.equal('INVALID_PREPROCESS');
        expect(message).to.match(/bad\.json/);
        expect(message).to.match(reason);
      });
    }

    it('such as no JSON, no file, a folder or a huge file', async () => {
      const refusal = async (files: Record<string, string>, preprocess: string): Promise<string> =>
        read(files, { preprocess }).then(
          () => 'accepted',
          (error: Error) => error.message,
        );
      expect(await refusal({ 'a.json': '{"resize":' }, 'a.json')).to.match(/a\.json is not JSON/);
      expect(await refusal({ 'a.json': '{"scale": NaN}' }, 'a.json')).to.match(/a\.json is not JSON/);
      expect(await refusal({}, 'b.json')).to.match(/no file .*b\.json/);
      expect(await refusal({ 'c.json/x': '' }, 'c.json')).to.match(/c\.json: it is a folder/);
      expect(await refusal({ 'd.json': ' '.repeat(2 ** 21) }, 'd.json')).to.match(
        /d\.json but it has 2097152 bytes/,
      );
      const metadata = { 'graft.preprocess': '{"resize":{"width":0}}' };
      const error: unknown = await read({}, { metadata }).catch((thrown: unknown) => thrown);
      expect((error as Error).message).to.match(/resize\.width in the metadata of .*model\.onnx/);
    });
  });
});
