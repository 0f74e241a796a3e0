// The cost of the control plane of a large cluster, in CPU time of its one thread: the master's own
// loop, with simulated datanodes that report their holdings. A first plan for everything; a turn in
// which nothing has changed; a datanode that falls silent; the same one declared down, whose
// replicas are ordered elsewhere; and the heartbeats of all nodes, with the real loops and a turn
// per interval.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { placeShards } from '../../ring/placement.ts';
import { defineBench } from '../bench.ts';
import type { Row, Table } from '../bench.ts';
import { LargeCluster, REPLICATION, reportOf } from '../support/large-cluster.ts';
import { median, sleep } from '../support/measure.ts';

const HEARTBEAT_INTERVAL_MS = 500;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** CPU milliseconds of this process, including its garbage collector and compiler threads. */
function cpuMs<Made>(work: () => Made): { ms: number; made: Made } {
  const before = process.cpuUsage();
  const made = work();
  const { system, user } = process.cpuUsage(before);
  return { ms: (system + user) / 1000, made };
}

/** `goalMs` is the largest acceptable median; null if there is none. */
function rowOf(what: string, timesMs: readonly number[], goalMs: number | null): Row {
  return { what: [what], figures: [median(timesMs), timesMs[0] ?? null, goalMs] };
}

/** One datanode after the other falls silent, is declared down, and comes back. */
function lose(cluster: LargeCluster, runs: number): Row[] {
  const [silent, gone]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs; run++) {
    const node = cluster.nodes[(run * 7919 + 13) % cluster.nodes.length];
    if (node === undefined) continue;
    const down = cpuMs(() => {
      for (let miss = 0; miss < 3; miss++) {
        cluster.control.dispatch({ kind: 'missed', nodeId: node.id });
      }
      return cluster.turn();
    });
    if (down.made.view === undefined) throw new Error('reads do not go elsewhere at once');
    silent.push(down.ms);
    cluster.skippedMs += 10_001;
    const given = cpuMs(() => cluster.turn());
    if (given.made.copies.length === 0) throw new Error('its replicas are not ordered elsewhere');
    gone.push(given.ms);
    cluster.control.dispatch({ kind: 'answered', nodeId: node.id, report: reportOf(node) });
    cluster.turn();
  }
  return [
    rowOf('a datanode falls silent: new routes', silent, 100),
    rowOf('it is given up: new owners, copies ordered', gone, 100),
  ];
}

export const bench = defineBench({
  about: `The control plane of a large cluster, RF ${REPLICATION}`,
  settings: {
    nodes: { whole: 1000, short: 30 },
    shards: { whole: 4096, short: 128 },
    keyspaces: { whole: 100, short: 5 },
    rounds: { whole: 5, short: 2 },
    beats: { whole: 20, short: 1 },
  },
  async run({ beats, keyspaces, nodes, rounds, shards }) {
    const cluster = new LargeCluster(nodes, shards, keyspaces);
    const inRing = cluster.nodes.map(({ address, id, zone }) => ({ id, zone, host: address.host }));
    const placing = Array.from({ length: rounds }, () =>
      cpuMs(() => placeShards({ nodes: inRing, shardCount: shards, replication: REPLICATION })),
    );
    const placed = rowOf(
      'owners of all shards, by the ring',
      placing.map(({ ms }) => ms),
      null,
    );
    const held = cluster.holdings(placing[0]?.made ?? []);
    const takenInMs = cluster.nodes.map((node) => {
      const { ms } = cpuMs(() => cluster.hear(node, held.get(node.id) ?? []));
      held.delete(node.id);
      return ms;
    });
    const allInMs = takenInMs.reduce((sum, ms) => sum + ms, 0);
    // Garbage from the setup must not be collected during the plan.
    collectGarbage();
    await sleep(1000);
    const first = cpuMs(() => cluster.turn());
    if (first.made.copies.length > 0) throw new Error('everything is where it should be');
    const idleMs = Array.from({ length: rounds }, () => cpuMs(() => cluster.turn()).ms);
    const lost = lose(cluster, rounds);
    const { loopMs, processMs } = await cluster.beat(HEARTBEAT_INTERVAL_MS, beats);
    const table: Table = {
      caption: 'CPU time; medians of the rounds.',
      labels: ['what'],
      columns: [
        { title: 'ms', digits: 1, better: 'lower' },
        { title: 'first, ms', digits: 1 },
        { title: 'wanted, ms', digits: 0 },
      ],
      rows: [
        placed,
        rowOf('reports of all datanodes taken in, one at a time', [allInMs], null),
        rowOf('first plan for everything', [first.ms], 1000),
        rowOf('a turn in which nothing has changed', idleMs, null),
        ...lost,
        rowOf('a heartbeat of every datanode, and a turn', [loopMs], HEARTBEAT_INTERVAL_MS / 20),
        rowOf('the same, with all threads of the process', [processMs], null),
      ],
    };
    return [table];
  },
});
