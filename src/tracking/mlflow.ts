/**
 * A run on an MLflow tracking server. Requests go out one after another beside the training; what a server that is down
 * or slow did not take is kept and sent later, at the latest when the run ends. Training never waits for it, and the end
 * waits no longer than `patienceMs`.
 */
import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import type { KeyValue, MlflowClient, MlflowMetric, MlflowRun } from './mlflow-client.js';
import { figuresOf, type RunDescription, type RunStatus, type Tracker } from './tracker.js';

export interface MlflowOptions {
  readonly experiment: string;
  /** A run of this server to go on with. */
  readonly resume?: MlflowRun | undefined;
  /** Told once the server has made the run. */
  readonly onRun?: (run: MlflowRun) => void;
  /** Files to keep with a run that finished, read when it ends. */
  readonly artifacts?: () => Promise<readonly (readonly [name: string, content: Uint8Array])[]>;
  /** Pause between requests. */
  readonly intervalMs?: number;
  /** Pause after a request failed. */
  readonly retryMs?: number;
  /** How long the end of the run may take. */
  readonly patienceMs?: number;
}

const statuses: Readonly<Record<RunStatus, string>> = {
  finished: 'FINISHED',
  failed: 'FAILED',
  killed: 'KILLED',
};

export function trackInMlflow(
  client: MlflowClient,
  description: RunDescription,
  logger: Logger,
  options: MlflowOptions,
): Tracker {
  const { intervalMs = 1000, retryMs = 15_000, patienceMs = 10_000 } = options;
  const startTime = Date.now();
  let parameters: readonly KeyValue[] = pairs(description.parameters);
  let pending: MlflowMetric[] = [];
  let run: MlflowRun | undefined = options.resume;
  if (run) parameters = [];
  let notBefore = 0;
  let hasWarned = false;
  let sending: Promise<boolean> | undefined;

  /** Sends all there is. @returns whether it went well */
  const send = async (): Promise<boolean> => {
    try {
      if (!run) {
        const experimentId = await client.experiment(options.experiment);
        run = await client.createRun(experimentId, description.name, startTime, pairs(description.tags));
        options.onRun?.(run);
      }
      // A copy: epochs go on to be queued while it is sent.
      const metrics = [...pending];
      await client.log(run.runId, parameters, metrics);
      parameters = [];
      pending = pending.slice(metrics.length);
      notBefore = Date.now() + intervalMs;
      return true;
    } catch (error) {
      notBefore = Date.now() + retryMs;
      if (!hasWarned) {
        hasWarned = true;
        logger.warn(
          `The MLflow server ${client.address} does not take what is logged (${reasonOf(error)}); training goes on, and it is tried again until the run ends.`,
        );
      }
      return false;
    }
  };
  const sendInTurn = (): Promise<boolean> => {
    sending ??= send().finally(() => {
      sending = undefined;
    });
    return sending;
  };
  const queue = (prefix: string, figures: readonly [string, number][], step: number): void => {
    const timestamp = Date.now();
    for (const [name, value] of figures) pending.push({ key: `${prefix}${name}`, value, timestamp, step });
  };
  // The run appears on the server when training begins, not when it ends.
  void (run ? client.updateRun(run.runId, { status: 'RUNNING' }).catch(() => {}) : sendInTurn());
  return {
    epoch({ epoch, objective, train, validation }) {
      queue('', figuresOf({ objective }), epoch);
      queue('train/', figuresOf(train), epoch);
      queue('validation/', figuresOf(validation), epoch);
      if (Date.now() >= notBefore) void sendInTurn();
    },
    async end(status, figures) {
      const finish = async (): Promise<void> => {
        await sending;
        queue('final/', figuresOf(figures), 0);
        if (!(await sendInTurn()) || !run) throw new Error('it took nothing');
        if (status === 'finished') {
          for (const [name, content] of (await options.artifacts?.()) ?? [])
            await client.uploadArtifact(run, name, content);
        }
        await client.updateRun(run.runId, { status: statuses[status], endTime: Date.now() });
      };
      let timer: NodeJS.Timeout | undefined;
      const tooLong = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it took more than ${patienceMs / 1000} s`)), patienceMs);
      });
      try {
        await Promise.race([finish(), tooLong]);
      } catch (error) {
        if (!hasWarned)
          logger.warn(
            `The run may be incomplete on the MLflow server ${client.address}: ${reasonOf(error)}.`,
          );
        hasWarned = true;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function pairs(record: Readonly<Record<string, unknown>>): KeyValue[] {
  return Object.entries(record).map(([key, value]) => ({ key, value: String(value) }));
}

/** fetch says only "fetch failed"; the cause says why. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return messageOf(cause) || String((cause as NodeJS.ErrnoException).code ?? cause);
}
