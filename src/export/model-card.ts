/** `README.md` of a folder for the Hugging Face Hub: what the model tells apart, how well, how it was made, how it is used. */
import type { Evaluation } from '../metrics/evaluation.js';
import type { TaskKind } from '../tasks/task.js';

export interface ModelCard {
  /** Of the folder. */
  readonly name: string;
  readonly kind: 'images' | 'texts' | 'pairs';
  readonly task: TaskKind;
  readonly labels: readonly string[];
  readonly measured?: { readonly part: 'train' | 'validation'; readonly evaluation: Evaluation } | undefined;
  /** How it was made, as names and values. */
  readonly facts: readonly (readonly [string, string])[];
  /** `owner/repo` of the backbone, where it is of the Hub. */
  readonly baseModel?: string | undefined;
  /** In `onnx/`; what transformers.js loads is said in `config.json`. */
  readonly file: string;
  /** Such as that one example a run is taken. */
  readonly notes: readonly string[];
}

/** Labels beyond these are in `config.json` alone. */
const mostLabels = 100;

export function modelCard(card: ModelCard): string {
  const { name, kind, labels, facts, baseModel, notes } = card;
  const task = kind === 'images' ? 'image-classification' : 'text-classification';
  const more = labels.length > mostLabels ? `, … (all ${labels.length} are in \`config.json\`)` : '';
  const parts = [
    [
      '---',
      `pipeline_tag: ${task}`,
      'library_name: transformers.js',
      'tags:',
      ...['onnx', 'transformers.js', 'graft', 'transfer-learning'].map((tag) => `  - ${tag}`),
      ...(baseModel === undefined ? [] : [`base_model: ${JSON.stringify(baseModel)}`]),
      '---',
    ],
    [`# ${plain(name)}`],
    [whatItDoes(card)],
    [`${labelsAre(card)}: ${labels.slice(0, mostLabels).map(code).join(', ')}${more}.`],
    measuredLines(card),
    [
      '## How it was made',
      '',
      ...table(
        ['', ''],
        facts.map(([title, value]) => [title, plain(value)]),
      ),
    ],
    ['## Use', '', 'With transformers.js:', '', '```js', ...javaScript(card, task), '```'],
    [
      'With Optimum, in Python (`pip install "optimum-onnx[onnxruntime]"`):',
      '',
      '```python',
      ...python(card, task),
      '```',
    ],
    notes,
  ];
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function whatItDoes({ kind, task, labels }: ModelCard): string {
  const what = kind === 'pairs' ? 'pairs of texts' : kind;
  const does = {
    single: `sorts ${what} into ${labels.length} classes`,
    ordered: `sorts ${what} into ${labels.length} ordered classes`,
    multi: `says which of ${labels.length} labels ${what} have`,
    regression: `tells ${labels.length === 1 ? 'a number' : `${labels.length} numbers`} from ${what}`,
  }[task];
  return `A model that ${does}: a frozen backbone with a head trained on it by Graft (\`onnx-graft\`), in one ONNX graph.`;
}

function labelsAre({ task }: ModelCard): string {
  return { single: 'Classes', ordered: 'Classes, in order', multi: 'Labels', regression: 'Numbers' }[task];
}

const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
const digits = (value: number): string => value.toPrecision(4);
const figures: readonly (readonly [string, string, (value: number) => string])[] = [
  ['accuracy', 'accuracy', share],
  ['macroF1', 'macro F1', share],
  ['microF1', 'micro F1', share],
  ['rocAuc', 'ROC AUC', digits],
  ['ece', 'expected calibration error', digits],
  ['meanSteps', 'mean steps off', digits],
  ['r2', 'R²', digits],
  ['mae', 'mean absolute error', digits],
  ['rmse', 'RMSE', digits],
  ['loss', 'loss', digits],
];

function measuredLines({ measured }: ModelCard): string[] {
  if (!measured) return [];
  const { part, evaluation } = measured;
  const values: Readonly<Record<string, unknown>> = { ...evaluation };
  const intervals = (values.intervals ?? {}) as Readonly<Record<string, unknown>>;
  const rows = figures.flatMap(([key, title, format]) => {
    const value = values[key];
    // Of one label an example it is the accuracy.
    if (typeof value !== 'number' || (key === 'microF1' && evaluation.task !== 'multi')) return [];
    const interval = intervals[key];
    return [
      [
        title,
        format(value),
        isInterval(interval) ? `${format(interval.low)} to ${format(interval.high)}` : '',
      ],
    ];
  });
  const on =
    part === 'validation'
      ? `On ${evaluation.examples} validation examples, which it was not trained on.`
      : `On the ${evaluation.examples} training examples themselves, as none were held out: expect less on new ones.`;
  return ['## Measured', '', on, '', ...table(['figure', 'value', '95 % interval'], rows)];
}

function isInterval(value: unknown): value is { low: number; high: number } {
  const { low, high } = (value ?? {}) as { low?: unknown; high?: unknown };
  return typeof low === 'number' && typeof high === 'number';
}

function javaScript({ name, kind, task, labels }: ModelCard, pipelineTask: string): string[] {
  const id = JSON.stringify(`OWNER/${name}`);
  const example = kind === 'images' ? `'photo.jpg'` : `'a text'`;
  // Its pipeline takes a softmax of whatever it is given, but of texts with several labels; and no pairs.
  if (kind !== 'pairs' && task !== 'regression' && !(task === 'multi' && kind === 'images')) {
    const topK = task === 'multi' || labels.length > 5 ? ', { top_k: null }' : '';
    return [
      `import { pipeline } from '@huggingface/transformers';`,
      `const classify = await pipeline('${pipelineTask}', ${id});`,
      `console.log(await classify(${example}${topK}));`,
    ];
  }
  // It makes token types where it is asked to, and zeros stand in for them.
  const second = kind === 'pairs' ? `text_pair: 'another text', return_token_type_ids: true, ` : '';
  const [processor, model, input] =
    kind === 'images'
      ? ['AutoProcessor', 'AutoModelForImageClassification', 'await RawImage.read(' + example + ')']
      : ['AutoTokenizer', 'AutoModelForSequenceClassification', `${example}, { ${second}truncation: true }`];
  const isProbable = task === 'single' || task === 'ordered';
  const outputs = isProbable
    ? 'softmax(logits.data)'
    : `${task === 'multi' ? 'logits.sigmoid()' : 'logits'}.tolist()`;
  const imported = [
    processor,
    model,
    ...(kind === 'images' ? ['RawImage'] : []),
    ...(isProbable ? ['softmax'] : []),
  ].join(', ');
  return [
    `import { ${imported} } from '@huggingface/transformers';`,
    `const prepare = await ${processor}.from_pretrained(${id});`,
    `const model = await ${model}.from_pretrained(${id});`,
    `const { logits } = await model(await prepare(${input}));`,
    `console.log(${outputs}, model.config.id2label);`,
  ];
}

function python({ name, kind, task, file }: ModelCard, pipelineTask: string): string[] {
  const [model, processor, argument] =
    kind === 'images'
      ? ['ORTModelForImageClassification', 'AutoImageProcessor', 'image_processor']
      : ['ORTModelForSequenceClassification', 'AutoTokenizer', 'tokenizer'];
  const folder = JSON.stringify(`OWNER/${name}`);
  const text = kind === 'pairs' ? `{"text": "a text", "text_pair": "another text"}` : `"a text"`;
  const example = kind === 'images' ? `"photo.jpg", top_k=None` : `${text}, top_k=None, truncation=True`;
  // Of a single number its pipeline would take the logistic function.
  const call = `classify(${example}${task === 'regression' ? ', function_to_apply="none"' : ''})`;
  return [
    `from optimum.onnxruntime import ${model}`,
    `from transformers import ${processor}, pipeline`,
    `model = ${model}.from_pretrained(${folder}, subfolder="onnx", file_name="${file}")`,
    `classify = pipeline("${pipelineTask}", model=model, ${argument}=${processor}.from_pretrained(${folder}))`,
    `print(${call})`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)];
}

/** Names are anybody's: as code without a backtick, on one line. */
function code(label: string): string {
  return `\`${label.replaceAll(/[`\s|]+/g, ' ').trim()}\``;
}

/** Text in which nothing is markup. */
function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll(/[\\`*_{}[\]<>#|!]/g, (character) => `\\${character}`);
}
