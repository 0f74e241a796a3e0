// What has happened since an event: the step that a follower of the events repeats, over gRPC or
// HTTP.

import type { Event, ListEventsRequest, ListEventsResponse } from './gen/stele/v1/cluster.ts';

/** Events in one answer. */
const PAGE = 500;

interface NextEventsRequest {
  readonly after: number;
  readonly keyspace: string;
  readonly waitMs: number;
}

export interface NextEvents {
  /** Oldest first; may be empty. */
  readonly events: readonly Event[];
  /** The number to go on after. */
  readonly after: number;
  /** Numbers that are no longer kept, so that their events were missed; 0 if there are none. */
  readonly missed: number;
  /**
   * The catalog is an older copy: its numbers go on from `after`, and some are given a second time.
   */
  readonly isOlderCopy: boolean;
}

/**
 * The events after number `after`, of one keyspace or of all (empty); waits up to `waitMs` for the
 * first. `after` 0: from the oldest that is kept. Throws what `list` throws; the same question can
 * then be repeated.
 */
export async function nextEvents(
  list: (request: ListEventsRequest, signal?: AbortSignal) => Promise<ListEventsResponse>,
  { after, keyspace, waitMs }: NextEventsRequest,
  signal?: AbortSignal,
): Promise<NextEvents> {
  const { events, newest, oldest } = await list({ after, keyspace, limit: PAGE, waitMs }, signal);
  if (newest < after) return { events: [], after: newest, missed: 0, isOlderCopy: true };
  const missed = after === 0 ? 0 : Math.max(0, oldest - after - 1);
  const last = events.at(-1)?.number ?? after;
  // A page that is not full goes up to the newest event, whatever keyspace that is of.
  const next = events.length < PAGE ? Math.max(last, newest) : last;
  return { events, after: next, missed, isOlderCopy: false };
}
