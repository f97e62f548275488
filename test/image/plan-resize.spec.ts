import { expect } from 'chai';
import { planResize } from '../../src/image/plan-resize.js';
import { pixelShape } from '../../src/models/pixel-shape.js';
import type { PreprocessSpec } from '../../src/models/preprocess-spec.js';

const leftOf = (image: number, crop: number, margins?: 'even'): number => {
  const spec: PreprocessSpec = {
    ...{ resize: null, crop: { width: crop, height: 1, ...(margins && { margins }) }, channelOrder: 'rgb' },
    ...{ scale: 1, mean: [0, 0, 0], std: [1, 1, 1], layout: 'nchw' },
  };
  return planResize(spec, { width: image, height: 1 }, pixelShape(spec)).left;
};

describe('The margin before a crop', () => {
  // As center_crop of torchvision 0.29 has it, and as its floor.
  for (const [image, crop, even, lower] of [
    [235, 224, 6, 5],
    [229, 224, 2, 2],
    [227, 224, 2, 1],
    [225, 224, 0, 0],
    [224, 224, 0, 0],
    [20, 24, -2, -2],
    [21, 24, -1, -2],
    [22, 25, -1, -2],
  ] as const) {
    it(`of ${crop} pixels of ${image} is torchvision's where it is to be even, else the lower half`, () => {
      expect(leftOf(image, crop, 'even')).to.equal(even);
      expect(leftOf(image, crop)).to.equal(lower);
    });
  }
});
