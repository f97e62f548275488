/** ONNX Runtime's words on a model that it does not take, and what to do about the usual reasons. */
import { GraftError, messageOf } from '../errors.js';
import { guardedLoop } from '../graph/loop-guard.js';

interface Reason {
  readonly pattern: RegExp;
  readonly says: (match: RegExpExecArray) => string;
}

const reasons: readonly Reason[] = [
  {
    pattern: /Unsupported model IR version: (\d+), max supported IR version: (\d+)/,
    says: ([, version, most]) =>
      `the file is written in IR version ${version} of the format, and this ONNX Runtime reads versions up to ${most}. Export it with an older onnx package, or set ir_version to ${most} in the file where it uses nothing newer.`,
  },
  {
    pattern:
      /Opset (\d+) is under development.*Current official support for domain (\S+) is till opset (\d+)/,
    says: ([, version, domain, most]) =>
      `it is for operator set ${version} of ${domain}, and this ONNX Runtime knows versions up to ${most}. Export it with opset_version=${most} or less.`,
  },
  {
    pattern:
      /\("([^"]*)", (\w+), "[^"]*", -?\d+\) : .*No Op registered for \w+ with domain_version of (-?\d+)/,
    says: ([, name, operator, version]) =>
      `there is no operator ${operator} (node "${name}") in operator set ${version}. Export it for another operator set (opset_version), or without that operator.`,
  },
  {
    pattern: /Fatal error: (\S+?):(\w+)\((-?\d+)\) is not a registered function\/op/,
    says: ([, domain, operator]) =>
      `its operator ${operator} of the domain ${domain} is a custom one, or one that this ONNX Runtime does not know. Export the model with standard operators, or cut it before that node with --layer.`,
  },
  {
    pattern: /\("([^"]*)", (\w+), "([^"]*)", -?\d+\) : .*No opset import for domain '[^']*'/,
    says: ([, name, operator, domain]) =>
      `node "${name}" (${operator}) is of the domain ${domain}, of which the file imports no operator set (opset_import). Export it again, or add the import.`,
  },
  {
    pattern: /Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'/,
    says: ([, operator, version, name]) =>
      `it has no ${operator} of operator set ${version} for the element types of node "${name}". Export the model in float32, or for a newer operator set.`,
  },
  {
    pattern: /two nodes with same node name \((.*)\)/,
    says: ([, name]) =>
      `two of its nodes are named "${name}". Give each a name of its own, or none (node.name = "").`,
  },
];

/** Where in its own sources it failed, which tells a user nothing: a file, a line and the signature of a function. */
const sourcePlaces: readonly RegExp[] = [
  /\S*onnxruntime_src\S*:\d+ .*?\((?:[^()]|\([^()]*\))*\)(?:::<lambda\([^()]*\)>)? /,
  /(?:^|status\.)[\w.:=!<>&|()-]*(?: [=!<>&|]+ [\w.:()-]+)* was false\. /,
  /\[ONNXRuntimeError\] : \d+ : \w+ : /,
  /\b\w+\.cc:\d+ \w+ /,
];

/** What ONNX Runtime says, in one line and without the place in its sources. */
function withoutSourcePlace(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  return sourcePlaces.reduce((rest, place) => rest.replace(place, ''), line) || line;
}

/** What ONNX Runtime says of a model; of common reasons, what is wrong, where and what to do. */
export function explainRefusal(message: string): string {
  const line = message.replace(/\s+/g, ' ').trim();
  for (const { pattern, says } of reasons) {
    const match = pattern.exec(line);
    if (match) return says(match);
  }
  return withoutSourcePlace(line);
}

/** The error of a run: RUNTIME_FAILURE, or UNSUPPORTED_MODEL for a loop that never ends. */
export function runFailure(cause: unknown, provider: string): GraftError {
  const message = withoutSourcePlace(messageOf(cause));
  const endless = guardedLoop(message);
  if (!endless)
    return new GraftError('RUNTIME_FAILURE', `ONNX Runtime failed on ${provider}: ${message}`, { cause });
  return new GraftError(
    'UNSUPPORTED_MODEL',
    `Loop "${endless.loop}" went on for ${endless.rounds.toLocaleString('en')} rounds, and its condition was still true. Export the model with ` +
      'a smaller number of rounds, or with a condition that turns false on any input.',
    { cause },
  );
}
