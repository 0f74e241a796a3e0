// The listing of events in `stele events`, and below what `stele describe` shows.

import type { Event, ListEventsResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { eventJson } from '../../proto/json-shapes.ts';
import type { Listing } from './listing.ts';

export const EVENTS: Listing<Pick<ListEventsResponse, 'events'>, Event> = {
  columns: [
    { title: 'NUMBER', align: 'right', wide: true, cell: (event) => String(event.number) },
    { title: 'AT', cell: ({ at }) => at },
    { title: 'WHAT', cell: ({ what }) => what },
    { title: 'OF', cell: ({ keyspace, node }) => keyspace || node || '-' },
    { title: 'LOAD', wide: true, cell: ({ load }) => load || '-' },
    { title: 'FROM', cell: ({ from }) => from || '-' },
    { title: 'TO', cell: ({ to }) => to || '-' },
    { title: 'BY', cell: whoText },
    { title: 'WHY', cell: ({ reason }) => reason || '-' },
  ],
  rows: ({ events }) => events,
  name: (event) => String(event.number),
  json: ({ events }) => events.map(eventJson),
  empty: 'Nothing is recorded yet.',
};

function whoText({ address, door, who }: Event): string {
  const by = address === '' ? door : `${door} ${address}`;
  return who === '' ? by : `${who} (${by})`;
}
