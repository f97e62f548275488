/** How the model of a run is used: what to type, ready to be pasted into a shell, and why. */
import { access } from 'node:fs/promises';
import path from 'node:path';
import { quoteForShell } from '../quote-for-shell.js';
import type { TaskKind } from '../tasks/task.js';
import { taskOf } from '../tasks/task-of.js';
import { type FeatureRunConfig, isFeatureRun, type RunConfig, runFiles } from './run-folder.js';

export async function usesOfRun(
  folder: string,
  config: RunConfig | FeatureRunConfig,
  task: TaskKind,
): Promise<[string, string][]> {
  const file = path.join(folder, runFiles.model);
  const isExported = await access(file).then(
    () => true,
    () => false,
  );
  const [run, model] = [quoteForShell(folder), quoteForShell(file)];
  const uses: [string, string][] = [];
  if (!isExported) uses.push(['Write the model:', `graft export --run ${run} --out ${model}`]);
  if (isFeatureRun(config)) {
    uses.push([
      'Merge it with the backbone that makes the features:',
      `graft export --run ${run} --backbone BACKBONE.onnx --out ${model}`,
    ]);
    const { outputs } = taskOf(task).outputNames;
    uses.push([
      `Run it in any program with ONNX Runtime: float32 [batch, ${config.dim}] in, ${outputs} out:`,
      `const session = await InferenceSession.create(${JSON.stringify(file)})\nconst { ${outputs} } = await session.run({ features })`,
    ]);
    return uses;
  }
  const what = task === 'regression' ? 'Numbers of' : 'Labels for';
  const [texts, text, lines] = config.tokens?.takesPairs
    ? ['pairs of texts', '"FIRST TEXT" "SECOND TEXT"', 'PAIRS.tsv']
    : ['texts', '"SOME TEXT"', 'LINES.txt'];
  uses.push(
    config.tokens
      ? [
          `${what} new ${texts}:`,
          `graft predict --model ${model} ${text}\ngraft predict --model ${model} - < ${lines}`,
        ]
      : [`${what} new images:`, `graft predict --model ${model} PHOTO.jpg`],
  );
  uses.push([
    'Measure it on other data:',
    `graft eval --model ${model} --data ${config.tokens || task === 'multi' || task === 'regression' ? 'TABLE.csv' : 'FOLDER'}`,
  ]);
  return uses;
}
