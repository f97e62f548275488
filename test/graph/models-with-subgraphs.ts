/** Small models whose If, Loop and Scan read values of the graph around them. */
import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import * as ir from '../../src/onnx/ir.js';
import { checked, float32, int64 } from '../../src/tensor/tensor.js';

const body = (fields: Pick<ir.Graph, 'nodes' | 'outputs'> & Partial<ir.Graph>): ir.Attribute => ({
  kind: 'graph',
  value: ir.graph({ name: 'body', inputs: [], ...fields }),
});

const op = (opType: string, inputs: readonly string[], output: string): ir.Node =>
  ir.node({ opType, name: output, inputs, outputs: [output] });

const value = (name: string, shape?: readonly ir.Dimension[]): ir.ValueInfo =>
  ir.tensorValue(name, 'float32', shape);

/**
 * doubled = 2 x; shifted = doubled + 1; chosen = If(sum(x) > 0) shifted · weight, else doubled − other.
 * `weight` is a constant, `other` an input, which only the branches read; `unused` is read by nobody.
 */
export function modelWithIf(): ir.Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', ['batch', 2]);
  const other = b.input('other', 'float32', ['batch', 2]);
  b.input('unused', 'float32', ['batch', 2]);
  const weight = b.constant('weight', float32([2], [10, 100]));
  const doubled = b.op('Mul', [x, b.constant('two', float32([], [2]))], { name: 'doubled' });
  const shifted = b.op('Add', [doubled, b.constant('one', float32([], [1]))], { name: 'shifted' });
  const sum = b.op('ReduceSum', [x], { name: 'sum', attributes: { keepdims: 0 } });
  const positive = b.op('Greater', [sum, b.constant('zero', float32([], [0]))], { name: 'positive' });
  b.nodes.push(
    ir.node({
      opType: 'If',
      name: 'choose',
      inputs: [positive],
      outputs: ['chosen'],
      attributes: new Map([
        [
          'then_branch',
          body({ nodes: [op('Mul', [shifted, weight], 'scaled')], outputs: [value('scaled')] }),
        ],
        [
          'else_branch',
          body({ nodes: [op('Sub', [doubled, other], 'reduced')], outputs: [value('reduced')] }),
        ],
      ]),
    }),
  );
  const y = b.op('Relu', ['chosen'], { name: 'y' });
  b.output(y, 'float32', ['batch', 2]);
  return b.model();
}

/**
 * offset = 3 x; total, steps = Loop 3 times: total ← total · factor + offset, where an If inside the body reads factor
 * and offset from two levels further out.
 */
export function modelWithLoop(): ir.Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', ['batch', 2]);
  const factor = b.constant('factor', float32([], [0.5]));
  const offset = b.op('Mul', [x, b.constant('three', float32([], [3]))], { name: 'offset' });
  const start = b.op('Neg', [x], { name: 'start' });
  const count = b.constant('count', int64([], [3]));
  const go = b.constant('go', checked('bool', [], Uint8Array.of(1)));
  const branch = (opType: string, name: string): ir.Attribute =>
    body({
      nodes: [
        op('Mul', ['total_in', factor], `${name}/product`),
        op(opType, [`${name}/product`, offset], name),
      ],
      outputs: [value(name)],
    });
  b.nodes.push(
    ir.node({
      opType: 'Loop',
      name: 'repeat',
      inputs: [count, go, start],
      outputs: ['total', 'steps'],
      attributes: new Map([
        [
          'body',
          body({
            inputs: [
              ir.tensorValue('step', 'int64', []),
              ir.tensorValue('go_in', 'bool', []),
              value('total_in'),
            ],
            nodes: [
              op('Identity', ['go_in'], 'go_out'),
              ir.node({
                opType: 'If',
                name: 'either',
                inputs: ['go_in'],
                outputs: ['total_out'],
                attributes: new Map([
                  ['then_branch', branch('Add', 'added')],
                  ['else_branch', branch('Sub', 'subtracted')],
                ]),
              }),
              op('Identity', ['total_out'], 'step_out'),
            ],
            outputs: [ir.tensorValue('go_out', 'bool', []), value('total_out'), value('step_out')],
          }),
        ],
      ]),
    }),
  );
  const y = b.op(
    'Add',
    ['total', b.op('ReduceMax', ['steps'], { name: 'peak', attributes: { axes: [0], keepdims: 0 } })],
    {
      name: 'y',
    },
  );
  b.output(y, 'float32', ['batch', 2]);
  return b.model();
}

/** running, partial = Scan over the rows of x [3, 2]: running ← running + row · gain, where gain is computed outside. */
export function modelWithScan(): ir.Model {
  const b = new GraphBuilder();
  const x = b.input('x', 'float32', [3, 2]);
  const start = b.constant('start', float32([2], [0, 0]));
  const gain = b.op('ReduceMean', [x], { name: 'gain', attributes: { axes: [0], keepdims: 0 } });
  b.nodes.push(
    ir.node({
      opType: 'Scan',
      name: 'accumulate',
      inputs: [start, x],
      outputs: ['running', 'partial'],
      attributes: new Map<string, ir.Attribute>([
        ['num_scan_inputs', { kind: 'int', value: 1n }],
        [
          'body',
          body({
            inputs: [value('running_in', [2]), value('row', [2])],
            nodes: [
              op('Mul', ['row', gain], 'product'),
              op('Add', ['running_in', 'product'], 'running_out'),
              op('Identity', ['running_out'], 'partial_out'),
            ],
            outputs: [value('running_out', [2]), value('partial_out', [2])],
          }),
        ],
      ]),
    }),
  );
  const y = b.op('Mul', ['partial', 'running'], { name: 'y' });
  b.output(y, 'float32', [3, 2]);
  return b.model();
}
