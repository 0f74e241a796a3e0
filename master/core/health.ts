// How well the cluster serves, computed from what nodes report and not from what the ring wishes.
//
//   GREEN   every shard of every keyspace's current version has min(RF, known nodes) replicas on
//           serving nodes; a node is known until it is removed, also while it is down or drained
//   YELLOW  all are covered, some by fewer; or all nodes are being drained, so that no copy is safe; or a
//           node may answer by a view that has been replaced, and cluster clients read what is not current
//   RED     some shard of some keyspace has no serving replica: reads of it answer UNAVAILABLE
//
// Ready is "not RED" once there is somebody to ask: it is withheld at the start and withdrawn later
// by the same rule. Pure.

import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import { isServing } from './membership.ts';
import type { NodeStatus } from './membership.ts';
import { servingOf } from './serving.ts';
import type { Serving } from './serving.ts';
import { eligibleNodes } from './world.ts';
import type { Dataset, World } from './world.ts';

interface ShardHealth {
  readonly shard: number;
  readonly status: HealthStatus;
  /** Names of keyspaces with no serving replica of this shard. */
  readonly uncovered: readonly string[];
  /** The fewest copies of it among the keyspaces that have too few; Infinity where none has. */
  readonly least: number;
}

export interface Health {
  readonly status: HealthStatus;
  readonly ready: boolean;
  readonly replicationTarget: number;
  /** Copies that a shard is to have: the target, or one per known node where there are fewer. */
  readonly replicationEffective: number;
  /** Copies that are there of the shard with the fewest, among those that have too few; or all. */
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
  // Copies on a node whose reads fail count, as it is asked where nobody else is left; but all is not
  // well. Nor is it where every node is to leave: the next one that stops leaves a gap.
  const mayBeStale = world.late.size > 0 || world.awaitsStrangers;
  const isDoubtful =
    eligible.length === 0 || mayBeStale || serving.some(({ readsFail }) => readsFail);
  const best = isDoubtful ? HealthStatus.YELLOW : HealthStatus.GREEN;
  const worst = shards.reduce<HealthStatus>(
    (status, shard) => (shard.status > status ? shard.status : status),
    best,
  );
  if (world.datasets.length > 0) return worst;
  // Nothing to cover yet: what counts is whether everybody is there that data would go to.
  const isWell = !mayBeStale && eligible.every(isServing) && hasRoom(world, eligible.length);
  return isWell ? HealthStatus.GREEN : HealthStatus.YELLOW;
}

/** Whether as many copies could be made as there should be. */
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

/** Of current versions: copies that can be read; of suspended ones: all verified copies. */
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
    // Nobody reads a suspended keyspace, so it is never RED; its copies count all the same.
    if (count === 0 && !dataset.suspended) uncovered.push(dataset.name);
    else status = HealthStatus.YELLOW;
  }
  if (uncovered.length > 0) status = HealthStatus.RED;
  return { shard, status, uncovered, least };
}

/** True where `status` is at least as good as `wanted`; nothing wanted is always reached. */
export function isAtLeast(status: HealthStatus, wanted: HealthStatus): boolean {
  if (wanted === HealthStatus.UNSPECIFIED) return true;
  return status !== HealthStatus.UNSPECIFIED && status <= wanted;
}
