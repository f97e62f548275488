import { expect } from 'chai';
import { ReadPace } from '../../src/sources/read-pace.js';

describe('The pace of a disk', () => {
  const quick = (): string => 'now';
  const slow = (): string => {
    const end = performance.now() + 1;
    while (performance.now() < end);
    return 'now';
  };
  const later = async (): Promise<string> => 'later';

  async function takeMany(pace: ReadPace, read: () => string, count: number): Promise<string[]> {
    const ways: string[] = [];
    for (let i = 0; i < count; i++) ways.push(await pace.take(read, later));
    return ways;
  }
  const share = (ways: string[]): number => ways.filter((way) => way === 'now').length / ways.length;

  it('is waited for where it answers at once, but for the first read', async () => {
    const ways = await takeMany(new ReadPace(), quick, 300);
    expect(ways[0]).to.equal('later');
    expect(share(ways)).to.be.above(0.7);
  });

  it('is hardly waited for where it is slow', async () => {
    expect(share(await takeMany(new ReadPace(), slow, 300))).to.be.below(0.05);
  });

  it('is waited for again after a single slow read', async () => {
    const pace = new ReadPace();
    await takeMany(pace, quick, 100);
    await takeMany(pace, slow, 1);
    expect(share(await takeMany(pace, quick, 20))).to.be.above(0.4);
  });

  it('lets timers have their turn, however quick it is', async () => {
    const pace = new ReadPace();
    const tick = async (): Promise<string> => new Promise((resolve) => setImmediate(resolve, 'later'));
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const end = performance.now() + 100;
    while (performance.now() < end) await pace.take(quick, tick);
    clearInterval(timer);
    expect(turns).to.be.above(5);
  });

  it('can be asked never to hold up the thread', async () => {
    expect(share(await takeMany(new ReadPace(Number.POSITIVE_INFINITY), quick, 100))).to.equal(0);
  });

  it('passes on what a read throws', async () => {
    const pace = new ReadPace(0);
    const fail = (): string => {
      throw new Error('gone');
    };
    const error: unknown = await pace.take(fail, later).catch((thrown: unknown) => thrown);
    expect((error as Error).message).to.equal('gone');
  });
});
