/**
 * A run for TensorBoard: scalars of the training part under `train/`, of the validation part under `validation/` with the
 * same tags, so that both share a chart; the settings for its HParams page.
 * Field numbers of that page: tensorboard/plugins/hparams/{plugin_data,api}.proto, google/protobuf/struct.proto.
 */
import { Buffer } from 'node:buffer';
import path from 'node:path';
import { messageOf } from '../errors.js';
import type { Logger } from '../logger.js';
import { type EventFile, openEventFile } from './event-file.js';
import { double, int, message, text } from './protobuf-fields.js';
import { figuresOf, type RunDescription, type RunStatus, type Tracker } from './tracker.js';

const hparams = 'hparams';

export function trackInTensorboard(folder: string, run: RunDescription, logger: Logger): Tracker {
  const files = new Map<string, EventFile>();
  const fileOf = (part: string): EventFile => {
    const known = files.get(part) ?? openEventFile(path.join(folder, part));
    files.set(part, known);
    return known;
  };
  let isBroken = false;
  const attempt = (write: () => void): void => {
    if (isBroken) return;
    try {
      write();
    } catch (error) {
      isBroken = true;
      logger.warn(`TensorBoard's files in ${folder} are no longer written: ${messageOf(error)}`);
    }
  };
  attempt(() => {
    fileOf('.').plugin('_hparams_/experiment', hparams, experiment(run));
    fileOf('.').plugin('_hparams_/session_start_info', hparams, sessionStart(run));
  });
  return {
    epoch({ epoch, objective, train, validation }) {
      attempt(() => {
        fileOf('train').scalars(epoch, [...figuresOf(train), ...figuresOf({ objective })]);
        if (validation) fileOf('validation').scalars(epoch, figuresOf(validation));
      });
    },
    async end(status, figures) {
      attempt(() => {
        const named = Object.entries(figures);
        if (named.length > 0) fileOf('.').scalars(0, named);
        fileOf('.').plugin('_hparams_/session_end_info', hparams, sessionEnd(status));
      });
    },
  };
}

/** HParamsPluginData { version = 1, experiment = 2 { time_created_secs = 3, hparam_infos = 4, metric_infos = 5 } } */
function experiment({ parameters }: RunDescription): Uint8Array {
  const types = { string: 1, boolean: 2, number: 3 } as const;
  const infos = Object.entries(parameters).map(([name, value]) =>
    message(4, text(1, name), int(4, types[typeof value as keyof typeof types])),
  );
  const metrics = ['validation/accuracy', 'validation/loss', 'train/accuracy', 'train/loss'].map((tag) =>
    message(5, message(1, text(2, tag))),
  );
  return Buffer.concat([int(1, 0), message(2, double(3, Date.now() / 1000), ...infos, ...metrics)]);
}

/** HParamsPluginData { session_start_info = 3 { hparams = 1 (map), group_name = 4, start_time_secs = 5 } } */
function sessionStart({ name, parameters }: RunDescription): Uint8Array {
  const entries = Object.entries(parameters).map(([key, value]) =>
    message(1, text(1, key), message(2, valueOf(value))),
  );
  return Buffer.concat([int(1, 0), message(3, ...entries, text(4, name), double(5, Date.now() / 1000))]);
}

/** HParamsPluginData { session_end_info = 4 { status = 1, end_time_secs = 2 } } */
function sessionEnd(status: RunStatus): Uint8Array {
  return Buffer.concat([
    int(1, 0),
    message(4, int(1, status === 'finished' ? 1 : 2), double(2, Date.now() / 1000)),
  ]);
}

/** google.protobuf.Value */
function valueOf(value: string | number | boolean): Uint8Array {
  if (typeof value === 'number') return double(2, value);
  return typeof value === 'boolean' ? int(4, value ? 1 : 0) : text(3, value);
}
