// The list of events that a page keeps while more of them come.

import type { ClusterEvent } from '../api/shapes.ts';

const KEPT_MAX = 1000;

/** Both together, each event once, newest first. */
export function mergeEvents(
  known: readonly ClusterEvent[],
  more: readonly ClusterEvent[],
): ClusterEvent[] {
  const byNumber = new Map([...known, ...more].map((event) => [event.number, event]));
  const sorted = [...byNumber.values()].sort((one, other) => other.number - one.number);
  return sorted.slice(0, KEPT_MAX);
}
