import { expect } from 'chai';
import type { GraftError } from '../../src/errors.js';
import { allProviders, resolveDevice } from '../../src/runtime/providers.js';
import { nodeProviders } from '../../src/runtime/session.js';

const foreign = (
  [
    ['coreml', 'darwin', 'macOS'],
    ['dml', 'win32', 'Windows'],
  ] as const
).filter(([, platform]) => platform !== process.platform);

describe('Devices', () => {
  for (const [device, , system] of foreign) {
    it(`${device} is refused away from ${system}, with what it is a part of and what to do`, async () => {
      const error = await resolveDevice(device).then(
        () => undefined,
        (reason: unknown) => reason as GraftError,
      );
      expect(error?.code).to.equal('PROVIDER_UNAVAILABLE');
      expect(error?.message).to.contain(`a part of ${system}, and this is ${process.platform}.`);
      expect(error?.message).to.contain('--device cpu');
    });
  }

  it('are all told of, and the CPU runs a small model', async () => {
    const statuses = await allProviders();
    expect(statuses.map(({ name }) => name)).to.have.members([...nodeProviders]);
    expect(statuses.find(({ name }) => name === 'cpu')).to.include({ available: true });
    for (const [device] of foreign) {
      expect(statuses.find(({ name }) => name === device)).to.include({ available: false });
    }
  });
});
