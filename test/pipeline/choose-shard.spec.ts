import { expect } from 'chai';
import { parseShard, shardBounds, shardOfScheduler } from '../../src/pipeline/choose-shard.js';

describe('A shard of the data set', () => {
  it('is read as i/n from 1', () => {
    expect(parseShard('3/8')).to.deep.equal({ index: 3, count: 8 });
    expect(parseShard('1/1')).to.deep.equal({ index: 1, count: 1 });
  });

  for (const text of [
    '',
    '3',
    '0/4',
    '5/4',
    '1/0',
    '-1/4',
    '1/4/2',
    'a/b',
    '1.5/4',
    '1e1/20',
    '1/99999999999',
  ]) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(() => parseShard(text))
        .to.throw(/Expected i\/n/)
        .with.property('code', 'USAGE');
    });
  }

  for (const [length, count] of [
    [10, 3],
    [2, 5],
    [0, 4],
    [2062, 7],
    [1_000_003, 64],
  ] as const) {
    it(`covers ${length} examples exactly once with ${count} shards, all nearly equal`, () => {
      const parts = Array.from({ length: count }, (_, i) => shardBounds(length, { index: i + 1, count }));
      expect(parts[0]!.start).to.equal(0);
      expect(parts.at(-1)!.end).to.equal(length);
      for (let i = 1; i < count; i++) expect(parts[i]!.start).to.equal(parts[i - 1]!.end);
      const sizes = parts.map(({ start, end }) => end - start);
      expect(Math.max(...sizes) - Math.min(...sizes)).to.be.at.most(1);
    });
  }

  const slurm = (id: number, count: number, first: number, step?: number) => ({
    SLURM_ARRAY_TASK_ID: String(id),
    SLURM_ARRAY_TASK_COUNT: String(count),
    SLURM_ARRAY_TASK_MIN: String(first),
    ...(step !== undefined && { SLURM_ARRAY_TASK_STEP: String(step) }),
  });

  it('is taken from a Slurm array, wherever that starts and however it steps', () => {
    expect(shardOfScheduler(slurm(0, 4, 0))?.shard).to.deep.equal({ index: 1, count: 4 });
    expect(shardOfScheduler(slurm(7, 4, 4, 1))?.shard).to.deep.equal({ index: 4, count: 4 });
    expect(shardOfScheduler(slurm(8, 4, 0, 4))?.shard).to.deep.equal({ index: 3, count: 4 });
  });

  it('is refused where a Slurm array leaves gaps', () => {
    expect(() => shardOfScheduler(slurm(7, 3, 1, 1))).to.throw(/evenly spaced array/);
  });

  it('is taken from a Kubernetes indexed job that tells its size', () => {
    const env = { JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '3' };
    expect(shardOfScheduler(env)?.shard).to.deep.equal({ index: 3, count: 3 });
  });

  it('is refused where a Kubernetes job does not tell its size, or a wrong one', () => {
    expect(() => shardOfScheduler({ JOB_COMPLETION_INDEX: '2' })).to.throw(/JOB_COMPLETIONS is not set/);
    expect(() => shardOfScheduler({ JOB_COMPLETION_INDEX: '3', JOB_COMPLETIONS: '3' })).to.throw(
      /--shard i\/n/,
    );
  });

  it('is none outside of a scheduler', () => {
    expect(shardOfScheduler({})).to.equal(undefined);
  });
});
