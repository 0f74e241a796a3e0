// npm run bench -- ring
//
// Balance, movement and planning time of the placement, as Markdown tables: of cluster sizes, then of
// numbers of virtual nodes (`stele master --virtual-nodes`). Movement is counted
// over many memberships, one join and one leave each. The ideal is what a joining node's fair share
// is after, and a leaving node's before: the mean load of the larger of the two memberships.

import { performance } from 'node:perf_hooks';
import { movedReplicas, placeShards } from '../dist/ring/placement.js';

const MEMBERSHIPS = 50;
const NODE_COUNTS = [3, 5, 10, 50];
const SHARD_COUNTS = [128, 1024];
const REPLICATIONS = [2, 3];
/** Clusters for which the number of virtual nodes is varied: nodes, shards, RF. */
const VARIED = [
  [10, 128, 2],
  [10, 1024, 2],
  [50, 1024, 3],
];
const VIRTUAL_NODES = [4, 16, 32, 64, 128, 256, 512, 1024];

/** `count` nodes on hosts of their own in one zone; `round` makes another set of names. */
function membership(round, count) {
  return Array.from({ length: count }, (_, index) => ({
    id: `m${round}-node-${index}`,
    host: `host-${index}`,
    zone: 'zone',
  }));
}

function largestCount(owners) {
  const counts = new Map();
  for (const id of owners) counts.set(id, (counts.get(id) ?? 0) + 1);
  return Math.max(...counts.values());
}

function measure(nodeCount, shardCount, replication, virtualNodes = shardCount) {
  const plan = (nodes) => placeShards({ nodes, shardCount, replication, virtualNodes });
  const result = { load: [], primaries: [], join: [], leave: [], millis: [], changed: [] };
  for (let round = 0; round < MEMBERSHIPS; round++) {
    const nodes = membership(round, nodeCount + 1);
    const start = performance.now();
    const base = plan(nodes.slice(0, nodeCount));
    result.millis.push(performance.now() - start);
    const replicas = shardCount * replication;
    result.load.push(largestCount(base.flat()) / (replicas / nodeCount));
    result.primaries.push(largestCount(base.map((owners) => owners[0])) / (shardCount / nodeCount));
    const usual = placeShards({ nodes: nodes.slice(0, nodeCount), shardCount, replication });
    result.changed.push(movedReplicas(usual, base) / replicas);
    result.join.push(movedReplicas(base, plan(nodes)) / (replicas / (nodeCount + 1)));
    if (nodeCount <= replication) continue;
    const fewer = plan(nodes.slice(1, nodeCount));
    result.leave.push(movedReplicas(base, fewer) / (replicas / nodeCount));
  }
  return result;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const percentile = (values, part) =>
  values.toSorted((a, b) => a - b)[Math.floor(part * (values.length - 1))];
const figures = (values) =>
  values.length === 0
    ? 'none to make'
    : [mean(values), percentile(values, 0.95), Math.max(...values)]
        .map((value) => value.toFixed(2))
        .join(' / ');

console.log(
  `${MEMBERSHIPS} memberships a row. Moves are mean / 95th percentile / largest, over the ideal.\n`,
);
console.log(
  '| nodes | shards | RF | replicas a node | largest load / mean | most first places / mean | moved on join / ideal | moved on leave / ideal | plan, ms |',
);
console.log('|--:|--:|--:|--:|--:|--:|--:|--:|--:|');
for (const nodeCount of NODE_COUNTS) {
  for (const shardCount of SHARD_COUNTS) {
    for (const replication of REPLICATIONS) {
      const result = measure(nodeCount, shardCount, replication);
      const cells = [
        nodeCount,
        shardCount,
        replication,
        ((shardCount * replication) / nodeCount).toFixed(1),
        Math.max(...result.load).toFixed(2),
        Math.max(...result.primaries).toFixed(2),
        figures(result.join),
        figures(result.leave),
        percentile(result.millis, 0.5).toFixed(1),
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
  }
}

console.log(
  '\n| nodes | shards | RF | virtual nodes | load / mean, mean / largest | most first places / mean | moved on join / ideal | moved on leave / ideal | moved by the change to it |',
);
console.log('|--:|--:|--:|--:|--:|--:|--:|--:|--:|');
for (const [nodeCount, shardCount, replication] of VARIED) {
  for (const virtualNodes of VIRTUAL_NODES.filter((count) => count <= shardCount)) {
    const result = measure(nodeCount, shardCount, replication, virtualNodes);
    const cells = [
      nodeCount,
      shardCount,
      replication,
      virtualNodes,
      `${mean(result.load).toFixed(2)} / ${Math.max(...result.load).toFixed(2)}`,
      Math.max(...result.primaries).toFixed(2),
      figures(result.join),
      figures(result.leave),
      `${(100 * mean(result.changed)).toFixed(0)}%`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

const many = membership(0, 1000);
const times = Array.from({ length: 5 }, () => {
  const start = performance.now();
  placeShards({ nodes: many, shardCount: 4096, replication: 3 });
  return performance.now() - start;
});
console.log(
  `\n1,000 nodes, 4,096 shards, RF 3: planned in ${percentile(times, 0.5).toFixed(0)} ms (median of 5; the first, cold, ${times[0].toFixed(0)} ms).`,
);
