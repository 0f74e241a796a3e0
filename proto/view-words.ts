// Numbers of the protocol as words for people and programs.

import { DiffKind } from './gen/stele/v1/diff.ts';
import { LoadState } from './gen/stele/v1/load.ts';
import { HealthStatus, NodeState, Tier } from './gen/stele/v1/view.ts';
import type { ClusterView, KeyspaceView, NodeView } from './gen/stele/v1/view.ts';

/** `green`, `yellow`, `red`; `unknown` before anything is known. */
export function healthWord(status: HealthStatus): string {
  if (status === HealthStatus.GREEN) return 'green';
  if (status === HealthStatus.YELLOW) return 'yellow';
  return status === HealthStatus.RED ? 'red' : 'unknown';
}

/**
 * Whether two views are of the same start of the same master, so that their revisions can be
 * compared.
 */
export function isSameTerm(
  left: Pick<ClusterView, 'epoch' | 'term'>,
  right: Pick<ClusterView, 'epoch' | 'term'>,
): boolean {
  return left.epoch === right.epoch && (left.term ?? '') === (right.term ?? '');
}

/** Whether a node in this state answers reads; a draining one does. */
export function isAnswering(state: NodeState): boolean {
  return state === NodeState.SERVING || state === NodeState.DRAINING || state === NodeState.DRAINED;
}

/** `SERVING`, `DOWN` ... */
export function nodeStateWord(state: NodeState): string {
  return nameOf(NodeState, state);
}

/** The tiers as people and programs write them. */
export const TIER_WORDS = ['memory', 'disk'] as const;
export type TierWord = (typeof TIER_WORDS)[number];

/** Memory for a tier that only a newer peer knows. */
export function tierWord(tier: Tier | undefined): TierWord {
  return tier === Tier.DISK ? 'disk' : 'memory';
}

export function tierNumber(word: TierWord): Tier {
  return word === 'disk' ? Tier.DISK : Tier.MEMORY;
}

/** The state of a node for a client of Redis Cluster. */
export function redisNodeState({ state }: NodeView): 'online' | 'failed' | 'loading' {
  if (isAnswering(state)) return 'online';
  const isGone = state === NodeState.DOWN || state === NodeState.SUSPECT;
  return isGone ? 'failed' : 'loading';
}

/** `RUNNING`, `COMMITTED` ... */
export function loadStateWord(state: LoadState): string {
  return nameOf(LoadState, state);
}

/** `added`, `removed`, `changed`. */
export function diffKindWord(kind: DiffKind): string {
  return nameOf(DiffKind, kind).toLowerCase();
}

/** `UNSPECIFIED` for a number that only a newer peer knows. */
function nameOf(numbers: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(numbers).find(([, number]) => number === value)?.[0] ?? 'UNSPECIFIED';
}

/** Whether a set of bits (KeyspaceView.unserved) has the shard. */
export function hasShard(bits: Uint8Array, shard: number): boolean {
  return (((bits[shard >>> 3] ?? 0) >>> (shard & 7)) & 1) === 1;
}

/** The shards of such a set, as `0-3, 7`. */
export function shardsText(bits: Uint8Array): string {
  const parts: string[] = [];
  for (let first = 0; first < bits.length * 8; first++) {
    if (!hasShard(bits, first)) continue;
    let last = first;
    while (hasShard(bits, last + 1)) last++;
    parts.push(first === last ? `${first}` : `${first}-${last}`);
    first = last;
  }
  return parts.join(', ');
}

/** The number of shards in such a set. */
export function countShards(bits: Uint8Array | undefined): number {
  let count = 0;
  for (let left of bits ?? []) for (; left > 0; left &= left - 1) count++;
  return count;
}

/**
 * Identifies what reads of a keyspace are answered from, as a text that changes with it; empty if
 * there is nothing.
 */
export function datasetName(keyspace: KeyspaceView | undefined): string {
  if (keyspace === undefined) return '';
  const { uid, currentVersion, suspended } = keyspace;
  return `${uid} ${currentVersion}${suspended === true ? ' suspended' : ''}`;
}
