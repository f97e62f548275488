/**
 * Upsample became Resize with version 10, and Resize got its coordinate modes with version 11. Until then
 *
 *   x_original = x_resized / scale          that is, 'asymmetric',
 *
 * and the nearest mode rounds down where it enlarges and up where it shrinks (as ONNX Runtime has it; the format's
 * documentation is silent).
 */
import { stringAttribute, toAttribute } from '../../onnx/attributes.js';
import type { Node } from '../../onnx/ir.js';
import { float32 } from '../../tensor/tensor.js';
import type { Conversion, Convert, RuleTable } from './conversion-rule.js';

function asymmetric(node: Node, conversion: Conversion, rounding: 'floor' | 'ceil'): Node {
  const [x = '', scales = ''] = node.inputs;
  const attributes = new Map(node.attributes)
    .set('mode', toAttribute(stringAttribute(node, 'mode', 'nearest')))
    .set('coordinate_transformation_mode', toAttribute('asymmetric'));
  if (stringAttribute(node, 'mode', 'nearest') === 'nearest') {
    attributes.set('nearest_mode', toAttribute(rounding));
  }
  // Versions 11 and 12 need a region of interest, be it empty.
  const roi = conversion.constant('roi', float32([0], []));
  return { ...node, opType: 'Resize', inputs: [x, roi, scales], attributes };
}

/** Upsample only ever enlarges. */
const upsample: Convert = (node, conversion) => asymmetric(node, conversion, 'floor');

/** Where the model goes on to version 11, the node stays Upsample until then: a Resize could shrink as well. */
const upsampleAsResize: Convert = (node, { target }) =>
  target === 10 ? { ...node, opType: 'Resize' } : node;

const resize: Convert = (node, conversion) => {
  if (stringAttribute(node, 'mode', 'nearest') !== 'nearest') return asymmetric(node, conversion, 'floor');
  const scales = conversion.constantOf(node.inputs[1] ?? '');
  if (!scales) return 'its mode is nearest and its scales are computed, so the rounding is not known';
  const values = Array.from(scales.data, Number);
  const shrinks = values.some((scale) => scale < 1);
  if (shrinks && values.some((scale) => scale > 1)) {
    return 'it enlarges one axis and shrinks another, which round in opposite ways';
  }
  return asymmetric(node, conversion, shrinks ? 'ceil' : 'floor');
};

/**
 * Version 13 dropped 'tf_half_pixel_for_nn', x_original = (x_resized + ½) / scale. Rounded down, that is
 * 'half_pixel', which subtracts ½, rounded to the nearest with ties up.
 */
const halfPixelForNearest: Convert = (node) => {
  if (stringAttribute(node, 'coordinate_transformation_mode', '') !== 'tf_half_pixel_for_nn') return node;
  if (
    stringAttribute(node, 'mode', 'nearest') !== 'nearest' ||
    stringAttribute(node, 'nearest_mode', 'round_prefer_floor') !== 'floor'
  ) {
    return 'its coordinate_transformation_mode tf_half_pixel_for_nn was dropped';
  }
  const attributes = new Map(node.attributes)
    .set('coordinate_transformation_mode', toAttribute('half_pixel'))
    .set('nearest_mode', toAttribute('round_prefer_ceil'));
  return { ...node, attributes };
};

/** Versions 11 and 12 wanted an empty tensor of scales beside the sizes; since then only one of the two may be there. */
const sizesOrScales: Convert = (node) =>
  (node.inputs[3] ?? '') === '' ? node : { ...node, inputs: node.inputs.with(2, '') };

export const resizeRules: RuleTable = {
  Upsample: [
    { version: 10, convert: upsampleAsResize },
    { version: 11, convert: upsample },
  ],
  Resize: [
    { version: 11, convert: resize },
    {
      version: 13,
      convert(node, conversion) {
        const converted = halfPixelForNearest(node, conversion);
        return typeof converted === 'string' ? converted : sizesOrScales(converted, conversion);
      },
    },
  ],
};
