import { expect } from 'chai';
import { staysOnDisk } from '../../src/pipeline/stays-on-disk.js';

/** The decision, and what is said of it. */
function decide(
  options: Parameters<typeof staysOnDisk>[0],
  count: number,
  freeBytes: number,
): { isStreamed: boolean; said: string[] } {
  const said: string[] = [];
  const logger = { info: (line: string) => said.push(line), warn: (line: string) => said.push(line) };
  return { isStreamed: staysOnDisk(options, count, logger, freeBytes), said };
}

describe('Where features lie in training', () => {
  it('is memory while they take two fifths of what is free, and the disk, which is said, from then on', () => {
    expect(decide({}, 1000, 10_000)).to.deep.equal({ isStreamed: false, said: [] });
    const { isStreamed, said } = decide({}, 1_000_001, 10_000_000);
    expect(isStreamed).to.equal(true);
    expect(said).to.have.lengthOf(1);
    expect(said[0]).to.match(
      /^Features take 5 MB, and 10 MB of memory is free: they stay on disk .*--no-stream/,
    );
  });

  it('is what the user says, silently, where they say', () => {
    expect(decide({ stream: true }, 1, 8000)).to.deep.equal({ isStreamed: true, said: [] });
    expect(decide({ stream: false }, 10_000, 8000)).to.deep.equal({ isStreamed: false, said: [] });
  });

  it('is memory for neighbours, which are compared with all of them', () => {
    expect(decide({ knn: 5 }, 10_000, 8000)).to.deep.equal({ isStreamed: false, said: [] });
  });

  it('is the disk where no typed array holds them', () => {
    expect(decide({}, 2 ** 32, 2 ** 50).isStreamed).to.equal(true);
  });
});
