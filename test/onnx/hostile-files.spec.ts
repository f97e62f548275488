import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { GraftError } from '../../src/errors.js';
import { decodeModel, readModel } from '../../src/onnx/read-model.js';
import { encodeModel } from '../../src/onnx/write-model.js';
import { field, model, node, number, value, varint } from './encode-raw.js';

const fixtures = path.resolve('test/onnx/fixtures');
const decode = (bytes: Uint8Array) => decodeModel(bytes, { path: 'dir/m.onnx' });

function refusal(action: () => unknown): GraftError {
  try {
    action();
  } catch (error) {
    if (error instanceof GraftError) return error;
    throw error;
  }
  throw new Error('Expected a refusal.');
}

async function refusalOf(action: Promise<unknown>): Promise<GraftError> {
  const [result] = await Promise.allSettled([action]);
  return refusal(() => {
    if (result.status === 'rejected') throw result.reason;
  });
}

const x = field(11, value('x'));
const y = field(12, value('y'));
const relu = field(1, node('Relu', ['x'], ['y'], field(3, 'act')));
const tensor = (...fields: readonly Buffer[]): Buffer => field(5, field(8, 'w'), ...fields);
const graphAttribute = (graph: Buffer): Buffer => field(5, field(1, 'body'), field(6, graph), number(20, 5));

/** A node in a graph in a node in a graph …, each with a value of its own. */
function nested(depth: number): Buffer {
  let graph = field(2, 'innermost');
  for (let i = 0; i < depth; i++) {
    graph = Buffer.concat([field(2, `g${i}`), field(1, node('If', [], [`v${i}`], graphAttribute(graph)))]);
  }
  return graph;
}

describe('a model file that is damaged or means harm', () => {
  it('is read where it is neither', () => {
    expect(decode(model(relu, x, y)).graph.nodes).to.have.length(1);
    expect(decode(model(nested(30))).graph.nodes).to.have.length(1);
  });

  const cases: readonly (readonly [claim: string, file: Buffer, message: RegExp])[] = [
    [
      'has a tensor whose shape overflows',
      model(tensor(number(1, 2 ** 40), number(1, 2 ** 40), number(2, 1))),
      /Tensor "w" of dir\/m\.onnx has a shape that overflows: \[1099511627776,1099511627776\]/,
    ],
    [
      'has a tensor of a size that it does not hold',
      model(tensor(number(1, 2 ** 40), number(2, 1), field(9, 'abcd'))),
      /Tensor "w" of dir\/m\.onnx is float32 \[1099511627776\] and needs 4398046511104 bytes but holds 4 bytes/,
    ],
    [
      'has a tensor with more data than its shape says',
      model(tensor(number(1, 1), number(2, 1), field(9, 'abcdefgh'))),
      /Tensor "w" of dir\/m\.onnx .* needs 4 bytes but holds 8/,
    ],
    [
      'has a negative dimension',
      model(tensor(number(1, -1), number(2, 1))),
      /Tensor "w" of dir\/m\.onnx has the impossible dimension -1/,
    ],
    [
      'has numbers where strings should be',
      model(tensor(number(1, 4), number(2, 8), field(9, 'abcd'))),
      /Tensor "w" of dir\/m\.onnx is string \[4\] and needs 4 strings but holds 4 bytes/,
    ],
    [
      'has millions of dimensions',
      model(tensor(field(1, Buffer.alloc(1 << 20, 1)), number(2, 1))),
      /Tensor "w" of dir\/m\.onnx .*1048576 dimensions/,
    ],
    [
      'defines an initializer twice',
      model(tensor(number(1, 0), number(2, 1)), tensor(number(1, 0), number(2, 1))),
      /Graph "g" of dir\/m\.onnx defines the initializer "w" twice/,
    ],
    [
      'defines a value twice',
      model(relu, relu, x, y),
      /Graph "g" of dir\/m\.onnx defines the value "y" twice, again by Relu "act"/,
    ],
    ['has two inputs of a name', model(relu, x, x, y), /defines the value "x" twice, again by an input/],
    [
      'uses what nothing defines',
      model(relu, y),
      /Relu "act" of Graph "g" of dir\/m\.onnx uses the value "x", which nothing defines/,
    ],
    [
      'gives out what nothing defines',
      model(x, y),
      /An output of Graph "g" of dir\/m\.onnx uses the value "y"/,
    ],
    [
      'has a cycle',
      model(x, y, relu, ...['ab', 'bc', 'ca'].map(([from, to]) => field(1, node('Neg', [from!], [to!])))),
      /Graph "g" of dir\/m\.onnx has a cycle: Neg "b" → Neg "a" → Neg "c" → Neg "b"/,
    ],
    [
      'has a cycle through a body',
      model(
        field(
          1,
          node(
            'If',
            [],
            ['a'],
            graphAttribute(Buffer.concat([field(2, 'body'), field(1, node('Neg', ['b'], ['c']))])),
          ),
        ),
        field(1, node('Neg', ['a'], ['b'])),
      ),
      /has a cycle: .*If "a"/,
    ],
    [
      'uses in a body what nothing defines',
      model(field(1, node('If', [], ['a'], graphAttribute(Buffer.concat([field(2, 'then'), relu]))))),
      /Relu "act" of Graph "then" of dir\/m\.onnx uses the value "x"/,
    ],
    [
      'has a node without operator',
      model(field(1, field(1, 'x'))),
      /dir\/m\.onnx .* at graph "g"\.node\[0\]: it names no operator/,
    ],
    [
      'has an attribute twice',
      model(
        field(
          1,
          node('Op', [], ['y'], ...[1, 2].map((i) => field(5, field(1, 'a'), number(3, i), number(20, 2)))),
        ),
      ),
      /at graph "g"\.node\[0\]: it has two attributes "a"/,
    ],
    [
      'has an attribute without its value',
      model(field(1, node('Op', [], ['y'], field(5, field(1, 'a'), number(20, 5))))),
      /at graph "g"\.node\[0\]\.attribute\[0\] "a": it holds no value/,
    ],
    [
      'claims more bytes than there are',
      Buffer.concat([number(1, 8), varint(7 * 8 + 2), varint(2 ** 31 - 1)]),
      /dir\/m\.onnx .*: field graph: byte \d+ begins 2147483647 bytes but 0 are left/,
    ],
    [
      'has a number of more than ten bytes',
      Buffer.concat([Buffer.from([8]), Buffer.alloc(4096, 0xff)]),
      /field irVersion: the number at byte 1 is longer than 10 bytes/,
    ],
    [
      'has a length above 2 GiB',
      Buffer.concat([varint(7 * 8 + 2), varint(2n ** 63n)]),
      /field graph: byte 1 holds the impossible length/,
    ],
    ['has the field number 0', Buffer.from([2, 0]), /byte 0 begins no field/],
    ['has a wire type that there is not', Buffer.from([8, 8, 15, 1]), /wire type 7/],
    [
      'is graphs in graphs by the thousand',
      model(nested(3000)),
      /dir\/m\.onnx .* at graph "g2999"\.node\[0\]\.attribute\[0\] "body"\.g .*….*nested deeper than 100/,
    ],
    [
      'is groups in groups by the thousand',
      Buffer.concat([number(1, 8), Buffer.alloc(100_000, 11 * 8 + 3)]),
      /dir\/m\.onnx .*groups are nested deeper than 100/,
    ],
    [
      'has a group without end',
      Buffer.concat([number(1, 8), Buffer.from([11 * 8 + 3])]),
      /the group of field 11 has no end/,
    ],
    [
      'has types in types by the thousand',
      model(
        field(
          11,
          field(1, 'deep'),
          field(
            2,
            Array.from({ length: 500 }).reduce<Buffer>((type) => field(4, field(1, type)), Buffer.alloc(0)),
          ),
        ),
      ),
      /at graph "g"\.input\[0\] "deep".*nested deeper than 100/,
    ],
    ['holds no graph', Buffer.concat([number(1, 8), field(8, number(2, 17))]), /it holds no graph/],
    [
      'holds no operator set',
      Buffer.concat([number(1, 8), field(7, field(2, 'g'))]),
      /names no operator set/,
    ],
    [
      'imports an operator set in two versions',
      Buffer.concat([model(relu, x, y), field(8, field(1, 'ai.onnx'), number(2, 13))]),
      /dir\/m\.onnx imports the operator set "" in versions 17 and 13/,
    ],
    [
      'has a version beyond all numbers',
      Buffer.concat([model(relu, x, y), field(8, field(1, 'a'), number(2, 2n ** 62n))]),
      /operator set of dir\/m\.onnx has the impossible number 4611686018427387904/,
    ],
    ['is empty', Buffer.alloc(0), /dir\/m\.onnx is empty/],
    [
      'is a text',
      Buffer.from('# My model\nIt is great.\n'),
      /dir\/m\.onnx is not an ONNX model but a text file/,
    ],
    [
      'is a Git LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /git lfs pull/,
    ],
    ['is a web page', Buffer.from('<!DOCTYPE html><html></html>'), /a web page/],
    ['is a PyTorch file', Buffer.from('PK\x03\x04\x00\x00', 'latin1'), /a zip archive/],
  ];
  for (const [claim, file, message] of cases) {
    it(`${claim}: refused, naming file and object`, () => {
      const error = refusal(() => decode(file));
      expect(error.code).to.equal('INVALID_MODEL');
      expect(error.message).to.match(message).and.contain('dir/m.onnx');
      expect(error.message.length).to.be.below(2000);
    });
  }

  it('is refused at every length but the ends of its outermost fields', () => {
    const bytes = readFileSync(path.join(fixtures, 'every-field.onnx'));
    const read: number[] = [];
    for (let length = 0; length < bytes.length; length++) {
      try {
        decode(bytes.subarray(0, length));
        read.push(length);
      } catch (error) {
        expect(error).to.be.instanceOf(GraftError);
        expect((error as GraftError).message).to.contain('dir/m.onnx');
      }
    }
    // There it is a whole message that ends early, and nothing in it tells.
    const ends: number[] = [];
    for (let at = 0; at < bytes.length;) ends.push((at = fieldEnd(bytes, at)));
    expect(ends).to.include.members(read);
    expect(read.length).to.be.below(10);
  });

  it('cannot put control characters or endless names into a message', () => {
    const name = `\u001b[2J${'n'.repeat(10_000)}`;
    const { message } = refusal(() => decode(model(field(1, node('Relu', [name], ['y'])))));
    expect(message).to.contain('\\u001b[2Jnnn');
    // eslint-disable-next-line no-control-regex -- they are what must not come through
    expect(message).to.not.match(/[\u0000-\u001f]/);
    expect(message.length).to.be.below(600);
  });

  it('may be a folder, a missing file, a pipe or a device: each told', async function () {
    if (process.platform === 'win32') this.skip();
    const folder = mkdtempSync(path.join(tmpdir(), 'graft-hostile-'));
    try {
      execFileSync('mkfifo', [path.join(folder, 'pipe')]);
      symlinkSync('loop', path.join(folder, 'loop'));
      for (const [file, code, words] of [
        [folder, 'FILE_UNREADABLE', /it is a folder/],
        [path.join(folder, 'none'), 'FILE_NOT_FOUND', /no file/],
        [path.join(folder, 'pipe'), 'FILE_UNREADABLE', /no regular file/],
        ['/dev/zero', 'FILE_UNREADABLE', /no regular file/],
        [path.join(folder, 'loop'), 'FILE_UNREADABLE', /loop/],
      ] as const) {
        const error = await refusalOf(readModel(file));
        expect(error.code, file).to.equal(code);
        expect(error.message).to.match(words).and.contain(file);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('may be of half a million of the smallest nodes, tensors or inputs', () => {
    for (const id of [1, 5, 11, 12, 15]) {
      const empty = Buffer.alloc(1 << 20);
      for (let i = 0; i < empty.length; i += 2) empty[i] = id * 8 + 2;
      expect(refusal(() => decode(model(empty))).message).to.contain('dir/m.onnx');
    }
  });

  it('comes in 10 000 random mutations: each read in bounded memory, or refused with a message', function () {
    this.timeout(120_000);
    const script = path.resolve('build/test/onnx/mutate-models.js');
    const sources = [
      'every-field.onnx',
      'canonical/loop11.onnx',
      'canonical/if_seq.onnx',
      'canonical/cast_FLOAT_to_INT4.onnx',
    ];
    const output = execFileSync(
      process.execPath,
      // A heap that a runaway allocation would burst.
      [
        '--max-old-space-size=64',
        '--enable-source-maps',
        script,
        '10000',
        '7',
        ...sources.map((name) => path.join(fixtures, name)),
      ],
      { encoding: 'utf8' },
    );
    const { read, refused, unstable, slowest, largestGrowth } = JSON.parse(output) as Record<string, number>;
    expect(read! + refused!).to.equal(10_000);
    expect(refused).to.be.above(2000);
    expect(read).to.be.above(500);
    expect(unstable, 'written and read back otherwise').to.equal(0);
    expect(slowest, 'ms').to.be.below(2000);
    expect(largestGrowth, 'bytes in buffers').to.be.below(1 << 20);
  });
});

function fieldEnd(bytes: Buffer, start: number): number {
  let at = start;
  const read = (): number => {
    let result = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      result += (byte & 127) * 2 ** shift;
      if (byte < 128) return result;
    }
  };
  const wireType = read() & 7;
  const length = read();
  return wireType === 2 ? at + length : at;
}

describe('writing', () => {
  it('refuses bodies in bodies that no reader would take', () => {
    const inner = decode(model(nested(30)));
    let graph = inner.graph;
    for (let i = 0; i < 10; i++) {
      const attributes = new Map([['body', { kind: 'graph' as const, value: graph }]]);
      graph = { ...graph, nodes: [{ ...graph.nodes[0]!, attributes, outputs: [`o${i}`] }] };
    }
    const error = refusal(() => encodeModel({ ...inner, graph }));
    expect(error.code).to.equal('UNSUPPORTED_MODEL');
    expect(error.message).to.match(/nested deeper than 100/);
  });
});

describe('nodes in another order than the format demands', () => {
  it('are put in order, each as near to its place as can be, in bodies too', () => {
    const chain = ['yz', 'xy', 'ab', 'wx'].map(([from, to]) => field(1, node('Neg', [from!], [to!])));
    const body = Buffer.concat([field(2, 'body'), ...chain, field(11, value('w')), field(11, value('a'))]);
    const { graph } = decode(
      model(
        field(1, node('If', ['late'], ['out'], graphAttribute(body))),
        field(1, node('Abs', ['in'], ['late'])),
        field(11, value('in')),
      ),
    );
    expect(graph.nodes.map(({ opType }) => opType)).to.deep.equal(['Abs', 'If']);
    const inner = graph.nodes[1]!.attributes.get('body')!;
    expect(inner.kind === 'graph' && inner.value.nodes.map(({ outputs }) => outputs[0])).to.deep.equal([
      'x',
      'y',
      'z',
      'b',
    ]);
  });

  it('may be a chain of a hundred thousand, backwards', () => {
    const links: Buffer[] = [];
    for (let i = 100_000; i > 0; i--) links.push(field(1, node('Neg', [`v${i - 1}`], [`v${i}`])));
    const { graph } = decode(model(Buffer.concat([field(11, value('v0')), ...links])));
    expect(graph.nodes[0]!.outputs).to.deep.equal(['v1']);
    expect(graph.nodes.at(-1)!.outputs).to.deep.equal(['v100000']);
  });
});
