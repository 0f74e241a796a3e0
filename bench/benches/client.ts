// The library client compared with ioredis in cluster mode, on the same datanodes with the same
// keys, in one process, alternating: single reads, and 100 keys at a time. Throughput, latency, and
// the reading process's own CPU time per key.
//
// A cluster client's MGET does not span slots: for 100 keys it sends 100 GETs, which
// auto-pipelining combines into one write per node. Their values may be of two versions; those of
// getMany never are.

import { join } from 'node:path';
import { Cluster } from 'ioredis';
import { SteleClient } from '../../client/stele-client.ts';
import { defineBench } from '../bench.ts';
import type { Row, Table } from '../bench.ts';
import { median, ofSorted } from '../support/measure.ts';
import { startCluster, stop, tempFolder } from '../support/processes.ts';
import { generateRows, keyOf, linesOf } from '../support/rows.ts';

const BATCH_KEYS = 100;
const WARM_UP_MS = 500;

/** Both contenders read keys and return how many of them have a value. */
interface Contender {
  readonly name: string;
  one(key: string): Promise<number>;
  many(batch: readonly string[]): Promise<number>;
}

interface Kind {
  readonly name: string;
  readonly batchKeys: number;
  readonly lanes: number;
}

interface Measured {
  readonly rate: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
}

const KINDS: readonly Kind[] = [
  { name: 'get, 1 at a time', batchKeys: 1, lanes: 1 },
  { name: 'get, 50 at a time', batchKeys: 1, lanes: 50 },
  { name: '100 keys, 1 call at a time', batchKeys: BATCH_KEYS, lanes: 1 },
  { name: '100 keys, 10 calls at a time', batchKeys: BATCH_KEYS, lanes: 10 },
];

const isThere = (value: unknown): boolean => value !== null;

function contendersOf(stele: SteleClient, ioredis: Cluster): readonly [Contender, Contender] {
  return [
    {
      name: 'SteleClient',
      one: async (key) => Number(isThere(await stele.get('default', key))),
      many: async (batch) => (await stele.getMany('default', batch)).values.filter(isThere).length,
    },
    {
      name: 'ioredis cluster, auto-pipelining',
      one: async (key) => Number(isThere(await ioredis.getBuffer(key))),
      many: async (batch) =>
        (await Promise.all(batch.map((key) => ioredis.getBuffer(key)))).filter(isThere).length,
    },
  ];
}

/**
 * Runs several calls at a time for a while: keys per second, latencies of the calls, CPU time of
 * this process per key.
 */
async function measure(
  contender: Contender,
  { batchKeys, lanes }: Kind,
  keys: readonly string[],
  forMs: number,
): Promise<Measured> {
  const latencies: number[] = [];
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() < startedAt + forMs) {
      next = (next + batchKeys) % (keys.length - batchKeys);
      const at = performance.now();
      const found =
        batchKeys === 1
          ? await contender.one(keys[next] ?? '')
          : await contender.many(keys.slice(next, next + batchKeys));
      if (found !== batchKeys) throw new Error('a value is missing');
      latencies.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const tookMs = performance.now() - startedAt;
  const { system, user } = process.cpuUsage(cpuBefore);
  latencies.sort((a, b) => a - b);
  const keyCount = latencies.length * batchKeys;
  return {
    rate: keyCount / (tookMs / 1000),
    p50Ms: ofSorted(latencies, 0.5),
    p99Ms: ofSorted(latencies, 0.99),
    cpuUs: (user + system) / keyCount,
  };
}

async function compare(
  contenders: readonly [Contender, Contender],
  kind: Kind,
  keys: readonly string[],
  rounds: number,
  forMs: number,
): Promise<Row[]> {
  const results = contenders.map((): Measured[] => []);
  for (const contender of contenders) await measure(contender, kind, keys, WARM_UP_MS);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of contenders.entries()) {
      results[index]?.push(await measure(contender, kind, keys, forMs));
    }
  }
  const of = (all: readonly Measured[] = [], field: keyof Measured): number =>
    median(all.map((result) => result[field]));
  const base = of(results[1], 'rate');
  return contenders.map(({ name }, index) => {
    const [rate, ...others] = (['rate', 'p50Ms', 'p99Ms', 'cpuUs'] as const).map((field) =>
      of(results[index], field),
    );
    return { what: [kind.name, name], figures: [rate ?? 0, (rate ?? 0) / base, ...others] };
  });
}

export const bench = defineBench({
  about: 'SteleClient compared with ioredis in cluster mode: reads from 3 datanodes, RF 2',
  settings: {
    rows: { whole: 200_000, short: 5000 },
    rounds: { whole: 5, short: 1 },
    seconds: { whole: 4, short: 0.3 },
  },
  async run({ rounds, rows, seconds }) {
    const folder = tempFolder();
    const data = generateRows(join(folder, 'rows.data'), rows);
    const keys = linesOf(data).map(keyOf);
    const cluster = await startCluster(join(folder, 'cluster'), ['--load', `default=${data}`]);
    const stele = new SteleClient({ seeds: [cluster.masterAt] });
    const ioredis = new Cluster(
      cluster.datanodes.map(({ resp }) => ({ host: '127.0.0.1', port: resp })),
      { scaleReads: 'all', enableAutoPipelining: true },
    );
    const contenders = contendersOf(stele, ioredis);
    const tableRows: Row[] = [];
    for (const kind of KINDS) {
      tableRows.push(...(await compare(contenders, kind, keys, rounds, seconds * 1000)));
    }
    await stele.close();
    ioredis.disconnect();
    await stop(cluster);
    const table: Table = {
      caption: 'Keys of 36 bytes, values of 70 bytes; medians of the rounds.',
      labels: ['calls', 'client'],
      columns: [
        { title: 'keys/s', digits: 0, better: 'higher' },
        { title: 'ratio', digits: 2, better: 'higher' },
        { title: 'p50 ms', digits: 2, better: 'lower' },
        { title: 'p99 ms', digits: 2, better: 'lower' },
        { title: 'client CPU us a key', digits: 1, better: 'lower' },
      ],
      rows: tableRows,
    };
    return [table];
  },
});
