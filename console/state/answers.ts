// What the page polls. Each route is polled at most once, whatever shows it.

import type {
  Cost,
  Health,
  HotKeys,
  Keyspaces,
  Loads,
  Masters,
  Shards,
  Stats,
  Versions,
} from '../api/shapes.ts';
import { keyspacePath } from '../api/paths.ts';
import { Polled } from './polled.ts';

export const health = new Polled<Health>('v1/cluster/health');
export const stats = new Polled<Stats>('v1/stats');
export const shards = new Polled<Shards>('v1/shards');
export const keyspaces = new Polled<Keyspaces>('v1/keyspaces');
export const loads = new Polled<Loads>('v1/loads');
export const masters = new Polled<Masters>('v1/masters');

const KEYSPACES_KEPT_MAX = 50;
const versions = new Map<string, Polled<Versions>>();
const costs = new Map<string, Polled<Cost>>();
const hotKeys = new Map<string, Polled<HotKeys>>();

/** The versions of one keyspace. */
export function versionsOf(keyspace: string): Polled<Versions> {
  return ofKeyspace(versions, keyspace, '/versions');
}

/** What one keyspace takes. */
export function costOf(keyspace: string): Polled<Cost> {
  return ofKeyspace(costs, keyspace, '/cost');
}

/** The hot keys and large values of one keyspace. */
export function hotKeysOf(keyspace: string): Polled<HotKeys> {
  return ofKeyspace(hotKeys, keyspace, '/hot-keys?limit=20');
}

function ofKeyspace<Answer>(
  all: Map<string, Polled<Answer>>,
  keyspace: string,
  rest: string,
): Polled<Answer> {
  let polled = all.get(keyspace);
  if (polled === undefined) {
    if (all.size >= KEYSPACES_KEPT_MAX) all.clear();
    polled = new Polled<Answer>(keyspacePath(keyspace, rest));
    all.set(keyspace, polled);
  }
  return polled;
}

/** Asks again for all that a change may have changed. */
export function refreshAll(): void {
  for (const polled of [health, shards, keyspaces, loads, ...versions.values()]) {
    polled.refreshIfWanted();
  }
}

/** Forgets what the last user has seen. */
export function forgetAll(): void {
  for (const polled of [health, stats, shards, keyspaces, loads, masters]) polled.forget();
  versions.clear();
  costs.clear();
  hotKeys.clear();
}
