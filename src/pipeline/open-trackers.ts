/** `--tensorboard` and `--mlflow`: from flags to what follows a run. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { GraftError } from '../errors.js';
import type { Logger } from '../logger.js';
import { trackInMlflow } from '../tracking/mlflow.js';
import { mlflowClient, type MlflowRun } from '../tracking/mlflow-client.js';
import { trackInTensorboard } from '../tracking/tensorboard.js';
import type { RunDescription, Tracker } from '../tracking/tracker.js';
import { runFiles } from './run-folder.js';

export interface TrackingOptions {
  /** Folder in which this run gets one of its own; '' or 'true': `tensorboard` in the run folder. */
  readonly tensorboard?: string | undefined;
  /** Address of a tracking server. */
  readonly mlflow?: string | undefined;
  /** Default: $MLFLOW_EXPERIMENT_NAME, else graft. */
  readonly mlflowExperiment?: string | undefined;
}

const requestTimeoutMs = 5000;
const mlflowRunFile = 'mlflow.json';

/** Before any work is done. @throws GraftError USAGE */
export function assertTrackable({ mlflow }: TrackingOptions): void {
  if (mlflow === undefined || (/^https?:\/\/./.test(mlflow) && URL.canParse(mlflow))) return;
  throw new GraftError(
    'USAGE',
    `Expected the address of an MLflow tracking server, such as http://127.0.0.1:5000, for --mlflow but received ${JSON.stringify(mlflow)}.`,
  );
}

export async function openTrackers(
  folder: string,
  run: RunDescription,
  options: TrackingOptions & { readonly isResumed: boolean },
  logger: Logger,
): Promise<Tracker[]> {
  const trackers: Tracker[] = [];
  if (options.tensorboard !== undefined) {
    const isOwn = options.tensorboard === '' || options.tensorboard === 'true';
    const home = isOwn
      ? path.join(folder, 'tensorboard')
      : path.resolve(options.tensorboard, path.basename(folder));
    trackers.push(trackInTensorboard(home, run, logger));
  }
  if (options.mlflow !== undefined) {
    const client = mlflowClient(options.mlflow, requestTimeoutMs);
    const file = path.join(folder, mlflowRunFile);
    trackers.push(
      trackInMlflow(client, run, logger, {
        experiment: options.mlflowExperiment ?? process.env.MLFLOW_EXPERIMENT_NAME ?? 'graft',
        resume: options.isResumed ? await readMlflowRun(file, client.address) : undefined,
        onRun: (made) => {
          // Only a resumed run misses it.
          writeFile(file, JSON.stringify({ ...made, address: client.address })).catch(() => {});
        },
        artifacts: () =>
          Promise.all(
            [runFiles.config, runFiles.result, runFiles.metrics, runFiles.evaluation].map(
              async (name) => [name, await readFile(path.join(folder, name))] as const,
            ),
          ),
      }),
    );
  }
  return trackers;
}

async function readMlflowRun(file: string, address: string): Promise<MlflowRun | undefined> {
  try {
    const known = JSON.parse(await readFile(file, 'utf8')) as MlflowRun & { address: string };
    return known.address === address ? known : undefined;
  } catch {
    return undefined;
  }
}
