// `stele load` from the command to visible: rows of CSV, every segment verified and synced to disk,
// compared with `redis-cli --pipe` into one redis-server; and the growth of the datanodes' resident
// memory.
//
// A cluster runs for weeks, so loads into a running one matter; the first load after a start, when
// the engine has compiled nothing yet, has its own row.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineBench, REDIS_CLI, REDIS_SERVER } from '../bench.ts';
import type { Table } from '../bench.ts';
import { median, sleep } from '../support/measure.ts';
import {
  freePort,
  load,
  residentBytes,
  run,
  start,
  startCluster,
  stele,
  stop,
  tempFolder,
} from '../support/processes.ts';
import type { Cluster } from '../support/processes.ts';
import { generateRows, KEY_BYTES, linesOf, redisCommands, VALUE_BYTES } from '../support/rows.ts';

const THREE = ['--datanodes', '3', '--replication', '2'];
const ONE = ['--datanodes', '1', '--replication', '1'];
/** Time for unused memory to be released. */
const SETTLE_MS = 1000;

class Loads {
  readonly #folder = tempFolder();
  readonly #rows: number;
  #count = 0;

  constructor(rows: number) {
    this.#rows = rows;
  }

  generate(name: string, flags: readonly string[] = []): string {
    return generateRows(join(this.#folder, name), this.#rows, flags);
  }

  start(flags: readonly string[]): Promise<Cluster> {
    return startCluster(join(this.#folder, `cluster-${this.#count++}`), flags);
  }

  load(path: string, { masterAt }: Cluster): string {
    const keyspace = `bench${this.#count++}`;
    load(masterAt, keyspace, path, join(this.#folder, `work-${keyspace}`), this.#rows);
    return keyspace;
  }

  /** Milliseconds of a load into a new keyspace, which is dropped afterwards. */
  time(path: string, cluster: Cluster): number {
    const startedAt = performance.now();
    const keyspace = this.load(path, cluster);
    const elapsedMs = performance.now() - startedAt;
    stele('drop', keyspace, '--yes', '--master', cluster.masterAt);
    return elapsedMs;
  }

  async timeFirst(path: string): Promise<number> {
    const cluster = await this.start(THREE);
    const elapsedMs = this.time(path, cluster);
    await stop(cluster);
    return elapsedMs;
  }

  commandsFile(path: string): string {
    const file = join(this.#folder, 'redis.protocol');
    writeFileSync(file, redisCommands(linesOf(path)), 'latin1');
    return file;
  }
}

async function timeRedis(commands: string): Promise<number> {
  const port = String(await freePort());
  const redis = await start('redis-server', ['--port', port, '--save', ''], /eady to accept/);
  const startedAt = performance.now();
  run('sh', ['-c', `redis-cli -p ${port} --pipe < ${commands}`]);
  const elapsedMs = performance.now() - startedAt;
  await stop(redis);
  return elapsedMs;
}

async function loadTimes(loads: Loads, rows: number, rounds: number): Promise<Table> {
  const plain = loads.generate('plain.csv');
  const quoted = loads.generate('quoted.csv', ['--quoted']);
  const commands = loads.commandsFile(plain);
  const three = await loads.start(THREE);
  const one = await loads.start(ONE);
  for (const cluster of [three, one]) loads.time(plain, cluster);
  const contenders: readonly (readonly [string, () => number | Promise<number>])[] = [
    ['redis-cli --pipe, one copy, in memory only', () => timeRedis(commands)],
    ['Stele, 3 datanodes, RF 2, unquoted', () => loads.time(plain, three)],
    ['Stele, 3 datanodes, RF 2, quoted', () => loads.time(quoted, three)],
    ['Stele, 1 datanode, RF 1, unquoted', () => loads.time(plain, one)],
    ['Stele, 3 datanodes, RF 2, unquoted, first load after start', () => loads.timeFirst(plain)],
  ];
  const results = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, [, time]] of contenders.entries()) results[index]?.push(await time());
  }
  await stop(three);
  await stop(one);
  const medians = results.map(median);
  return {
    caption:
      'Rows of CSV (36-byte keys, 70-byte values), from the command to visible; medians of the rounds.',
    labels: ['loader'],
    columns: [
      { title: 'seconds', digits: 2 },
      { title: 'rows/s', digits: 0, better: 'higher' },
      { title: 'ratio', digits: 2, better: 'higher' },
    ],
    rows: contenders.map(([name], index) => {
      const elapsedMs = medians[index] ?? Number.NaN;
      const ratio = (medians[0] ?? Number.NaN) / elapsedMs;
      return { what: [name], figures: [elapsedMs / 1000, (rows / elapsedMs) * 1000, ratio] };
    }),
  };
}

async function residentGrowth(loads: Loads, rows: number, count: number): Promise<Table> {
  const path = loads.generate('memory.csv');
  const cluster = await loads.start(THREE);
  const resident = (): number =>
    cluster.datanodes.reduce((sum, { pid }) => sum + residentBytes(pid), 0);
  const before = resident();
  const growth: number[] = [];
  for (let keyspaces = 1; keyspaces <= count; keyspaces++) {
    loads.load(path, cluster);
    await sleep(SETTLE_MS);
    const payload = keyspaces * rows * (KEY_BYTES + VALUE_BYTES) * 2;
    growth.push((resident() - before) / payload);
  }
  await stop(cluster);
  return {
    caption:
      'Resident growth of the three datanodes over the bytes of keys and values that they hold.',
    labels: ['keyspaces'],
    columns: [{ title: 'ratio', digits: 2, better: 'lower' }],
    rows: growth.map((ratio, index) => ({ what: [String(index + 1)], figures: [ratio] })),
  };
}

export const bench = defineBench({
  about: 'A load from the command to visible',
  needs: [REDIS_SERVER, REDIS_CLI],
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 3, short: 1 },
    keyspaces: { whole: 4, short: 1 },
  },
  async run({ keyspaces, rounds, rows }) {
    const loads = new Loads(rows);
    return [await loadTimes(loads, rows, rounds), await residentGrowth(loads, rows, keyspaces)];
  },
});
