// The listing of keyspaces in `stele keyspaces`, and the words on a repair in `stele describe
// keyspace`.

import { formatBytes } from '../../base/units.ts';
import type {
  KeyspaceSummary,
  ListKeyspacesResponse,
  Repairing,
  TierProgress,
} from '../../proto/gen/stele/v1/cluster.ts';
import { keyspacesJson } from '../../proto/json-shapes.ts';
import { tierWord } from '../../proto/view-words.ts';
import type { Listing, ListingColumn } from './listing.ts';
import { formatCount } from '../text-table.ts';
import { counted } from '../words.ts';

export const KEYSPACES: Listing<ListKeyspacesResponse, KeyspaceSummary> = {
  columns: [
    { title: 'KEYSPACE', cell: ({ name }) => name },
    { title: 'INDEX', align: 'right', cell: ({ index }) => String(index) },
    { title: 'STATE', cell: ({ state }) => state.toLowerCase() },
    {
      title: 'VERSION',
      align: 'right',
      cell: ({ currentVersion }) => (currentVersion === 0 ? '-' : String(currentVersion)),
    },
    { title: 'RECORDS', align: 'right', cell: ({ records }) => formatCount(records) },
    number('DATA', ({ keyBytes, valueBytes }) => formatBytes(keyBytes + valueBytes)),
    number('SEGMENTS', ({ segmentBytes }) => formatBytes(segmentBytes)),
    number('COPIES', ({ replication }) => String(replication)),
    { ...number('KEEPS', ({ keep }) => String(keep)), wide: true },
    { title: 'CACHE', wide: true, cell: ({ uncached }) => (uncached ? 'off' : 'on') },
    {
      title: 'TIER',
      wide: true,
      cell: ({ moving, tier }) => `${moving === undefined ? '' : 'moving to '}${tierWord(tier)}`,
    },
    { title: 'CREATED', wide: true, ofLeader: true, cell: ({ createdAt }) => createdAt },
    { title: 'COMMITTED', wide: true, cell: ({ committedAt }) => committedAt || '-' },
    { title: 'UID', wide: true, cell: ({ uid }) => uid },
    { title: 'DIGEST', cell: ({ digest }) => digest.toString('hex') || '-' },
  ],
  rows: ({ keyspaces }) => keyspaces,
  name: ({ name }) => name,
  json: keyspacesJson,
  empty: 'No keyspaces yet; `stele load KEYSPACE FILE` makes one.',
  notes: (rows) =>
    rows.flatMap((keyspace) => {
      const { moving, name, repairing } = keyspace;
      return [
        ...(repairing === undefined ? [] : [describeRepair(name, repairing)]),
        ...(moving === undefined ? [] : [`${name} is ${tierText(keyspace)}.`]),
      ];
    }),
};

/** A column of numbers that only a leader knows. */
function number(
  title: string,
  cell: (row: KeyspaceSummary) => string,
): ListingColumn<KeyspaceSummary> {
  return { title, align: 'right', ofLeader: true, cell };
}

/** `disk`, or what is left until all datanodes have it there. */
export function tierText({ moving, tier }: Pick<KeyspaceSummary, 'moving' | 'tier'>): string {
  const word = tierWord(tier);
  return moving === undefined ? word : `moving to ${word}: ${tierLeft(moving)}`;
}

/** What is left of a change of tier. */
export function tierLeft({ bytesLeft, failure, nodesUnknown, segmentsLeft }: TierProgress): string {
  const unknown = nodesUnknown === 1 ? '1 datanode has' : `${nodesUnknown} datanodes have`;
  const parts = [
    ...(segmentsLeft > 0
      ? [`${counted(segmentsLeft, 'segment')} left (${formatBytes(bytesLeft)})`]
      : []),
    ...(nodesUnknown > 0 ? [`${unknown} not said yet what is left`] : []),
    ...(failure === '' ? [] : [`the last try failed (${failure})`]),
  ];
  return parts.join(', ');
}

/** A sentence on what keeps the keyspace from its desired state. */
export function describeRepair(name: string, repairing: Repairing): string {
  const { attempts, error, from, needsPerson, nextRetryAt } = repairing;
  const tries = `${counted(attempts, 'try', 'tries')}, the next at ${nextRetryAt}`;
  const call = needsPerson ? ' It will not recover by itself: somebody has to look.' : '';
  return `${name} is being repaired (${from.toLowerCase()}): ${error}; ${tries}.${call}`;
}
