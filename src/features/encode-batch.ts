/** What a worker makes of a batch before the model sees it: images decoded into a few buffers, texts tokenised. */
import { GraftError } from '../errors.js';
import { PixelBudget } from '../image/pixel-budget.js';
import { preprocessViews } from '../image/preprocess-image.js';
import type { EncodedExamples } from '../inputs/encoded-examples.js';
import { imageRows } from '../inputs/image-rows.js';
import { exampleDims, type PixelSpec, type TokenSpec } from '../models/input-spec.js';
import { sizeOf } from '../tensor/shape.js';
import { type Batch, batchesPerWorker, type WorkerSetup } from './worker-messages.js';

export interface EncodedBatch {
  /** Examples in the batch, broken ones included. */
  readonly count: number;
  /** For each view wanted, by its index, the examples that are to be run. */
  readonly views: ReadonlyMap<number, EncodedExamples>;
  readonly broken: readonly Broken[];
  /** Slots, as in `BatchFeatures`. */
  readonly cut: readonly number[];
}

interface Broken {
  readonly slot: number;
  readonly reason: string;
}

/** May work on several batches at once; what it gives is good until `batchesPerWorker` more were begun. */
export type EncodeBatch = (batch: Batch) => Promise<EncodedBatch>;

/** @throws GraftError INVALID_TOKENIZER */
export async function openBatchEncoder({ input, ...setup }: WorkerSetup): Promise<EncodeBatch> {
  return input.kind === 'pixels' ? openImages(input, setup) : openTexts(input, setup);
}

/** Every image has its own slot, so a broken neighbour does not move it; the slot of a broken one holds what was there. */
function openImages(
  input: PixelSpec,
  { perRun, pixelBytes, views: allViews }: Pick<WorkerSetup, 'perRun' | 'pixelBytes' | 'views'>,
): EncodeBatch {
  const size = sizeOf(exampleDims(input).get(input.name)!);
  /** What one run of the model reads. */
  const pixels = new Float32Array(perRun * size);
  /** Of the batches at a time, the floats of large images: by view and slot, made when they are first needed. */
  const waiting = Array.from({ length: batchesPerWorker }, (): Float32Array[] => []);
  const budget = new PixelBudget(pixelBytes);
  let turn = 0;
  return async ({ examples, keys, views: numbers }) => {
    const rows = waiting[turn++ % waiting.length]!;
    const count = examples.length;
    const views = numbers.map((view) => allViews[view]);
    const broken: Broken[] = [];
    const writers = await Promise.all(
      examples.map(async (bytes, slot) => {
        const rowOf = (place: number) => (rows[place * count + slot] ??= new Float32Array(size));
        try {
          return await preprocessViews(bytes, keys[slot]!, input.preprocess, views, { budget, rowOf });
        } catch (error) {
          broken.push({ slot, reason: reasonOf(error, 'INVALID_IMAGE') });
          return undefined;
        }
      }),
    );
    return {
      count,
      views: new Map(
        numbers.map((view, place) => [
          view,
          imageRows(input, count, (start, end) => {
            for (let slot = start; slot < end; slot++) {
              const at = (slot - start) * size;
              writers[slot]?.[place]!(pixels.subarray(at, at + size));
            }
            return pixels.subarray(0, (end - start) * size);
          }),
        ]),
      ),
      broken: broken.sort((a, b) => a.slot - b.slot),
      cut: [],
    };
  };
}

async function openTexts(
  input: TokenSpec,
  { tellsCut = false }: Pick<WorkerSetup, 'tellsCut'>,
): Promise<EncodeBatch> {
  // Every worker would load the tokenizers, also for images.
  const { openTextEncoder } = await import('../inputs/encode-texts.js');
  const encoder = openTextEncoder(input);
  return async ({ examples, views }) => {
    const broken: Broken[] = [];
    const cut: number[] = [];
    const texts = examples.map((bytes, slot) => {
      try {
        const tokens = encoder.tokensOf(bytes);
        if (tellsCut && tokens.ids.length === input.maxLength && encoder.isCut(bytes)) cut.push(slot);
        return tokens;
      } catch (error) {
        broken.push({ slot, reason: reasonOf(error, 'INVALID_TEXT') });
        return undefined;
      }
    });
    const arranged = encoder.arrange(texts);
    return { count: examples.length, views: new Map(views.map((view) => [view, arranged])), broken, cut };
  };
}

/** Anything else (no memory, a bug) says nothing about the example and must not be recorded as its fault. */
function reasonOf(error: unknown, code: 'INVALID_IMAGE' | 'INVALID_TEXT'): string {
  if (error instanceof GraftError && error.code === code) return error.message;
  throw error;
}
