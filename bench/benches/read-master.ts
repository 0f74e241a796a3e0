// Lookups over the Redis protocol through the master, compared with redis-server and, if it is
// installed, with twemproxy in front of one, with the same data and the same redis-benchmark,
// alternating. CPU time is that of the process that is asked.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineBench, NUTCRACKER, REDIS_BENCHMARK, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import { sleep } from '../support/measure.ts';
import { begin, freePort, isInstalled } from '../support/processes.ts';
import { compare, comparedTable, GET, KEY_BYTES, Pair, VALUE_BYTES } from '../support/redis.ts';
import type { Server } from '../support/redis.ts';

const PROXY_START_MS = 500;

async function startProxy({ folder, redisPort }: Pair): Promise<Server[]> {
  if (!isInstalled(NUTCRACKER)) return [];
  const port = await freePort();
  const config = join(folder, 'nutcracker.yml');
  writeFileSync(
    config,
    `bench:\n  listen: 127.0.0.1:${port}\n  redis: true\n  distribution: ketama\n  hash: fnv1a_64\n  servers:\n   - 127.0.0.1:${redisPort}:1\n`,
  );
  const args = ['-c', config, '-s', String(await freePort())];
  const { pid = -1 } = begin('nutcracker', args, { stdio: 'ignore' });
  await sleep(PROXY_START_MS);
  return [{ name: 'twemproxy + redis-server', port, pid }];
}

export const bench = defineBench({
  about: 'GET through the master; redis-benchmark with 50 connections',
  needs: [REDIS_SERVER, REDIS_CLI, REDIS_BENCHMARK],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 5, short: 1 },
    operations: { whole: 1_000_000, short: 20_000 },
  },
  async run({ operations, rounds, rows }) {
    const pair = await Pair.start(rows);
    const master = { name: 'master', port: pair.master.resp, pid: pair.master.pid };
    const servers = [pair.redisServer, master, ...(await startProxy(pair))];
    const title = 'GET through a proxy, pipeline 16';
    const work = { title, operations, pipeline: 16, keys: rows, command: GET };
    const caption = `Keys of ${KEY_BYTES} bytes, values of ${VALUE_BYTES} bytes; medians of the rounds.`;
    return [comparedTable(caption, compare(work, servers, rounds))];
  },
});
