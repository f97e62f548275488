import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { parquetWriteFile } from 'hyparquet-writer';
import { loadFeatures } from '../../src/features/load-features.js';
import type { Pool } from '../../src/graph/pool-features.js';
import { cacheFeatures, cacheLayers, type CacheOptions } from '../../src/pipeline/cache-features.js';
import { inspectModel } from '../../src/pipeline/inspect-model.js';
import { openSession } from '../../src/runtime/open-session.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { loadTokenizer } from '../../src/text/load-tokenizer.js';
import { temporaryFolder } from '../e2e/graft.js';
import { type BertOptions, randomBert, tinyTokenizer } from '../text/random-bert.js';
import { makeReviews, toCsv, writeTextBackbone } from '../text/text-world.js';

describe('Features of texts', () => {
  const folder = temporaryFolder();
  const reviews = makeReviews(90);
  const data = path.join(folder, 'reviews.csv');
  const width = 16;
  let number = 0;
  const freshCache = (): string => path.join(folder, `cache-${number++}`);
  const backboneOf = (options: BertOptions = {}): string =>
    writeTextBackbone(path.join(folder, `model-${number++}`), options);
  const featuresOf = async (options: Partial<CacheOptions>): Promise<Float32Array> => {
    const given = { backbone, data, cache: freshCache(), device: 'cpu', threads: 1, ...options } as const;
    const { store, keys } = await cacheFeatures(given);
    return loadFeatures(store, keys);
  };
  let backbone: string;
  before(() => {
    writeFileSync(data, toCsv(reviews));
    backbone = backboneOf();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** For each review its own tokens, run on the uncut model one by one, [tokens, width]. */
  async function tokensOfEach(options: BertOptions = {}): Promise<Float32Array[]> {
    const tokenizer = loadTokenizer({ json: tinyTokenizer() }, 'tiny');
    const { dtype = 'int64', fixedLength } = options;
    const session = await openSession(randomBert({ vocabulary: 59, ...options }), { threads: 1 });
    const found: Float32Array[] = [];
    for (const { text } of reviews) {
      const ids = tokenizer.encode(text, 64);
      const length = fixedLength ?? ids.length;
      const row = (valueAt: (i: number) => number): Tensor => {
        const values = Array.from({ length }, (_, i) => valueAt(i));
        const data = dtype === 'int64' ? BigInt64Array.from(values, BigInt) : Int32Array.from(values);
        return { dtype, dims: [1, length], data };
      };
      const feeds = {
        input_ids: row((i) => ids[i] ?? 0),
        attention_mask: row((i) => (i < ids.length ? 1 : 0)),
        token_type_ids: row(() => 0),
        position_ids: row((i) => i),
      };
      const fed = Object.entries(feeds).filter(([name]) => session.inputNames.includes(name));
      const { last_hidden_state: tokens } = await session.run(Object.fromEntries(fed));
      found.push((tokens!.data as Float32Array).slice(0, ids.length * width));
    }
    await session.release();
    return found;
  }

  function pooled(tokens: Float32Array, pool: Pool): number[] {
    const count = tokens.length / width;
    return Array.from({ length: width }, (_, c) => {
      const column = Array.from({ length: count }, (_, t) => tokens[t * width + c]!);
      if (pool === 'cls') return column[0]!;
      if (pool === 'last') return column.at(-1)!;
      if (pool === 'max') return Math.max(...column);
      return column.reduce((a, b) => a + b, 0) / count;
    });
  }

  function expectPooled(features: Float32Array, tokens: readonly Float32Array[], pool: Pool): void {
    expect(features).to.have.length(tokens.length * width);
    for (const [i, own] of tokens.entries()) {
      const expected = pooled(own, pool);
      for (let c = 0; c < width; c++)
        expect(features[i * width + c], `${pool} of text ${i}`).to.be.closeTo(expected[c]!, 1e-5);
    }
  }

  const forms: readonly [what: string, options: BertOptions][] = [
    ['in int32, with positions', { dtype: 'int32', inputs: ['mask', 'types', 'positions'] }],
    ['of a fixed length and batch', { fixedLength: 24, fixedBatch: 1 }],
    ['quantised as it runs', { isQuantised: true }],
    ['whose mask was quantised by texts alone', { quantisesMask: true }],
    ['without a mask, each token seeing those before it', { inputs: [], isCausal: true }],
  ];
  for (const [what, options] of forms) {
    it(`are the mean of a text's own tokens, whatever texts are beside it: a model ${what}`, async () => {
      const features = await featuresOf({ backbone: backboneOf(options), backboneBatch: 32 });
      expectPooled(features, await tokensOfEach(options), 'mean');
    });
  }

  it('are those of each text alone where an export can only take one a run', async () => {
    const options: BertOptions = { fixedBatch: 1, fixedLength: 32, picksMask: true };
    const tokens = await tokensOfEach(options);
    const backbone = backboneOf(options);
    expectPooled(await featuresOf({ backbone }), tokens, 'mean');
    // The first normalisation comes before the mask is read: of it alone several texts may be run together.
    const layers = [
      { layer: 'last_hidden_state', pool: 'max' },
      { layer: 'LayerNormalization', pool: 'mean' },
    ] as const;
    const given = { backbone, data, cache: freshCache(), device: 'cpu', threads: 1, layers } as const;
    const [cached] = await cacheLayers(given);
    expectPooled(await loadFeatures(cached!.store, cached!.keys), tokens, 'max');
  });

  it('are those of each text alone where an export takes four at once and picks their masks', async () => {
    const backbone = backboneOf({ fixedBatch: 4, fixedLength: 32, picksMask: true });
    expectPooled(await featuresOf({ backbone }), await tokensOfEach({ fixedLength: 32 }), 'mean');
  });

  it("are pooled from a text's own tokens alone, of several layers in one pass", async () => {
    const pools = ['mean', 'max', 'cls', 'last'] as const;
    const layers = [
      ...pools.map((pool) => ({ layer: 'last_hidden_state', pool })),
      { layer: 'LayerNormalization', pool: 'mean' as const },
    ];
    const cached = await cacheLayers({
      backbone,
      data,
      cache: freshCache(),
      layers,
      backboneBatch: 32,
      threads: 1,
    });
    const tokens = await tokensOfEach();
    for (const [i, pool] of pools.entries()) {
      const { store, keys } = cached[i]!;
      expectPooled(await loadFeatures(store, keys), tokens, pool);
    }
    const { store, keys } = cached[4]!;
    const alone = await featuresOf({ layer: 'LayerNormalization', backboneBatch: 1 });
    for (const [i, value] of (await loadFeatures(store, keys)).entries())
      expect(value).to.be.closeTo(alone[i]!, 1e-5);
  });

  it('are those of the last token where the model itself classifies that one', async () => {
    const decoder: BertOptions = { inputs: ['mask'], isCausal: true };
    const tokens = await tokensOfEach(decoder);
    const classifier = backboneOf({ ...decoder, takesLast: 'scores' });
    const layer = (await inspectModel(classifier)).featureLayers.find(({ recommended }) => recommended)!;
    expect(layer).to.include({ pool: 'last', reason: 'last tokens before the old classifier of 3 classes' });
    expectPooled(await featuresOf({ backbone: classifier }), tokens, 'last');
    expectPooled(await featuresOf({ backbone: classifier, layer: layer.name }), tokens, 'last');
    expectPooled(await featuresOf({ backbone: classifier, pool: 'mean' }), tokens, 'mean');
  });

  it('are of a text itself where the model takes the token at the end, be it one of the text or not', async () => {
    const decoder: BertOptions = { inputs: ['mask'], isCausal: true };
    const features = await featuresOf({ backbone: backboneOf({ ...decoder, takesLast: 'end' }) });
    expectPooled(features, await tokensOfEach(decoder), 'last');
  });

  it('are computed once, however the texts are labelled, ordered, named or stored', async () => {
    const cache = freshCache();
    const rows = [...reviews]
      .reverse()
      .map(({ text }) => ({ sentence: text, class: text.length % 2 ? 'x' : 'y' }));
    const jsonl = path.join(folder, 'others.jsonl');
    writeFileSync(jsonl, rows.map((row) => JSON.stringify(row)).join('\n'));
    const tsv = path.join(folder, 'others.tsv');
    writeFileSync(tsv, rows.map((row) => `${row.sentence}\t${row.class}`).join('\n'));
    const parquet = path.join(folder, 'others.parquet');
    const column = (name: 'sentence' | 'class') => ({
      name,
      data: rows.map((row) => row[name]),
      type: 'STRING' as const,
    });
    parquetWriteFile({ filename: parquet, columnData: [column('sentence'), column('class')] });
    const texts = path.join(folder, 'folders');
    for (const [i, row] of rows.entries()) {
      mkdirSync(path.join(texts, row.class), { recursive: true });
      writeFileSync(path.join(texts, row.class, `${i}.txt`), row.sentence);
    }
    const { report } = await cacheFeatures({ backbone, data, cache, threads: 1 });
    expect(report).to.include({ computed: 90, cached: 0 });
    for (const other of [jsonl, parquet, texts, tsv]) {
      const again = await cacheFeatures({ backbone, data: other, cache, header: other !== tsv, threads: 1 });
      expect(again.report, other).to.include({ examples: 90, computed: 0, cached: 90, store: report.store });
    }
    const shorter = await cacheFeatures({ backbone, data, cache, maxLength: 9 });
    expect(shorter.report.store).to.not.equal(report.store);
  });

  for (const [what, options, length] of [
    ['', { positions: 37 }, 37],
    [', two of its positions and a token of no position left out', { positions: 39, unplaced: 1 }, 37],
  ] as const) {
    it(`are of as many tokens as the model runs on, where nobody says how many${what}`, async () => {
      const said: string[] = [];
      const logger = { info: (message: string) => said.push(message), warn() {} };
      await cacheFeatures(
        { backbone: backboneOf(options), data, cache: freshCache(), threads: 1 },
        { logger },
      );
      expect(said.join('\n')).to.include(`Texts are cut to ${length} tokens`);
    });
  }

  it('leave out texts that cannot be used, each with its reason', async () => {
    const texts = path.join(folder, 'odd');
    const contents: [string, Uint8Array | string][] = [
      ['a/good.txt', 'good film'],
      ['a/latin1.txt', Uint8Array.of(0x63, 0xe9)],
      ['a/empty.txt', ''],
      ['b/nul.txt', 'my\0card'],
      ['b/long.txt', 'very good '.repeat(100_000)],
    ];
    for (const [name, content] of contents) {
      mkdirSync(path.dirname(path.join(texts, name)), { recursive: true });
      writeFileSync(path.join(texts, name), content);
    }
    const { report } = await cacheFeatures({ backbone, data: texts, cache: freshCache(), maxLength: 32 });
    expect(report).to.include({ examples: 5, computed: 4 });
    expect(report.skipped.map(({ path: file, reason }) => [path.basename(file), reason])).to.deep.equal([
      ['latin1.txt', 'It is not UTF-8 text.'],
    ]);
  });

  const refusals: readonly [what: string, change: () => Partial<CacheOptions>, message: RegExp][] = [
    [
      'there is no tokenizer',
      () => {
        const file = path.join(folder, 'bare.onnx');
        writeFileSync(file, readFileSync(backbone));
        rmSync(path.join(folder, 'tokenizer.json'), { force: true });
        return { backbone: file };
      },
      /bare\.onnx takes token ids, but no tokenizer was found: expected .*bare\.tokenizer\.json or .*tokenizer\.json\. .*--tokenizer/,
    ],
    [
      'the tokenizer is another',
      () => ({ backbone: backboneOf({ vocabulary: 30 }) }),
      /does not belong to the backbone: .*tokenizer\.json has ids up to 58, but the table of tokens in .* has 30 rows/,
    ],
    [
      'texts are longer than the model',
      () => ({ maxLength: 65 }),
      /does not run on a text of 65 tokens; give fewer with --max-length/,
    ],
    [
      'the data are photos',
      () => ({ data: photos() }),
      /holds images, but the model takes texts: name .*--text-column/,
    ],
    [
      'a column is missing',
      () => ({ textColumn: 'body' }),
      /Expected a column body in .* but it has text, label; name it with --text-column/,
    ],
    [
      'tokens are not pooled',
      () => ({ pool: 'none' }),
      /--pool none does not suit layer "last_hidden_state".*take mean/,
    ],
    [
      'both columns are named',
      () => ({ textColumn: 'text', imageColumn: 'text' }),
      /--image-column and --text-column do not go together/,
    ],
    [
      'preprocessing is given',
      () => ({ preprocess: data }),
      /--preprocess does not go with this backbone: .* takes texts/,
    ],
  ];
  function photos(): string {
    const table = path.join(folder, 'photos.csv');
    writeFileSync(table, 'path,label\na.jpg,x\nb.jpg,y\n');
    return table;
  }
  for (const [what, change, message] of refusals) {
    it(`are refused in one sentence where ${what}`, async () => {
      const error = await featuresOf(change()).then(
        () => undefined,
        (caught: unknown) => caught as Error,
      );
      expect(error?.message).to.match(message);
      expect(error?.message.split('\n')).to.have.length(1);
    });
  }
});
