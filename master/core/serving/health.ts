// The cluster's health, computed from what nodes report, not from what the ring wants.
//
//   GREEN   every shard of every keyspace's current version has min(RF, known nodes) replicas on
//           serving nodes; a node is known until it is removed, also while it is down or drained
//   YELLOW  all shards are covered, some by fewer replicas; or all nodes are being drained, so that no copy
//           is safe; or a node may still use a replaced view, so that cluster clients read stale versions
//   RED     some shard of some keyspace has no serving replica: reads of it return UNAVAILABLE
//
// Ready is "not RED" once there is a node to ask. The same rule withholds it at the start and
// withdraws it later. Pure.

import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import { isServing } from '../world/membership.ts';
import type { NodeStatus } from '../world/membership.ts';
import { servingOf } from './serving.ts';
import type { Serving } from './serving.ts';
import { eligibleNodes } from '../world/world.ts';
import type { Dataset, World } from '../world/world.ts';

interface ShardHealth {
  readonly shard: number;
  readonly status: HealthStatus;
  /** Names of keyspaces with no serving replica of this shard. */
  readonly uncovered: readonly string[];
  /** The lowest number of copies among the keyspaces that have too few; Infinity if none has. */
  readonly least: number;
}

export interface Health {
  readonly status: HealthStatus;
  readonly ready: boolean;
  readonly replicationTarget: number;
  /**
   * The number of copies that a shard should have: the target, or one per known node if there are
   * fewer.
   */
  readonly replicationEffective: number;
  /**
   * The number of copies of the shard with the fewest, among those with too few; otherwise the full
   * number.
   */
  readonly replicationLeast: number;
  readonly shards: readonly ShardHealth[];
}

export function computeHealth(world: World): Health {
  const serving = [...world.nodes.values()].filter(isServing);
  const shards = shardsHealth(world);
  const effective = Math.min(world.replication, world.nodes.size);
  const least = shards.reduce((min, shard) => Math.min(min, shard.least), Infinity);
  const covered = shards.every((shard) => shard.status !== HealthStatus.RED);
  return {
    status: overall(world, shards, serving),
    ready: serving.length > 0 && covered,
    replicationTarget: world.replication,
    replicationEffective: effective,
    replicationLeast: Number.isFinite(least) ? least : effective,
    shards,
  };
}

function overall(
  world: World,
  shards: readonly ShardHealth[],
  serving: readonly NodeStatus[],
): HealthStatus {
  if (serving.length === 0) return HealthStatus.RED;
  const eligible = eligibleNodes(world);
  // Copies on a node whose reads fail count, because it is asked if no other is left; but the
  // cluster is not well. Nor is it if every node is being drained: the next one that stops leaves a
  // gap.
  const mayBeStale = world.late.size > 0 || world.awaitsUnknownNodes;
  const isDoubtful =
    eligible.length === 0 || mayBeStale || serving.some(({ readsFail }) => readsFail);
  const best = isDoubtful ? HealthStatus.YELLOW : HealthStatus.GREEN;
  const worst = shards.reduce<HealthStatus>(
    (status, shard) => (shard.status > status ? shard.status : status),
    best,
  );
  if (world.datasets.length > 0) return worst;
  // Nothing to cover yet: all nodes that data would go to must be serving.
  const isWell = !mayBeStale && eligible.every(isServing) && hasRoom(world, eligible.length);
  return isWell ? HealthStatus.GREEN : HealthStatus.YELLOW;
}

/** Whether there are enough nodes for the wanted number of copies. */
function hasRoom(world: World, eligible: number): boolean {
  return eligible >= Math.min(world.replication, world.nodes.size);
}

const remembered = new WeakMap<
  Serving,
  { readonly known: number; readonly shards: readonly ShardHealth[] }
>();

function shardsHealth(world: World): readonly ShardHealth[] {
  const serving = servingOf(world);
  const known = world.nodes.size;
  const before = remembered.get(serving);
  if (before?.known === known) return before.shards;
  const counted = countsOf(world);
  const shards = Array.from({ length: world.shardCount }, (_unused, shard) =>
    shardHealth(counted, shard, known),
  );
  remembered.set(serving, { known, shards });
  return shards;
}

interface Counted {
  readonly dataset: Dataset;
  /** By shard. */
  readonly replicas: Uint16Array;
}

/** Counts copies: of current versions the readable ones, of suspended ones all verified ones. */
function countsOf(world: World): Counted[] {
  const { answering, holding } = servingOf(world);
  return world.datasets.flatMap((dataset, at) => {
    const replicas = dataset.suspended ? holding[at] : answering[at];
    return replicas === undefined ? [] : [{ dataset, replicas }];
  });
}

/** `known`: number of nodes that are registered and not removed. */
function shardHealth(counted: readonly Counted[], shard: number, known: number): ShardHealth {
  const uncovered: string[] = [];
  let least = Infinity;
  let status: HealthStatus = HealthStatus.GREEN;
  for (const { dataset, replicas } of counted) {
    const count = replicas[shard] ?? 0;
    if (count >= Math.min(dataset.replication, known)) continue;
    least = Math.min(least, count);
    // Nobody reads a suspended keyspace, so it is never RED; its copies count nevertheless.
    if (count === 0 && !dataset.suspended) uncovered.push(dataset.name);
    else status = HealthStatus.YELLOW;
  }
  if (uncovered.length > 0) status = HealthStatus.RED;
  return { shard, status, uncovered, least };
}

/** True if `status` is at least as good as `wanted`. Without a wanted status, true. */
export function isAtLeast(status: HealthStatus, wanted: HealthStatus): boolean {
  if (wanted === HealthStatus.UNSPECIFIED) return true;
  return status !== HealthStatus.UNSPECIFIED && status <= wanted;
}
