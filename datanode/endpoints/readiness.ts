// Whether a read sent to this node now would be answered, and by what this node goes.

import { monotonicNowMs } from '../../base/clock.ts';
import { NodeState } from '../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../proto/gen/stele/v1/view.ts';
import type { Datanode } from '../node.ts';

/** One thing that was looked at; `passed` decides whether the node, or the cluster, is ready. */
export interface Check {
  readonly text: string;
  readonly passed: boolean;
}

/** Why a read would not be answered; undefined when it would. */
export function notReadyReason(node: Datanode): string | undefined {
  if (node.state !== NodeState.SERVING) return 'segments are being verified';
  if (node.cluster.view === undefined) return 'the master has not sent its view yet';
  const nowMs = monotonicNowMs();
  const refusal = node.contact.refusal(nowMs);
  if (refusal !== undefined) return refusal.message;
  return node.contact.isOutdated(nowMs) ? node.contact.staleReason(nowMs) : undefined;
}

/** What this node goes by, for people: how old its view is, and whether that may have been replaced. */
export function viewText({ cluster, contact }: Datanode, nowMs: number): string {
  if (cluster.view === undefined) return 'no view of the cluster yet';
  const reason = contact.staleReason(nowMs);
  if (reason === undefined) return 'the view is that of a master that is heard';
  const origin = cluster.isRestored
    ? 'an earlier run of this datanode was given'
    : 'was given last';
  return `stale: ${reason}; reads are answered by the view that ${origin}`;
}

/** The checks of `/readyz`; with `ofCluster` of all shards as well, for a balancer before all datanodes. */
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
  if (node.notLoadedTotal > 0) {
    const text = `trouble: ${node.notLoadedTotal} segments are above the memory limit (--memory-max) and were left on disk`;
    checks.push({ text, passed: true });
  }
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

/** Shards that no datanode answers for; none where there is no data yet. */
function uncoveredShards({ keyspaces, routes }: ClusterView): number[] {
  if (keyspaces.every(({ currentVersion }) => currentVersion === 0)) return [];
  return routes.flatMap(({ nodes }, shard) => (nodes.length === 0 ? [shard] : []));
}
