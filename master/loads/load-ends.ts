// Counts how loads ended since this start of the master, for /metrics.
//
// A load can be ended by a commit, a gate, its loader, an operator, a dropped keyspace or a newer
// load. So the catalog's events are counted, one for each durable end.

import type { EventRecord } from '../catalog/records.ts';

/**
 * `current` is not an end of a load: the loader asked to resume one whose version is current
 * already.
 */
const RESULTS = ['committed', 'rejected', 'failed', 'cancelled', 'abandoned', 'current'] as const;

export class LoadEnds {
  /** By result, including those with a count of 0. */
  readonly counts = new Map<string, number>(RESULTS.map((result) => [result, 0]));

  /** Call for every event of the catalog, of whatever kind. */
  noteEvent({ what }: Pick<EventRecord, 'what'>): void {
    if (what.startsWith('load-')) this.#add(what.slice('load-'.length));
  }

  noteCurrent(): void {
    this.#add('current');
  }

  #add(result: string): void {
    const count = this.counts.get(result);
    if (count !== undefined) this.counts.set(result, count + 1);
  }
}
