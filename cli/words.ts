// Numbers of the protocol as words for people and for JSON.

import { LoadState } from '../proto/gen/stele/v1/load.ts';
import { DiffKind } from '../proto/gen/stele/v1/diff.ts';
import { HealthStatus, NodeState } from '../proto/gen/stele/v1/view.ts';
import type { Output } from './output.ts';

const NODE_STATES = namesByValue(NodeState);
const HEALTH = namesByValue(HealthStatus);
const LOAD_STATES = namesByValue(LoadState);
const DIFF_KINDS = namesByValue(DiffKind);

function namesByValue(numbers: Readonly<Record<string, number>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(numbers).map(([name, value]) => [value, name.toLowerCase()]));
}

/** `serving`, `down` ... */
export function nodeStateWord(state: NodeState): string {
  return NODE_STATES.get(state) ?? 'unknown';
}

/** `running`, `committed` ... */
export function loadWord(state: LoadState): string {
  return LOAD_STATES.get(state) ?? 'unknown';
}

/** `green`, `yellow`, `red`; `unknown` for what a newer master says. */
export function healthWord(status: HealthStatus): string {
  return HEALTH.get(status) ?? 'unknown';
}

/** The word in its own colour. */
export function paintHealth(output: Output, status: HealthStatus): string {
  const word = healthWord(status);
  return word === 'green' || word === 'yellow' || word === 'red' ? output.paint(word, word) : word;
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `added`, `removed`, `changed`. */
export function diffKindWord(kind: DiffKind): string {
  return DIFF_KINDS.get(kind) ?? 'unknown';
}
