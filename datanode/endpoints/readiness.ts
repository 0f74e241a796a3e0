// Whether a read sent to this node now would be answered, and by which view.

import { monotonicNowMs } from '../../base/clock.ts';
import { formatBytes } from '../../base/units.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { Datanode } from '../node.ts';

/** One check; the node, or the cluster, is ready if all of them have passed. */
export interface Check {
  readonly text: string;
  readonly passed: boolean;
}

/** Why a read would not be answered; undefined if it would. */
export function notReadyReason(node: Datanode): string | undefined {
  if (node.state !== NodeState.SERVING) return 'segments are being verified';
  if (node.cluster.view === undefined) return 'the master has not sent its view yet';
  const nowMs = monotonicNowMs();
  const refusal = node.contact.refusal(nowMs);
  if (refusal !== undefined) return refusal.message;
  return node.contact.isOutdated(nowMs) ? node.contact.staleReason(nowMs) : undefined;
}

/**
 * The state of this node's view, for people: how old it is, and whether it may have been replaced.
 */
export function viewText({ cluster, contact }: Datanode, nowMs: number): string {
  if (cluster.view === undefined) return 'no view of the cluster yet';
  const reason = contact.staleReason(nowMs);
  if (reason === undefined) return 'the view is current, and the master is heard';
  const origin = cluster.isRestored
    ? 'an earlier process of this datanode was given'
    : 'was given last';
  return `stale: ${reason}; reads are answered by the view that ${origin}`;
}

/**
 * The checks of `/readyz`. `ofCluster` adds a check of all shards, for a load balancer in front of
 * all datanodes.
 */
export function readinessChecks(node: Datanode, ofCluster: boolean): Check[] {
  const { view } = node.cluster;
  const nowMs = monotonicNowMs();
  const checks: Check[] = [
    { text: 'segments are verified', passed: node.state === NodeState.SERVING },
    {
      text: viewText(node, nowMs),
      passed: view !== undefined && !node.contact.isOutdated(nowMs),
    },
  ];
  for (const text of storageNotes(node)) checks.push({ text, passed: true });
  const refusal = node.contact.refusal(nowMs);
  if (refusal !== undefined) checks.push({ text: refusal.message, passed: false });
  if (ofCluster && view !== undefined) {
    const shards = uncoveredShards(view);
    const first = shards.slice(0, 10).join(', ');
    const text =
      shards.length === 0
        ? 'every shard has a replica'
        : `no datanode has a replica of ${shards.length} of ${view.shardCount} shards: ${first}${shards.length > 10 ? ' ...' : ''}`;
    checks.push({ text, passed: shards.length === 0 });
  }
  return checks;
}

/** What there is to say of segments that are not where they belong. */
function storageNotes({ storage: { notLoadedTotal, tiers } }: Datanode): string[] {
  const notes: string[] = [];
  const warming = tiers.warming();
  if (warming !== undefined) {
    const { bytesDone, bytesTotal, segmentsDone, segmentsTotal } = warming;
    notes.push(
      `warming: ${segmentsDone} of ${segmentsTotal} segments (${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}) are in memory, the others are read from disk`,
    );
  }
  if (notLoadedTotal > 0) {
    const text = `trouble: ${notLoadedTotal} segments are above the memory limit (--memory-max) and were left on disk`;
    notes.push(text);
  }
  return notes;
}

/** Shards without any serving datanode. Empty while there is no data yet. */
function uncoveredShards({ keyspaces, routes }: ClusterView): number[] {
  if (keyspaces.every(({ currentVersion }) => currentVersion === 0)) return [];
  return routes.flatMap(({ nodes }, shard) => (nodes.length === 0 ? [shard] : []));
}
