// The listing of a keyspace's versions, in `stele versions` and `stele describe keyspace`.

import { shorten } from '../../base/ids.ts';
import { formatBytes } from '../../base/units.ts';
import type { ListVersionsResponse, VersionSummary } from '../../proto/gen/stele/v1/cluster.ts';
import { versionJson } from '../../proto/json-shapes.ts';
import type { Listing } from './listing.ts';
import { formatCount } from '../text-table.ts';

/** The table cuts longer inputs; `-o json` has them in full. */
const INPUT_CHARACTERS_MAX = 100;

export function versionsOf(keyspace: string): Listing<ListVersionsResponse, VersionSummary> {
  return {
    columns: [
      { title: 'VERSION', align: 'right', cell: ({ version }) => String(version) },
      {
        title: 'CURRENT',
        cell: ({ current, rollbackTarget }) =>
          current ? 'current' : rollbackTarget ? 'before' : '',
      },
      { title: 'STATE', cell: ({ state }) => state.toLowerCase() },
      { title: 'RECORDS', align: 'right', cell: ({ records }) => formatCount(records) },
      {
        title: 'DATA',
        align: 'right',
        cell: ({ keyBytes, valueBytes }) => formatBytes(keyBytes + valueBytes),
      },
      {
        title: 'SEGMENTS',
        align: 'right',
        wide: true,
        cell: ({ segmentBytes }) => formatBytes(segmentBytes),
      },
      { title: 'DELTAS', align: 'right', cell: ({ deltas }) => String(deltas) },
      { title: 'COMMITTED', cell: ({ committedAt }) => committedAt },
      { title: 'LOAD', wide: true, cell: ({ loadId }) => loadId || '-' },
      { title: 'SOURCE', cell: ({ source }) => source },
      { title: 'DIGEST', cell: ({ digest }) => digest.toString('hex') },
      {
        title: 'BECAME CURRENT',
        cell: ({ currentBy, currentSince }) =>
          currentSince === '' ? '-' : `${currentSince}, ${currentBy}`,
      },
      { title: 'INPUT', cell: ({ input }) => shorten(input, INPUT_CHARACTERS_MAX) },
    ],
    rows: ({ versions }) => versions,
    name: ({ version }) => String(version),
    json: ({ versions }) => versions.map(versionJson),
    empty: `${keyspace} has no version yet.`,
    notes: rejections,
  };
}

/** A sentence for each version that its gate rejected. */
function rejections(rows: readonly VersionSummary[]): string[] {
  return rows
    .filter(({ reason, state }) => state === 'REJECTED' && reason !== '')
    .map(({ reason, version }) => `version ${version} was rejected: ${reason}`);
}
