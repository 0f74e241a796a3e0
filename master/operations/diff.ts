// The difference between two kept versions, computed by the datanodes shard by shard.
//
//   shards with the same segments in both     no request
//   other shards                              a node that serves the shard in both versions compares them
//                                             in a worker thread; the counts are summed here
//
// Each round spreads the remaining shards over the nodes, with a few concurrent calls each. A shard
// that failed goes to another node in the next round, until no node is left. Every call has a
// deadline, and all of them end with the caller.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { DIFF_SAMPLES_MAX } from '../../base/limits.ts';
import type {
  DiffVersionsRequest,
  DiffVersionsResponse,
} from '../../proto/gen/stele/v1/cluster.ts';
import type { ShardDiff } from '../../proto/gen/stele/v1/datanode.ts';
import { DiffKind } from '../../proto/gen/stele/v1/diff.ts';
import type { DiffSample } from '../../proto/gen/stele/v1/diff.ts';
import { requireAwake } from '../catalog/keyspace-transitions.ts';
import { requireKeyspace } from '../catalog/queries.ts';
import type { KeyspaceRecord } from '../catalog/records.ts';
import { servesShard } from '../core/world/world.ts';
import type { Dataset } from '../core/world/world.ts';
import type { Leader } from '../control/leader.ts';

const CALLS_PER_NODE = 2;
const SHARDS_PER_CALL_MAX = 16;
/** Limit of bytes to read in one call, so that it ends soon. */
const BYTES_PER_CALL = 256 * 1024 * 1024;
const DEADLINE_BASE_MS = 20_000;
/** The lowest accepted read rate of a node. */
const BYTES_PER_MS_MIN = 10_000;

interface ShardTask {
  readonly shard: number;
  readonly bytes: number;
  /** By node id: the errors of nodes that could not answer. */
  readonly tried: Map<string, string>;
}

/**
 * Throws KEYSPACE_NOT_FOUND, VERSION_NOT_FOUND, UNAVAILABLE if a shard cannot be read, CANCELLED.
 */
export async function diffVersions(
  leader: Leader,
  request: DiffVersionsRequest,
  signal?: AbortSignal,
): Promise<DiffVersionsResponse> {
  const keyspace = requireKeyspace(leader.catalog.state, request.keyspace);
  const samplesMax = Math.min(request.samplesMax, DIFF_SAMPLES_MAX);
  const comparison: Comparison = {
    leader,
    keyspace,
    from: datasetOf(leader, keyspace, request.from),
    to: datasetOf(leader, keyspace, request.to || keyspace.desired.currentVersion),
    sums: new Sums(samplesMax),
    samplesMax,
  };
  const tasks = tasksOf(comparison);
  const shardsCompared = tasks.length;
  for (let left = tasks; left.length > 0;) left = await runRound(comparison, left, signal);
  return {
    from: comparison.from.version,
    to: comparison.to.version,
    counts: comparison.sums.counts,
    samples: comparison.sums.samples(),
    shardsCompared,
    shardsTotal: leader.world.shardCount,
  };
}

interface Comparison {
  readonly leader: Leader;
  readonly keyspace: KeyspaceRecord;
  readonly from: Dataset;
  readonly to: Dataset;
  readonly sums: Sums;
  readonly samplesMax: number;
}

function datasetOf({ world }: Leader, keyspace: KeyspaceRecord, version: number): Dataset {
  requireAwake(keyspace);
  const kept = world.datasets.filter((dataset) => dataset.uid === keyspace.uid);
  const found = kept.find((dataset) => dataset.version === version);
  if (found !== undefined) return found;
  const list = kept.map((dataset) => dataset.version).join(', ') || 'none yet';
  throw new SteleError(
    'VERSION_NOT_FOUND',
    `Keyspace '${keyspace.name}' has no version ${version} to compare; it keeps: ${list}.`,
  );
}

function tasksOf({ from, to }: Comparison): ShardTask[] {
  return from.segmentsByShard.flatMap((segments, shard) => {
    const others = to.segmentsByShard[shard] ?? [];
    const ids = (list: typeof segments): string => list.map(({ id }) => id).join(' ');
    if (ids(segments) === ids(others)) return [];
    const bytes = [...segments, ...others].reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    return [{ shard, bytes, tried: new Map<string, string>() }];
  });
}

/** Resolves to the shards to retry. */
async function runRound(
  comparison: Comparison,
  tasks: readonly ShardTask[],
  signal?: AbortSignal,
): Promise<ShardTask[]> {
  const failed: ShardTask[] = [];
  const queues = spread(comparison, tasks);
  const lanes = [...queues].flatMap(([nodeId, queue]) =>
    Array.from({ length: CALLS_PER_NODE }, async () => {
      for (let batch = takeBatch(queue); batch.length > 0; batch = takeBatch(queue)) {
        const failure = await compare(comparison, nodeId, batch, signal);
        if (failure === undefined) continue;
        for (const task of batch) task.tried.set(nodeId, failure);
        failed.push(...batch);
      }
    }),
  );
  await Promise.all(lanes);
  return failed;
}

/** By node id, the shards for it to compare: balanced by bytes as far as the replicas allow. */
function spread(comparison: Comparison, tasks: readonly ShardTask[]): Map<string, ShardTask[]> {
  const queues = new Map<string, ShardTask[]>();
  const bytesOf = new Map<string, number>();
  for (const task of tasks) {
    let best: string | undefined;
    for (const nodeId of candidates(comparison, task)) {
      const isBetter = best === undefined || (bytesOf.get(nodeId) ?? 0) < (bytesOf.get(best) ?? 0);
      if (isBetter) best = nodeId;
    }
    if (best === undefined) throw unreadable(comparison, task);
    bytesOf.set(best, (bytesOf.get(best) ?? 0) + task.bytes);
    queues.set(best, [...(queues.get(best) ?? []), task]);
  }
  return queues;
}

function candidates({ from, leader, to }: Comparison, { shard, tried }: ShardTask): string[] {
  const { world } = leader;
  return [...world.nodes.values()]
    .filter(
      (node) =>
        !tried.has(node.id) &&
        servesShard(world, node, from, shard) &&
        servesShard(world, node, to, shard),
    )
    .map((node) => node.id);
}

function unreadable({ from, keyspace, to }: Comparison, { shard, tried }: ShardTask): SteleError {
  const reasons = [...tried].map(([nodeId, reason]) => `${nodeId}: ${reason}`);
  const asked = reasons.length === 0 ? '' : ` (${reasons.join(' ')})`;
  return new SteleError(
    'UNAVAILABLE',
    `No datanode can compare shard ${shard} of versions ${from.version} and ${to.version} of keyspace '${keyspace.name}' at the moment${asked}; wait until its datanodes are back (\`stele nodes\`).`,
  );
}

function takeBatch(queue: ShardTask[]): ShardTask[] {
  const batch: ShardTask[] = [];
  for (let bytes = 0; bytes < BYTES_PER_CALL && batch.length < SHARDS_PER_CALL_MAX;) {
    const next = queue.shift();
    if (next === undefined) break;
    batch.push(next);
    bytes += next.bytes;
  }
  return batch;
}

/** Resolves to the error of the node; undefined if it answered. */
async function compare(
  comparison: Comparison,
  nodeId: string,
  batch: readonly ShardTask[],
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { from, keyspace, leader, samplesMax, sums, to } = comparison;
  const bytes = batch.reduce((sum, task) => sum + task.bytes, 0);
  const deadlineMs = DEADLINE_BASE_MS + bytes / BYTES_PER_MS_MIN;
  try {
    const { diffs } = await leader.roster.connections.requireClient(nodeId).diffShards(
      {
        expectNode: nodeId,
        expectIncarnation: leader.roster.get(nodeId)?.incarnation ?? '',
        keyspaceUid: keyspace.uid,
        fromVersion: from.version,
        toVersion: to.version,
        shards: batch.map(({ shard }) => shard),
        samplesMax,
      },
      signal === undefined ? { deadlineMs } : { deadlineMs, signal },
    );
    for (const diff of diffs) sums.add(diff);
    return undefined;
  } catch (thrown) {
    // Ends every worker once the caller is gone.
    if (signal?.aborted === true) throw new SteleError('CANCELLED', 'The caller no longer waits.');
    return toSteleError(thrown).message;
  }
}

/** Counts of all shards, and the first samples of each kind in the order of the shards. */
class Sums {
  readonly counts = { added: 0, removed: 0, changed: 0 };
  readonly #samplesMax: number;
  readonly #byKind = new Map<DiffKind, { readonly shard: number; readonly sample: DiffSample }[]>();

  constructor(samplesMax: number) {
    this.#samplesMax = samplesMax;
  }

  add({ counts, samples, shard }: ShardDiff): void {
    this.counts.added += counts?.added ?? 0;
    this.counts.removed += counts?.removed ?? 0;
    this.counts.changed += counts?.changed ?? 0;
    for (const kind of [DiffKind.ADDED, DiffKind.REMOVED, DiffKind.CHANGED]) {
      const own = samples.filter((sample) => sample.kind === kind);
      // Cut after each shard, so that memory stays within the request's limits, in whatever order
      // they arrive.
      const all = [...(this.#byKind.get(kind) ?? []), ...own.map((sample) => ({ shard, sample }))];
      all.sort((left, right) => left.shard - right.shard);
      this.#byKind.set(kind, all.slice(0, this.#samplesMax));
    }
  }

  samples(): DiffSample[] {
    return [...this.#byKind.values()].flat().map(({ sample }) => sample);
  }
}
