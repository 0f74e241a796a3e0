// The last events of one thing.

import { SteleError } from '../../base/errors.ts';
import type { Event } from '../../proto/gen/stele/v1/cluster.ts';
import { eventJson } from '../../proto/json-shapes.ts';
import { EVENTS } from '../listings/events.ts';
import { listed } from '../listings/listing.ts';
import type { Output } from '../output.ts';
import type { Admin } from '../with-admin.ts';
import { TABLE } from './description.ts';
import type { Part } from './description.ts';

const SEARCHED = 1_000;
const SHOWN = 10;

/**
 * The last events of `keyspace` (empty: of all) that `isOne` accepts, newest first; undefined for a
 * user who may not see events.
 */
export async function lastEvents(
  admin: Admin,
  keyspace: string,
  isOne: (event: Event) => boolean = () => true,
): Promise<Event[] | undefined> {
  try {
    const { events } = await admin.listEvents({ keyspace, limit: SEARCHED });
    return events.filter(isOne).slice(0, SHOWN);
  } catch (thrown) {
    if (thrown instanceof SteleError && thrown.code === 'PERMISSION_DENIED') return undefined;
    throw thrown;
  }
}

export async function eventsPart(events: Event[] | undefined, output: Output): Promise<Part> {
  const text =
    events === undefined
      ? 'This user may not see them.'
      : await listed(EVENTS, output, TABLE, { events });
  return { title: 'Last events', text };
}

export function eventsJson(events: Event[] | undefined): object[] | null {
  return events?.map(eventJson) ?? null;
}
