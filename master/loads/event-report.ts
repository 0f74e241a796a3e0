// Reports from the audit log.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { findKeyspace } from '../catalog/queries.ts';
import type { EventRecord } from '../catalog/records.ts';
import type { Leader } from '../control/leader.ts';
import type { Event } from '../../proto/gen/stele/v1/cluster.ts';

const LIMIT_DEFAULT = 100;
/** Events that make another version current. */
const MOVES: ReadonlySet<string> = new Set(['commit', 'rollback', 'promote']);

/**
 * Events, newest first. `keyspace`: by name, also a dropped one; empty: all. `limit` 0: the
 * default. Throws KEYSPACE_NOT_FOUND if no event names the keyspace.
 */
export function describeEvents(leader: Leader, keyspace: string, limit: number): Event[] {
  const { state } = leader.catalog;
  if (
    keyspace !== '' &&
    findKeyspace(state, keyspace) === undefined &&
    !wasThere(state, keyspace)
  ) {
    throw new SteleError(
      'KEYSPACE_NOT_FOUND',
      `There is no keyspace '${shorten(keyspace)}', and nothing is recorded of an earlier one; \`stele keyspaces\` lists those there are.`,
    );
  }
  return [...state.event.values()]
    .filter((event) => keyspace === '' || event.keyspace === keyspace)
    .sort((left, right) => right.number - left.number)
    .slice(0, limit || LIMIT_DEFAULT)
    .map(eventMessage);
}

/** Whether any event names a keyspace of this name, dropped or not. */
export function wasThere({ event }: CatalogState, keyspace: string): boolean {
  return [...event.values()].some((one) => one.keyspace === keyspace);
}

function eventMessage({ uid: _uid, ...event }: EventRecord): Event {
  return { keyspace: '', node: '', load: '', from: '', to: '', reason: '', ...event };
}

/** By version of the keyspace: the event that last made it current. */
export function movesOf(leader: Leader, uid: KeyspaceUid): Map<number, EventRecord> {
  const moves = new Map<number, EventRecord>();
  for (const event of leader.catalog.state.event.values()) {
    if (event.uid === uid && MOVES.has(event.what)) moves.set(Number(event.to), event);
  }
  return moves;
}

/** The author of a change, as far as known. */
export function actorText({
  address,
  door,
  who,
}: Pick<EventRecord, 'address' | 'door' | 'who'>): string {
  if (who !== '') return who;
  return address === '' ? door : `${door} ${address}`;
}
