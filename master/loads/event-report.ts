// Reports from the audit log.

import type { KeyspaceUid } from '../../base/ids.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { Catalog, CatalogState } from '../catalog/catalog.ts';
import { findKeyspace } from '../catalog/queries.ts';
import type { EventRecord } from '../catalog/records.ts';
import type { Leader } from '../control/leader.ts';
import type {
  Event,
  ListEventsRequest,
  ListEventsResponse,
} from '../../proto/gen/stele/v1/cluster.ts';

const LIMIT_DEFAULT = 100;
/** Events that make another version current. */
const MOVES: ReadonlySet<string> = new Set(['commit', 'rollback', 'promote']);

/**
 * Events, newest first, or with `after` those that followed that number, oldest first. `keyspace`:
 * by name, also a dropped one; empty: all. `limit` 0: the default. Throws KEYSPACE_NOT_FOUND if no
 * event names the keyspace.
 */
export function describeEvents(
  { state }: Pick<Catalog, 'state'>,
  { after, keyspace, limit }: Pick<ListEventsRequest, 'after' | 'keyspace' | 'limit'>,
): ListEventsResponse {
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
  const events = [...state.event.values()]
    .filter(({ number }) => after === undefined || number > after)
    .filter((event) => keyspace === '' || event.keyspace === keyspace)
    .sort((left, right) => (after === undefined ? -1 : 1) * (left.number - right.number))
    .slice(0, limit || LIMIT_DEFAULT)
    .map(eventMessage);
  return { events, ...eventNumbers(state) };
}

/** The numbers of the oldest and of the newest event that are kept; 0 if there are none. */
export function eventNumbers({ event }: CatalogState): { oldest: number; newest: number } {
  let oldest = 0;
  let newest = 0;
  for (const { number } of event.values()) {
    if (oldest === 0 || number < oldest) oldest = number;
    if (number > newest) newest = number;
  }
  return { oldest, newest };
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
