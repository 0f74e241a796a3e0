// Balance, movement and planning time of the placement: by cluster size, then by number of virtual
// nodes (`stele master --virtual-nodes`). Movement is counted over many memberships, one join and
// one leave each. The ideal is a joining node's fair share afterwards, and a leaving node's before:
// the mean load of the larger of the two memberships.

import { movedReplicas, placeShards } from '../../ring/placement.ts';
import type { PlacementNode } from '../../ring/placement.ts';
import { defineBench } from '../bench.ts';
import type { Column, Row, Table } from '../bench.ts';
import { mean, median, percentile } from '../support/measure.ts';

const NODE_COUNTS = [3, 5, 10, 50];
const SHARD_COUNTS = [128, 1024];
const REPLICATIONS = [2, 3];
/** Clusters for which the number of virtual nodes is varied: nodes, shards, RF. */
const VARIED = [
  [10, 128, 2],
  [10, 1024, 2],
  [50, 1024, 3],
] as const;
const VIRTUAL_NODES = [4, 16, 32, 64, 128, 256, 512, 1024];

interface Measured {
  readonly load: number[];
  readonly primaries: number[];
  readonly join: number[];
  readonly leave: number[];
  readonly millis: number[];
  readonly changed: number[];
}

/** `count` nodes in one zone, each on its own host; `round` makes another set of names. */
function membership(round: number, count: number): PlacementNode[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `m${round}-node-${index}`,
    host: `host-${index}`,
    zone: 'zone',
  }));
}

function largestCount(owners: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const id of owners) counts.set(id, (counts.get(id) ?? 0) + 1);
  return Math.max(...counts.values());
}

function measure(
  memberships: number,
  nodeCount: number,
  shardCount: number,
  replication: number,
  virtualNodes = shardCount,
): Measured {
  const plan = (nodes: readonly PlacementNode[]): readonly (readonly string[])[] =>
    placeShards({ nodes, shardCount, replication, virtualNodes });
  const result: Measured = {
    ...{ load: [], primaries: [], join: [], leave: [], millis: [], changed: [] },
  };
  const replicas = shardCount * replication;
  for (let round = 0; round < memberships; round++) {
    const nodes = membership(round, nodeCount + 1);
    const startMs = performance.now();
    const base = plan(nodes.slice(0, nodeCount));
    result.millis.push(performance.now() - startMs);
    result.load.push(largestCount(base.flat()) / (replicas / nodeCount));
    const firsts = base.map(([first = '']) => first);
    result.primaries.push(largestCount(firsts) / (shardCount / nodeCount));
    const usual = placeShards({ nodes: nodes.slice(0, nodeCount), shardCount, replication });
    result.changed.push(movedReplicas(usual, base) / replicas);
    result.join.push(movedReplicas(base, plan(nodes)) / (replicas / (nodeCount + 1)));
    if (nodeCount <= replication) continue;
    const fewer = plan(nodes.slice(1, nodeCount));
    result.leave.push(movedReplicas(base, fewer) / (replicas / nodeCount));
  }
  return result;
}

const LABELS = ['nodes', 'shards', 'RF'];
const MOVES: readonly Column[] = ['join', 'leave'].flatMap((change) =>
  ['mean', '95th', 'largest'].map((figure) => ({ title: `${change}, ${figure}`, digits: 2 })),
);

/** Mean, 95th percentile and maximum of the moves on a join, and on a leave if one is possible. */
function moves({ join, leave }: Measured): (number | null)[] {
  return [join, leave].flatMap((values) =>
    values.length === 0
      ? [null, null, null]
      : [mean(values), percentile(values, 0.95), Math.max(...values)],
  );
}

function bySize(memberships: number): Table {
  const rows: Row[] = [];
  for (const nodeCount of NODE_COUNTS) {
    for (const shardCount of SHARD_COUNTS) {
      for (const replication of REPLICATIONS) {
        const result = measure(memberships, nodeCount, shardCount, replication);
        rows.push({
          what: [nodeCount, shardCount, replication].map(String),
          figures: [
            (shardCount * replication) / nodeCount,
            Math.max(...result.load),
            Math.max(...result.primaries),
            ...moves(result),
            median(result.millis),
          ],
        });
      }
    }
  }
  return {
    caption:
      'Loads and first places are largest / mean; moves on a join and on a leave are over the ideal.',
    labels: LABELS,
    columns: [
      { title: 'replicas a node', digits: 1 },
      { title: 'load', digits: 2 },
      { title: 'first places', digits: 2 },
      ...MOVES,
      { title: 'plan, ms', digits: 1, better: 'lower' },
    ],
    rows,
  };
}

function byVirtualNodes(memberships: number): Table {
  const rows = VARIED.flatMap(([nodeCount, shardCount, replication]) =>
    VIRTUAL_NODES.filter((count) => count <= shardCount).map((virtualNodes) => {
      const result = measure(memberships, nodeCount, shardCount, replication, virtualNodes);
      return {
        what: [nodeCount, shardCount, replication, virtualNodes].map(String),
        figures: [
          mean(result.load),
          Math.max(...result.load),
          Math.max(...result.primaries),
          ...moves(result),
          100 * mean(result.changed),
        ],
      };
    }),
  );
  return {
    caption:
      'The same by the number of virtual nodes, and what a change from the default to it moves.',
    labels: [...LABELS, 'virtual nodes'],
    columns: [
      { title: 'load, mean', digits: 2 },
      { title: 'load, largest', digits: 2 },
      { title: 'first places', digits: 2 },
      ...MOVES,
      { title: 'moved by the change, %', digits: 0 },
    ],
    rows,
  };
}

function large(): Table {
  const nodes = membership(0, 1000);
  const times = Array.from({ length: 5 }, () => {
    const startMs = performance.now();
    placeShards({ nodes, shardCount: 4096, replication: 3 });
    return performance.now() - startMs;
  });
  return {
    caption: 'Planning time of a large cluster.',
    labels: LABELS,
    columns: [
      { title: 'first, cold, ms', digits: 0 },
      { title: 'median of 5, ms', digits: 0, better: 'lower' },
    ],
    rows: [{ what: ['1000', '4096', '3'], figures: [times[0] ?? null, median(times)] }],
  };
}

export const bench = defineBench({
  about: 'Balance, movement and planning time of the placement',
  settings: { memberships: { whole: 50, short: 2 } },
  async run({ memberships }) {
    return [bySize(memberships), byVirtualNodes(memberships), large()];
  },
});
