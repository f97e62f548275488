/** A small transformer over tokens with seeded random weights, as exporters write them, and its tokenizer. */
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { createRng } from '../../src/rng.js';
import { checked, float32, int64 } from '../../src/tensor/tensor.js';

export interface BertOptions {
  readonly vocabulary?: number;
  readonly width?: number;
  readonly layers?: number;
  readonly positions?: number;
  /** Tokens of every text; absent: free. */
  readonly fixedLength?: number;
  readonly fixedBatch?: number;
  readonly dtype?: 'int64' | 'int32';
  /** Inputs beside the ids. */
  readonly inputs?: readonly ('mask' | 'types' | 'positions')[];
  /** What the mask adds to scores that shall not count. */
  readonly hiddenScore?: number;
  /** Each token sees those before it alone. */
  readonly isCausal?: boolean;
  readonly opset?: number;
  /** Reshapes by sizes read off the ids once, and angles [1, sequence, width] in every layer, as decoders are exported. */
  readonly measures?: boolean;
  /** The masks are picked one by one, as transformers' models traced with a fixed batch and length do. */
  readonly picksMask?: boolean;
  /** Weights and their operands in int8, as onnxruntime's quantize_dynamic writes them: by one scale for a whole tensor. */
  readonly isQuantised?: boolean;
  /** The mask goes through 8 bits, as quantize_static of texts that were not filled up has it: -10000 becomes -5. */
  readonly quantisesMask?: boolean;
  /** Gives start_logits and end_logits [batch, sequence] of an answer instead, as models for question answering do. */
  readonly findsAnswers?: boolean;
  /**
   * One token of each text is taken, the last one that the mask has, by rows [text, place] as PyTorch's newer exporter
   * writes it: itself as `text_embeds`, or its scores of three classes as `logits`; or
   * whatever stands at the end, as `text_embeds`.
   */
  readonly takesLast?: 'token' | 'scores' | 'end';
  /** Adds to what is seen of a token by how many there are before it, with heads and texts in one axis (Bloom). */
  readonly hasSlopes?: boolean;
  /** Id that has no position of its own: those of the others begin at 2. */
  readonly unplaced?: number;
}

const heads = 2;

/** input_ids, attention_mask, token_type_ids, position_ids [batch, sequence] → last_hidden_state [batch, sequence, width] */
export function randomBert({
  vocabulary = 64,
  width = 16,
  layers = 2,
  positions = 64,
  fixedLength,
  fixedBatch,
  dtype = 'int64',
  inputs = ['mask', 'types'],
  hiddenScore = -10000,
  isCausal = false,
  opset = 17,
  measures = false,
  picksMask = false,
  isQuantised = false,
  quantisesMask = false,
  findsAnswers = false,
  takesLast,
  hasSlopes = false,
  unplaced,
}: BertOptions = {}): Uint8Array {
  const rng = createRng(3);
  const b = new GraphBuilder({ opset });
  const dims = [fixedBatch ?? 'batch_size', fixedLength ?? 'sequence_length'];
  const table = (name: string, rows: number, columns: number, scale = 1 / Math.sqrt(columns)): string =>
    b.constant(
      name,
      float32(
        [rows, columns],
        Float32Array.from({ length: rows * columns }, () => scale * rng.normal()),
      ),
    );
  const ones = b.constant('norm.weight', float32([width], new Float32Array(width).fill(1)));
  const zeros = b.constant('norm.bias', float32([width], new Float32Array(width)));
  const normalise = (x: string): string =>
    b.op('LayerNormalization', [x, ones, zeros], { attributes: { axis: -1, epsilon: { float: 1e-12 } } });
  const input = (name: string): string => b.input(name, dtype, dims);

  const ids = input('input_ids');
  const mask = inputs.includes('mask') ? input('attention_mask') : undefined;
  const types = inputs.includes('types') ? input('token_type_ids') : undefined;
  const given = inputs.includes('positions') ? input('position_ids') : undefined;
  const length = b.op('Gather', [b.op('Shape', [ids]), b.ints([1])], { attributes: { axis: 0 } });
  let x = b.op('Gather', [table('embeddings.word', vocabulary, width, 1), ids]);
  const positionTable = table('embeddings.position', positions, width, 0.2);
  x = b.op('Add', [
    x,
    given === undefined
      ? unplaced === undefined
        ? b.op('Slice', [positionTable, b.ints([0]), length, b.ints([0])])
        : b.op('Gather', [positionTable, placesOf(b, ids, unplaced)])
      : b.op('Gather', [positionTable, given]),
  ]);
  if (types !== undefined)
    x = b.op('Add', [x, b.op('Gather', [table('embeddings.type', 2, width, 0.2), types])]);
  x = normalise(x);
  let bias: string | undefined;
  if (mask !== undefined) {
    const seen = picksMask ? pickedMask(b, mask, fixedBatch ?? 1, fixedLength!) : mask;
    const hidden = b.op('Sub', [b.scalar(1), b.op('Cast', [seen], { attributes: { to: 1 } })]);
    bias = b.op('Reshape', [b.op('Mul', [hidden, b.scalar(hiddenScore)]), b.ints([0, 1, 1, -1])]);
    if (quantisesMask) bias = roundedTo8Bits(b, bias, 5 / 255);
  }
  if (isCausal) {
    const square = b.op('Concat', [length, length], { attributes: { axis: 0 } });
    const zero = float32([1], [-10000]);
    const full = b.op('Expand', [b.constant('least', zero), square]);
    const later = b.op('Trilu', [full, b.constant('above', int64([], [1]))], { attributes: { upper: 1 } });
    bias = bias === undefined ? later : b.op('Add', [bias, later]);
  }
  const batch = b.op('Gather', [b.op('Shape', [ids]), b.ints([0])], { attributes: { axis: 0 } });
  const sizes = measures
    ? b.op('Concat', [batch, length, b.ints([width])], { attributes: { axis: 0 } })
    : b.ints([0, 0, width]);
  const angles = measures
    ? b.op('Cos', [
        b.op('Unsqueeze', [b.op('Slice', [positionTable, b.ints([0]), length, b.ints([0])]), b.ints([0])]),
      ])
    : undefined;
  for (let layer = 0; layer < layers; layer++) {
    const dense = (name: string, value: string, from = width, to = width): string => {
      const weight = table(`layer.${layer}.${name}`, from, to, 1 / Math.sqrt(from));
      return isQuantised ? quantisedProduct(b, value, weight) : b.op('MatMul', [value, weight]);
    };
    const split = (value: string, perm: number[]): string =>
      b.op('Transpose', [b.op('Reshape', [value, b.ints([0, 0, heads, width / heads])])], {
        attributes: { perm },
      });
    const products = b.op('Div', [
      b.op('MatMul', [split(dense('query', x), [0, 2, 1, 3]), split(dense('key', x), [0, 2, 3, 1])]),
      b.scalar(Math.sqrt(width / heads)),
    ]);
    const scores = hasSlopes ? withSlopes(b, products, mask!) : products;
    const weights = b.op('Softmax', [bias === undefined ? scores : b.op('Add', [scores, bias])], {
      attributes: { axis: -1 },
    });
    const seen = b.op('Transpose', [b.op('MatMul', [weights, split(dense('value', x), [0, 2, 1, 3])])], {
      attributes: { perm: [0, 2, 1, 3] },
    });
    const joined = b.op('Reshape', [seen, sizes]);
    const turned = angles === undefined ? joined : b.op('Mul', [joined, angles]);
    x = normalise(b.op('Add', [x, dense('output', turned)]));
    const inner = b.op('Relu', [dense('intermediate', x, width, 2 * width)]);
    x = normalise(b.op('Add', [x, dense('down', inner, 2 * width, width)]));
  }
  if (findsAnswers) {
    const scored = b.op('MatMul', [x, table('answers', width, 2)]);
    const [start, end] = b.ops('Split', [scored, b.ints([1, 1])], 2, { attributes: { axis: -1 } });
    for (const [name, value] of [
      ['start_logits', start!],
      ['end_logits', end!],
    ] as const)
      b.output(b.op('Squeeze', [value, b.ints([-1])]), 'float32', dims, name);
    return encodeModel(b.model());
  }
  if (takesLast !== undefined) {
    const scored = takesLast === 'scores' ? b.op('MatMul', [x, table('classes', width, 3)]) : x;
    const taken =
      takesLast === 'end'
        ? b.op('Squeeze', [b.op('Slice', [x, b.ints([-1]), b.ints([2 ** 31]), b.ints([1])]), b.ints([1])])
        : b.op('GatherND', [scored, lastPlaces(b, mask!)]);
    if (takesLast !== 'scores') b.output(taken, 'float32', [dims[0]!, width], 'text_embeds');
    else b.output(taken, 'float32', [dims[0]!, 3], 'logits');
    return encodeModel(b.model());
  }
  b.output(x, 'float32', [...dims, width], 'last_hidden_state');
  return encodeModel(b.model());
}

function quantisedProduct(b: GraphBuilder, value: string, weight: string): string {
  const quantise = (x: string) => b.ops('DynamicQuantizeLinear', [x], 3) as [string, string, string];
  const [x, xScale, xZero] = quantise(value);
  const [w, wScale, wZero] = quantise(weight);
  const product = b.op('Cast', [b.op('MatMulInteger', [x, w, xZero, wZero])], { attributes: { to: 1 } });
  return b.op('Mul', [product, b.op('Mul', [xScale, wScale])]);
}

/** QuantizeLinear and DequantizeLinear to multiples of `scale`, 255 of them below 0. */
function roundedTo8Bits(b: GraphBuilder, value: string, scale: number): string {
  const grid = [b.scalar(scale), b.constant('grid.zero', checked('uint8', [], Uint8Array.of(255)))];
  return b.op('DequantizeLinear', [b.op('QuantizeLinear', [value, ...grid]), ...grid]);
}

/** [batch, 2]: the number of each text, and where the mask has its last one. */
function lastPlaces(b: GraphBuilder, mask: string): string {
  const size = (axis: number): string =>
    b.op('Gather', [b.op('Shape', [mask]), b.constant(`axis.${axis}`, int64([], [axis]))], {
      attributes: { axis: 0 },
    });
  const count = (until: string): string =>
    b.op('Range', [b.constant('range.0', int64([], [0])), until, b.constant('range.1', int64([], [1]))]);
  const place = b.op('ArgMax', [b.op('Mul', [mask, count(size(1))])], {
    attributes: { axis: 1, keepdims: 1 },
  });
  return b.op('Concat', [b.op('Unsqueeze', [count(size(0)), b.ints([1])]), place], {
    attributes: { axis: 1 },
  });
}

/** Scores [batch, heads, sequence, sequence] with slopes added in [batch * heads, …]. */
function withSlopes(b: GraphBuilder, scores: string, mask: string): string {
  const along = b.constant('slopes.along', int64([], [1]));
  const counted = b.op('CumSum', [b.op('Cast', [mask], { attributes: { to: 1 } }), along]);
  const rates = b.constant('slopes.rates', float32([heads, 1], [0.5, 0.25]));
  const sloped = b.op('Mul', [b.op('Unsqueeze', [counted, b.ints([1])]), rates]);
  const length = b.op('Slice', [b.op('Shape', [mask]), b.ints([1]), b.ints([2])]);
  const laidOut = (value: string, dims: readonly string[]): string =>
    b.op('Reshape', [value, b.op('Concat', [...dims], { attributes: { axis: 0 } })]);
  const sum = b.op('Add', [
    laidOut(scores, [b.ints([-1]), length, length]),
    laidOut(sloped, [b.ints([-1, 1]), length]),
  ]);
  return laidOut(sum, [b.ints([-1, heads]), length, length]);
}

/** Of int64 ids: how many stand before each, those of `unplaced` not counted, plus 2. */
function placesOf(b: GraphBuilder, ids: string, unplaced: number): string {
  const isPlaced = b.op('Not', [b.op('Equal', [ids, b.constant('unplaced', int64([], [unplaced]))])]);
  const counted = b.op('Cast', [isPlaced], { attributes: { to: 7 } });
  return b.op('Add', [
    b.op('CumSum', [counted, b.constant('along', int64([], [1]))]),
    b.constant('first', int64([], [1])),
  ]);
}

export const words = [
  ...[
    'the',
    'a',
    'my',
    'is',
    'was',
    'not',
    'very',
    'and',
    'it',
    'this',
    'film',
    'card',
    'lost',
    'good',
    'bad',
  ],
  ...['great', 'awful', 'fine', 'poor', 'love', 'hate', 'why', 'where', 'when', 'how', '.', '?', '!', ','],
];

/** `tokenizer.json` of a WordPiece of a few words, [CLS] and [SEP] around every text. */
export function tinyTokenizer({
  vocabulary = words,
}: { readonly vocabulary?: readonly string[] } = {}): string {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const tokens = [...special, ...vocabulary, ...'abcdefghijklmnopqrstuvwxyz'.split('').map((c) => `##${c}`)];
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, lowercase: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 1 } },
        { SpecialToken: { id: '[SEP]', type_id: 1 } },
      ],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: null,
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
    },
  });
}

/**
 * From the masks of all texts one after another those of each: [batch, 1, 1, length]. The places of one text are constants;
 * those of several come from their numbers and the size of the mask.
 */
function pickedMask(b: GraphBuilder, mask: string, batch: number, length: number): string {
  const flat = b.op('Flatten', [mask], { attributes: { axis: 2 } });
  const count = (name: string, dims: readonly number[]): string =>
    b.constant(
      name,
      int64(
        dims,
        Array.from({ length: Math.max(...dims) }, (_, i) => i),
      ),
    );
  let places = count('places', [1, 1, 1, length]);
  if (batch > 1) {
    const size = b.op('Gather', [b.op('Shape', [mask]), b.ints([1])], { attributes: { axis: 0 } });
    places = b.op('Add', [b.op('Mul', [count('texts', [batch, 1, 1, 1]), size]), places]);
  }
  return b.op('Reshape', [b.op('Gather', [flat, places]), b.ints([batch, 1, 1, length])]);
}
