// From the start of the process to the first value, with files in the page cache: a datanode
// compared with a redis-server that reads its RDB file.

import { defineBench, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import { median, sleep } from '../support/measure.ts';
import { addressOf, run, stop } from '../support/processes.ts';
import { keyOf, Pair } from '../support/redis.ts';

const POLL_MS = 10;

export const bench = defineBench({
  about: 'From start to the first value, files in the page cache',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: { rows: { whole: 1_000_000, short: 20_000 }, rounds: { whole: 3, short: 1 } },
  async run({ rounds, rows }) {
    const pair = await Pair.start(rows);
    const serves = (port: number): boolean =>
      run('redis-cli', ['-p', String(port), 'GET', keyOf(1, rows)]).startsWith('x');
    run('redis-cli', ['-p', String(pair.redisPort), 'SAVE']);
    await stop(pair.redis, 'SIGKILL');
    await stop(pair.datanode, 'SIGKILL');
    const [byRedis, byStele]: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++) {
      let startedAt = performance.now();
      const { redis } = await pair.startRedis();
      byRedis.push(performance.now() - startedAt);
      await stop(redis, 'SIGKILL');
      startedAt = performance.now();
      const datanode = await pair.startDatanode();
      while (!serves(addressOf(datanode).resp)) await sleep(POLL_MS);
      byStele.push(performance.now() - startedAt);
      await stop(datanode, 'SIGKILL');
    }
    const [redisMs, steleMs] = [median(byRedis), median(byStele)];
    return [
      {
        caption: 'Medians of the rounds.',
        labels: ['server'],
        columns: [
          { title: 'seconds', digits: 2, better: 'lower' },
          { title: 'ratio', digits: 2 },
        ],
        rows: [
          { what: ['redis-server (RDB)'], figures: [redisMs / 1000, 1] },
          { what: ['datanode'], figures: [steleMs / 1000, steleMs / redisMs] },
        ],
      },
    ];
  },
});
