// The questions that can be answered from a view, for as long as no leader can be asked: by the
// last view there is, and with the words that this is so. A wait for a health waits for a leader,
// because the last view says nothing of now.

import { sleep, systemTime } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { SteleError } from '../../base/errors.ts';
import {
  GetHealthResponse,
  KeyspaceSummary,
  NodeSummary,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { GetHealthRequest, NoLeader, ShardSummary } from '../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, Tier } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView } from '../../proto/gen/stele/v1/view.ts';
import type { LeaderCalls } from '../../proto/operations.ts';
import { hasShard } from '../../proto/view-words.ts';
import { slotRangeOfShard } from '../../ring/shard.ts';

/** A wait is a question again and again: a leader that is replaced meanwhile would never end it. */
const ROUND_MS = 2_000;
const AGAIN_MS = 200;
const NO_HEALTH = GetHealthResponse.decode(new Uint8Array(0));
const NO_NODE = NodeSummary.decode(new Uint8Array(0));
const NO_KEYSPACE = KeyspaceSummary.decode(new Uint8Array(0));

type Questions = Pick<
  LeaderCalls['operations'],
  'health' | 'listKeyspaces' | 'listNodes' | 'listShards'
>;

export interface LastView {
  /** Of epoch 0 before there was any. */
  current(): ClusterView;
  /**
   * Why no leader can be asked, as the beginning of a sentence, and since when (ISO 8601, empty if
   * unknown). Undefined: who asked has a view as good as this one.
   */
  noLeader(): { readonly why: string; readonly since: string } | undefined;
}

/** The questions to `leader`; while it cannot be asked, they are answered from `last`. */
export function orFromLastView(
  leader: Questions,
  last: LastView,
  time: Time = systemTime,
): Questions {
  const orElse = async <Answer>(
    ask: () => Promise<Answer>,
    fromView: (view: ClusterView, noLeader: NoLeader) => Answer,
  ): Promise<Answer> => {
    try {
      return await ask();
    } catch (thrown) {
      const found = noLeaderIn(last, toSteleError(thrown));
      if (found === undefined) throw thrown;
      return fromView(last.current(), found);
    }
  };
  const health = async (request: GetHealthRequest, signal?: AbortSignal) => {
    const untilMs = time.nowMs() + request.timeoutMs;
    const isWait = request.waitFor !== HealthStatus.UNSPECIFIED;
    for (;;) {
      const leftMs = Math.max(0, Math.ceil(untilMs - time.nowMs()));
      const round = { ...request, timeoutMs: Math.min(ROUND_MS, leftMs) };
      const ask = () => leader.health(round, signal);
      const answer = await orElse(ask, (view, noLeader) => healthOf(view, !isWait, noLeader));
      if (answer.reached || leftMs === 0 || signal?.aborted === true) return answer;
      if (answer.noLeader !== undefined) await sleep(Math.min(AGAIN_MS, leftMs), signal, time);
    }
  };
  return {
    health,
    listKeyspaces: () =>
      orElse(
        () => leader.listKeyspaces(),
        ({ keyspaces }, noLeader) => ({ keyspaces: keyspacesOf(keyspaces), noLeader }),
      ),
    listNodes: () =>
      orElse(
        () => leader.listNodes(),
        (view, noLeader) => ({ nodes: nodesOf(view), noLeader }),
      ),
    listShards: () =>
      orElse(
        () => leader.listShards(),
        (view, noLeader) => ({ shards: view.routes.map((_, at) => shardOf(view, at)), noLeader }),
      ),
  };
}

function noLeaderIn(last: LastView, { code }: SteleError): NoLeader | undefined {
  const isAway = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED';
  if (!isAway || last.current().epoch === 0) return undefined;
  const found = last.noLeader();
  if (found === undefined) return undefined;
  const { since, why } = found;
  const when = since === '' ? '' : ` since ${since}`;
  const worth = 'this is the last view, and the state of the datanodes is that of then';
  return { since, reason: `${why}${when}: ${worth}.` };
}

function healthOf(view: ClusterView, reached: boolean, noLeader: NoLeader): GetHealthResponse {
  const { epoch, health, ready, replication, shardCount } = view;
  const uncovered = view.routes.flatMap((_, shard) => {
    const keyspaces = lacking(view, shard).map(({ name }) => name);
    return keyspaces.length === 0 ? [] : [{ ...placeOf(view, shard), keyspaces }];
  });
  return {
    ...NO_HEALTH,
    epoch,
    ready,
    reached,
    status: health,
    uncovered,
    nodes: nodesOf(view),
    replicationTarget: replication,
    replicationEffective: Math.min(replication, view.nodes.length),
    shardsTotal: shardCount,
    shardsActive: shardCount - uncovered.length,
    reasons: [noLeader.reason],
    noLeader,
  };
}

function nodesOf({ nodes }: ClusterView): NodeSummary[] {
  return nodes.map((node) => ({ ...NO_NODE, node }));
}

/** In the order in which a leader lists them. */
function keyspacesOf(keyspaces: readonly KeyspaceView[]): KeyspaceSummary[] {
  return keyspaces.toSorted((left, right) => left.index - right.index).map(keyspaceOf);
}

function keyspaceOf(keyspace: KeyspaceView): KeyspaceSummary {
  const { currentVersion, index, name, records, tier = Tier.MEMORY, uid } = keyspace;
  const known = { currentVersion, index, name, records, tier, uid };
  const { uncached = false } = keyspace;
  return { ...NO_KEYSPACE, ...known, uncached, state: stateOf(keyspace) };
}

function stateOf({ currentVersion, resuming, suspended, unserved }: KeyspaceView): string {
  if (currentVersion === 0 || resuming === true) return 'INITIALIZING';
  if (suspended === true) return 'SUSPENDED';
  return unserved === undefined ? 'RUNNING' : 'REPAIRING';
}

function shardOf(view: ClusterView, shard: number): ShardSummary {
  const holders = view.routes[shard]?.nodes.flatMap((at) => view.nodes[at]?.id ?? []) ?? [];
  const isWell = view.health === HealthStatus.GREEN;
  const best = isWell ? HealthStatus.GREEN : HealthStatus.UNSPECIFIED;
  const status = lacking(view, shard).length > 0 ? HealthStatus.RED : best;
  return { ...placeOf(view, shard), owners: [], holders, status, records: 0, bytes: 0 };
}

/** The keyspaces without a serving replica of this shard. */
function lacking({ keyspaces }: ClusterView, shard: number): KeyspaceView[] {
  return keyspaces.filter(({ unserved }) => unserved !== undefined && hasShard(unserved, shard));
}

function placeOf(
  { shardCount }: ClusterView,
  shard: number,
): Pick<ShardSummary, 'shard' | 'slotFirst' | 'slotLast'> {
  const { first, last } = slotRangeOfShard(shard, shardCount);
  return { shard, slotFirst: first, slotLast: last };
}
