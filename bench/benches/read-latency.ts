// Latency of single GETs at half of the rate that redis-server reaches without pipelining, over the
// Redis protocol directly from a datanode, compared with redis-server with the same data.

import { fileURLToPath } from 'node:url';
import { defineBench, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import type { Latencies } from '../peers/paced-client.ts';
import { median } from '../support/measure.ts';
import { run } from '../support/processes.ts';
import { GET, Pair, redisBenchmark } from '../support/redis.ts';

const CLIENT = fileURLToPath(new URL('../peers/paced-client.js', import.meta.url));

export const bench = defineBench({
  about: 'Latency of GETs directly from a datanode, at half of the peak rate of redis-server',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 5, short: 1 },
    seconds: { whole: 4, short: 0.5 },
    operations: { whole: 250_000, short: 20_000 },
  },
  async run({ operations, rounds, rows, seconds }) {
    const pair = await Pair.start(rows);
    const peak = redisBenchmark(pair.redisPort, operations, 1, rows, GET).rate;
    const rate = Math.round(peak / 2);
    const servers = [pair.redisServer, pair.datanodeServer];
    const results = servers.map((): Latencies[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, { port }] of servers.entries()) {
        const printed = run(process.execPath, [CLIENT, ...[port, rate, seconds, rows].map(String)]);
        results[index]?.push(JSON.parse(printed) as Latencies);
      }
    }
    const of = (index: number, field: keyof Latencies): number =>
      median((results[index] ?? []).map((each) => each[field]));
    return [
      {
        caption: 'In ms, from the moment a request was due; medians of the rounds.',
        labels: ['server'],
        columns: [
          { title: 'requests/s', digits: 0 },
          { title: 'p50', digits: 2, better: 'lower' },
          { title: 'p99', digits: 2, better: 'lower' },
          { title: 'p99.9', digits: 2 },
          { title: 'largest', digits: 2 },
        ],
        rows: servers.map(({ name }, index) => ({
          what: [name],
          figures: [
            rate,
            ...(['p50Ms', 'p99Ms', 'p999Ms', 'maxMs'] as const).map((field) => of(index, field)),
          ],
        })),
      },
    ];
  },
});
