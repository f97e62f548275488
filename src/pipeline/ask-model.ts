/** What an exported model says of many examples: by sessions in threads of their own, as features are computed. */
import { GraftError, unreadable } from '../errors.js';
import { openPool } from '../features/open-pool.js';
import { Pace } from '../features/pace.js';
import type { ModelMetadata } from '../models/model-metadata.js';
import { readExported } from '../models/read-exported.js';
import { assertFinite } from '../predict/assert-finite.js';
import { resolveDevice } from '../runtime/providers.js';
import type { Device } from '../runtime/session.js';
import { readSource } from '../sources/read-source.js';
import type { Located } from '../sources/source.js';
import { taskOf } from '../tasks/task-of.js';

/** Probabilities, or the numbers of a regression, in the order of the labels; or why the example cannot be used. */
export type Outcome = Float32Array | GraftError;

export interface AskOptions {
  readonly device?: Device | undefined;
  readonly threads?: number | undefined;
  /** Most examples a run of the model; default: by the device. */
  readonly batch?: number | undefined;
}

export interface ExportedModel {
  readonly metadata: ModelMetadata;
  /**
   * Outcomes in the order of the examples, some at a time. Nothing is opened before the first is asked for, and all is closed at
   * the end, also of a loop that is left.
   * @param read - the bytes of the example at an index, in memory of its own, or why they cannot be read
   * @param onCut - called with the index of each text that is longer than what the model reads, before its outcome comes
   * @throws GraftError PROVIDER_UNAVAILABLE, INVALID_MODEL or RUNTIME_FAILURE, which are no example's fault
   */
  ask(
    count: number,
    read: (index: number) => Promise<Uint8Array<ArrayBuffer> | GraftError>,
    onCut: (index: number) => void,
  ): AsyncGenerator<readonly Outcome[]>;
}

/** So few are done before a second session has been opened; one takes all cores then. */
const few = 4;
/** Only views need to know. */
const noKey = new Uint8Array();

/** @throws GraftError where the file is missing, no ONNX, or not exported by Graft. */
export async function openExported(path: string, options: AskOptions = {}): Promise<ExportedModel> {
  const { metadata, layOut } = await readExported(path);
  const { device = 'auto', batch, threads } = options;
  const { labels, task, input } = metadata;
  const output = { name: taskOf(task).outputNames.outputs, view: 0, dim: labels.length };
  return {
    metadata,
    async *ask(count, read, onCut) {
      let done = 0;
      const { provider } = await resolveDevice(device);
      const { source, sizeBytes, release } = await layOut();
      const { pool, parcel } = openPool({
        ...{ model: source, modelBytes: sizeBytes, input, provider, batch, threads },
        ...(count <= few && { workers: 1 }),
        tellsCut: true,
        views: [undefined],
        outputs: [output],
        remaining: () => count - done,
      });
      const outcomesOf = async (from: number, to: number): Promise<readonly Outcome[]> => {
        const contents = await Promise.all(Array.from({ length: to - from }, (_, i) => read(from + i)));
        const examples = contents.filter((content) => content instanceof Uint8Array);
        if (examples.length === 0) return contents as GraftError[];
        const { features, broken, cut } = await pool.run({
          examples,
          keys: examples.map(() => noKey),
          views: [0],
        });
        const reasons = new Map(broken.map(({ slot, reason }) => [slot, reason]));
        const code = input.kind === 'pixels' ? 'INVALID_IMAGE' : 'INVALID_TEXT';
        const isCut = new Set(cut);
        let slot = 0;
        return contents.map((content, i) => {
          if (content instanceof GraftError) return content;
          if (isCut.has(slot)) onCut(from + i);
          const reason = reasons.get(slot);
          const values = features[0]!.subarray(slot * labels.length, ++slot * labels.length);
          return reason === undefined ? finite(values) : new GraftError(code, reason);
        });
      };
      const pace = new Pace();
      const asked: Promise<readonly Outcome[]>[] = [];
      try {
        for (let next = 0; done < count;) {
          while (next < count && asked.length < pool.capacity) {
            const from = next;
            next = Math.min(count, from + parcel(pace.msPerExample(done)));
            const outcomes = outcomesOf(from, next);
            // It is heard when its turn comes.
            outcomes.catch(() => {});
            asked.push(outcomes);
          }
          const outcomes = await asked.shift()!;
          done += outcomes.length;
          pace.note(done);
          yield outcomes;
        }
      } finally {
        await pool.close();
        await release();
      }
    },
  };
}

/**
 * The bytes of an example, or why there are none.
 * @param signal - ends the wait for a server
 */
export async function contentOf(
  example: Located,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer> | GraftError> {
  try {
    return (await readSource(example, undefined, signal)).bytes;
  } catch (error) {
    return unreadable(example.path, error);
  }
}

function finite(values: Float32Array): Outcome {
  try {
    assertFinite(values);
    return values;
  } catch (error) {
    return error as GraftError;
  }
}
