// How well the cluster serves, computed from what nodes report and not from what the ring wishes.
//
//   GREEN   every shard of every keyspace's current version has min(RF, eligible nodes) replicas
//           on serving nodes
//   YELLOW  all are covered, some by fewer
//   RED     some shard of some keyspace has no serving replica: reads of it answer UNAVAILABLE
//
// Ready is "not RED" once there is somebody to ask: it is withheld at the start and withdrawn later
// by the same rule. Pure.

import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { isServing } from './membership.ts';
import { currentDatasets, eligibleNodes, holdsShard, servesShard } from './world.ts';
import type { Dataset, World } from './world.ts';

interface ShardHealth {
  readonly shard: number;
  readonly status: HealthStatus;
  /** Names of keyspaces with no serving replica of this shard. */
  readonly uncovered: readonly string[];
}

export interface Health {
  readonly status: HealthStatus;
  readonly ready: boolean;
  readonly replicationTarget: number;
  readonly replicationEffective: number;
  readonly shards: readonly ShardHealth[];
}

export function computeHealth(world: World): Health {
  const eligible = eligibleNodes(world).length;
  const serving = [...world.nodes.values()].filter(isServing);
  const datasets = currentDatasets(world);
  const suspended = world.datasets.filter((dataset) => dataset.current && dataset.suspended);
  const shards = Array.from({ length: world.shardCount }, (_unused, shard) =>
    shardHealth(world, datasets, suspended, shard, eligible),
  );
  const covered = shards.every((shard) => shard.status !== HealthStatus.RED);
  return {
    status: overall(world, shards, serving.length),
    ready: serving.length > 0 && covered,
    replicationTarget: world.replication,
    replicationEffective: Math.min(world.replication, eligible),
    shards,
  };
}

function overall(world: World, shards: readonly ShardHealth[], serving: number): HealthStatus {
  if (serving === 0) return HealthStatus.RED;
  const worst = shards.reduce<HealthStatus>(
    (status, shard) => (shard.status > status ? shard.status : status),
    HealthStatus.GREEN,
  );
  if (world.datasets.length > 0) return worst;
  // Nothing to cover yet: what counts is whether everybody is there.
  return eligibleNodes(world).every(isServing) ? HealthStatus.GREEN : HealthStatus.YELLOW;
}

function shardHealth(
  world: World,
  datasets: readonly Dataset[],
  suspended: readonly Dataset[],
  shard: number,
  eligible: number,
): ShardHealth {
  const uncovered: string[] = [];
  let status: HealthStatus = HealthStatus.GREEN;
  for (const dataset of datasets) {
    const replicas = countServing(world, dataset, shard);
    if (replicas === 0) uncovered.push(dataset.name);
    else if (replicas < Math.min(dataset.replication, eligible)) status = HealthStatus.YELLOW;
  }
  // Nobody reads a suspended keyspace, so it is never RED; its copies count all the same.
  for (const dataset of suspended) {
    const isShort = countHolding(world, dataset, shard) < Math.min(dataset.replication, eligible);
    if (isShort) status = HealthStatus.YELLOW;
  }
  if (uncovered.length > 0) status = HealthStatus.RED;
  return { shard, status, uncovered };
}

function countServing(world: World, dataset: Dataset, shard: number): number {
  let count = 0;
  for (const node of world.nodes.values()) {
    if (servesShard(world, node, dataset, shard)) count += 1;
  }
  return count;
}

function countHolding(world: World, dataset: Dataset, shard: number): number {
  let count = 0;
  for (const node of world.nodes.values()) {
    if (isServing(node) && holdsShard(world.holdings.get(node.id), dataset, shard)) count += 1;
  }
  return count;
}

/** True where `status` is at least as good as `wanted`; nothing wanted is always reached. */
export function isAtLeast(status: HealthStatus, wanted: HealthStatus): boolean {
  if (wanted === HealthStatus.UNSPECIFIED) return true;
  return status !== HealthStatus.UNSPECIFIED && status <= wanted;
}
