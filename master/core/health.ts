// How well the cluster serves, computed from what nodes report and not from what the ring wishes.
//
//   GREEN   every shard of every keyspace's current version has min(RF, eligible nodes) replicas
//           on serving nodes
//   YELLOW  all are covered, some by fewer; or all nodes are being drained, so that no copy is safe
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
  const shards = shardsHealth(world, eligible);
  const covered = shards.every((shard) => shard.status !== HealthStatus.RED);
  return {
    status: overall(world, shards, serving),
    ready: serving.length > 0 && covered,
    replicationTarget: world.replication,
    replicationEffective: Math.min(world.replication, eligible),
    shards,
  };
}

function overall(
  world: World,
  shards: readonly ShardHealth[],
  serving: readonly NodeStatus[],
): HealthStatus {
  if (serving.length === 0) return HealthStatus.RED;
  // Its copies count, as it is asked where nobody else is left; but all is not well.
  const best = serving.some(({ readsFail }) => readsFail)
    ? HealthStatus.YELLOW
    : HealthStatus.GREEN;
  const worst = shards.reduce<HealthStatus>(
    (status, shard) => (shard.status > status ? shard.status : status),
    best,
  );
  if (world.datasets.length > 0) return worst;
  // Nothing to cover yet: what counts is whether everybody is there.
  const eligible = eligibleNodes(world);
  return eligible.length > 0 && eligible.every(isServing)
    ? HealthStatus.GREEN
    : HealthStatus.YELLOW;
}

const remembered = new WeakMap<
  Serving,
  { readonly eligible: number; readonly shards: readonly ShardHealth[] }
>();

function shardsHealth(world: World, eligible: number): readonly ShardHealth[] {
  const serving = servingOf(world);
  const known = remembered.get(serving);
  if (known?.eligible === eligible) return known.shards;
  const counted = countsOf(world);
  const shards = Array.from({ length: world.shardCount }, (_unused, shard) =>
    shardHealth(counted, shard, eligible),
  );
  remembered.set(serving, { eligible, shards });
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

function shardHealth(counted: readonly Counted[], shard: number, eligible: number): ShardHealth {
  const uncovered: string[] = [];
  // Nobody is left to take a copy over: what leaves next leaves a gap.
  let status: HealthStatus = eligible === 0 ? HealthStatus.YELLOW : HealthStatus.GREEN;
  for (const { dataset, replicas } of counted) {
    const count = replicas[shard] ?? 0;
    // Nobody reads a suspended keyspace, so it is never RED; its copies count all the same.
    if (count === 0 && !dataset.suspended) uncovered.push(dataset.name);
    else if (count < Math.min(dataset.replication, eligible)) status = HealthStatus.YELLOW;
  }
  if (uncovered.length > 0) status = HealthStatus.RED;
  return { shard, status, uncovered };
}

/** True where `status` is at least as good as `wanted`; nothing wanted is always reached. */
export function isAtLeast(status: HealthStatus, wanted: HealthStatus): boolean {
  if (wanted === HealthStatus.UNSPECIFIED) return true;
  return status !== HealthStatus.UNSPECIFIED && status <= wanted;
}
