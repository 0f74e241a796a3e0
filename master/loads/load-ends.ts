// How loads ended since this start of the master, for /metrics.
//
// They end by a commit, a gate, their loader, an operator, a dropped keyspace, a newer load: so it is the catalog's
// events that are counted, one for each end that is durable.

import type { EventRecord } from '../catalog/records.ts';

/** `current` is no end of a load: the loader asked for one, and what it has is the current version already. */
const RESULTS = ['committed', 'rejected', 'failed', 'cancelled', 'abandoned', 'current'] as const;

export class LoadEnds {
  /** By result, those without any as well. */
  readonly counts = new Map<string, number>(RESULTS.map((result) => [result, 0]));

  /** Every event of the catalog, of whatever kind. */
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
