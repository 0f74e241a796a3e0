// The effect of a load on readers: GETs at a fixed rate directly from the datanodes (RESP), first
// with nothing else going on, then while rows are loaded into another keyspace of the same
// datanodes: with defaults, with the datanodes' brake off, and with a load that limits its own
// rate. Loader, datanodes and reader share the machine.

import { join } from 'node:path';
import { defineBench } from '../bench.ts';
import type { Row } from '../bench.ts';
import { median, ofSorted } from '../support/measure.ts';
import { begin, load, MAIN, startCluster, stele, stop, tempFolder } from '../support/processes.ts';
import type { Cluster } from '../support/processes.ts';
import { generateRows, keyOf, linesOf } from '../support/rows.ts';
import { steadyReader } from '../support/steady-reader.ts';
import type { SteadyReader } from '../support/steady-reader.ts';

const KEYS_MAX = 20_000;
const GENTLE = ['--workers', '1', '--max-bytes-per-second', '24MiB'];

interface Mode {
  readonly name: string;
  readonly brake: 'on' | 'off';
  readonly flags: readonly string[];
}

const MODES: readonly Mode[] = [
  { name: 'default', brake: 'on', flags: [] },
  { name: GENTLE.join(' '), brake: 'on', flags: GENTLE },
  { name: 'without the brake', brake: 'off', flags: [] },
];

/** Latencies in ms, sorted, and the duration of the concurrent load. */
interface Reads {
  readonly latencies: Float64Array;
  readonly seconds: number;
}

async function readDuringLoad(
  { masterAt }: Cluster,
  reader: SteadyReader,
  keyspace: string,
  words: readonly string[],
): Promise<Reads> {
  const startedAt = performance.now();
  const args = [MAIN, 'load', keyspace, ...words, '--master', masterAt];
  const loader = begin(process.execPath, args, { stdio: 'ignore' });
  const latencies = await reader.readUntil(() => loader.exitCode !== null);
  if (loader.exitCode !== 0) throw new Error(`the load ended with ${loader.exitCode}`);
  const seconds = (performance.now() - startedAt) / 1000;
  stele('drop', keyspace, '--yes', '--master', masterAt);
  return { latencies, seconds };
}

function rowOf(name: string, all: readonly Float64Array[], seconds: number | null): Row {
  const figures = [0.5, 0.99, 0.999].map((share) =>
    median(all.map((latencies) => ofSorted(latencies, share))),
  );
  return { what: [name], figures: [...figures, seconds] };
}

export const bench = defineBench({
  about: 'Reads directly from 3 datanodes, RF 2, during a load',
  settings: {
    rows: { whole: 1_000_000, short: 20_000 },
    rounds: { whole: 5, short: 1 },
    rate: { whole: 2000, short: 500 },
    seconds: { whole: 4, short: 0.5 },
  },
  async run({ rate, rounds, rows, seconds }) {
    const folder = tempFolder();
    const data = generateRows(join(folder, 'data.csv'), rows);
    const keys = linesOf(data).slice(0, KEYS_MAX).map(keyOf);
    const idle: Float64Array[] = [];
    const during = new Map(MODES.map(({ name }) => [name, [] as Reads[]]));
    for (const brake of ['on', 'off'] as const) {
      const cluster = await startCluster(join(folder, brake), [], { STELE_INTAKE_BRAKE: brake });
      load(cluster.masterAt, 'default', data, join(folder, `work-${brake}`), rows);
      const reader = await steadyReader(
        cluster.datanodes.map(({ resp }) => resp),
        keys,
        rate,
      );
      for (let round = 0; round < rounds; round++) {
        const until = performance.now() + seconds * 1000;
        idle.push(await reader.readUntil(() => performance.now() > until));
        for (const [index, mode] of MODES.entries()) {
          if (mode.brake !== brake) continue;
          const keyspace = `load${index}x${round}`;
          const words = [data, '--work-dir', join(folder, `${brake}-${keyspace}`), ...mode.flags];
          during.get(mode.name)?.push(await readDuringLoad(cluster, reader, keyspace, words));
        }
      }
      reader.close();
      await stop(cluster);
    }
    return [
      {
        caption: 'Latency of GETs at a fixed rate; medians of the rounds.',
        labels: [''],
        columns: [
          { title: 'p50 ms', digits: 2, better: 'lower' },
          { title: 'p99 ms', digits: 2, better: 'lower' },
          { title: 'p99.9 ms', digits: 2, better: 'lower' },
          { title: 'load takes, s', digits: 1, better: 'lower' },
        ],
        rows: [
          rowOf('nothing else', idle, null),
          ...[...during].map(([name, all]) =>
            rowOf(
              `during a load, ${name}`,
              all.map(({ latencies }) => latencies),
              median(all.map((reads) => reads.seconds)),
            ),
          ),
        ],
      },
    ];
  },
});
