// The content of an append's version: the base's segments with the load's deltas on them, and
// totals that the datanodes have counted.

import type { Logger } from '../../base/log.ts';
import { appendTotals, planAppend, planWhole } from './append-plan.ts';
import { requireCurrent } from '../catalog/commit-transitions.ts';
import type { CommitContent } from '../catalog/commit-transitions.ts';
import { clusterOf } from '../catalog/queries.ts';
import { versionId } from '../catalog/records.ts';
import type { KeyspaceRecord, SegmentRecord } from '../catalog/records.ts';
import type { Leader } from '../control/leader.ts';
import { measureDeltas } from './measure-deltas.ts';

/**
 * `base`: the version that the load began on, 0 for none; `deltas`: the segments that it adds.
 * Throws CONFLICT if another version is current, REPLICAS_MISSING, LOAD_REJECTED.
 */
export async function appendContent(
  leader: Leader,
  log: Logger,
  keyspace: KeyspaceRecord,
  base: number,
  deltas: readonly SegmentRecord[],
  replicas: number,
): Promise<Omit<CommitContent, 'version' | 'fingerprint' | 'nowIso'>> {
  // Read in a transition, so that it runs after a merge whose record is being written.
  const { manifest, shardCount } = await leader.catalog.update((state) => {
    requireCurrent(state.keyspace.get(keyspace.uid) ?? keyspace, base);
    const found = state.manifest.get(versionId(keyspace.uid, base));
    return { changes: [], result: { manifest: found, shardCount: clusterOf(state).shardCount } };
  });
  const plan = planAppend(manifest, deltas, shardCount);
  const measures = await measureDeltas(leader, log, keyspace.uid, plan.wanted, replicas);
  const { outcome, overwritten, totals } = appendTotals(plan, measures);
  return {
    segments: plan.segments,
    ...totals,
    appended: {
      append: { base, ...outcome },
      baseRevision: manifest?.revision ?? 0,
    },
    overwritten,
  };
}

/**
 * The content of a version that is restored with its deltas, counted by the datanodes. `segments`:
 * by shard; within a shard oldest first. Throws REPLICAS_MISSING, LOAD_REJECTED.
 */
export async function wholeContent(
  leader: Leader,
  log: Logger,
  keyspace: KeyspaceRecord,
  segments: readonly SegmentRecord[],
  replicas: number,
): Promise<Omit<CommitContent, 'version' | 'fingerprint' | 'nowIso'>> {
  const plan = planWhole(segments);
  const measures = await measureDeltas(leader, log, keyspace.uid, plan.wanted, replicas);
  const { overwritten, totals } = appendTotals(plan, measures);
  return { segments, ...totals, overwritten };
}
