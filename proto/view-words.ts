// States of a view as the words that people and programs see.

import { HealthStatus, NodeState } from './gen/stele/v1/view.ts';

/** `green`, `yellow`, `red`; `unknown` before anything is known. */
export function healthWord(status: HealthStatus): string {
  if (status === HealthStatus.GREEN) return 'green';
  if (status === HealthStatus.YELLOW) return 'yellow';
  return status === HealthStatus.RED ? 'red' : 'unknown';
}

/** Whether a node in this state answers: one that is being drained serves on. */
export function isAnswering(state: NodeState): boolean {
  return state === NodeState.SERVING || state === NodeState.DRAINING || state === NodeState.DRAINED;
}

/** `SERVING`, `DOWN` ... */
export function nodeStateWord(state: NodeState): string {
  const found = Object.entries(NodeState).find(([, value]) => value === state);
  return found?.[0] ?? 'UNSPECIFIED';
}
