// What the page polls. Each route is polled at most once, whatever shows it.

import type {
  Events,
  Health,
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
export const events = new Polled<Events>('v1/events?limit=500');

const VERSIONS_KEPT_MAX = 50;
const versions = new Map<string, Polled<Versions>>();

/** The versions of one keyspace. */
export function versionsOf(keyspace: string): Polled<Versions> {
  let polled = versions.get(keyspace);
  if (polled === undefined) {
    if (versions.size >= VERSIONS_KEPT_MAX) versions.clear();
    polled = new Polled<Versions>(keyspacePath(keyspace, '/versions'));
    versions.set(keyspace, polled);
  }
  return polled;
}

/** Asks again for all that a change may have changed. */
export function refreshAll(): void {
  for (const polled of [health, shards, keyspaces, loads, events, ...versions.values()]) {
    polled.refreshIfWanted();
  }
}

/** Forgets what the last user has seen. */
export function forgetAll(): void {
  for (const polled of [health, stats, shards, keyspaces, loads, masters, events]) polled.forget();
  versions.clear();
}
