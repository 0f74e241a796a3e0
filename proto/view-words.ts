// Numbers of the protocol as the words that people and programs see.

import { DiffKind } from './gen/stele/v1/diff.ts';
import { LoadState } from './gen/stele/v1/load.ts';
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
  return nameOf(NodeState, state);
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
