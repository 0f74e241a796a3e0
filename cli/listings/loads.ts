// The listing of loads in `stele loads`, and the words on one in `stele describe load`.

import { shorten } from '../../base/ids.ts';
import { formatBytes, formatDuration } from '../../base/units.ts';
import type { ListLoadsResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { LoadState } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import { loadJson } from '../../proto/json-shapes.ts';
import { loadStateWord } from '../../proto/view-words.ts';
import type { Listing } from './listing.ts';
import { formatCount } from '../text-table.ts';

/** Longer reasons and inputs are cut in the table; `-o json` has them in full. */
const REASON_CHARACTERS_MAX = 100;
const INPUT_CHARACTERS_MAX = 100;
/** A running load is silent for about a second between two reports; a longer silence is shown. */
const SILENT_MS_SHOWN = 5_000;

export const LOADS: Listing<ListLoadsResponse, LoadStatus> = {
  columns: [
    { title: 'LOAD', cell: ({ loadId }) => loadId },
    { title: 'KEYSPACE', cell: ({ keyspace }) => keyspace },
    { title: 'STATE', cell: ({ state }) => loadStateWord(state).toLowerCase() },
    {
      title: 'VERSION',
      align: 'right',
      cell: ({ version }) => (version === 0 ? '-' : String(version)),
    },
    { title: 'ROWS', align: 'right', cell: ({ rows }) => formatCount(rows) },
    {
      title: 'REJECTED',
      align: 'right',
      wide: true,
      cell: ({ rejected }) => formatCount(rejected),
    },
    {
      title: 'BYTES',
      align: 'right',
      wide: true,
      cell: ({ bytesTotal }) => formatBytes(bytesTotal),
    },
    { title: 'STARTED', cell: ({ startedAt }) => startedAt },
    { title: 'ENDED', wide: true, cell: ({ endedAt }) => endedAt || '-' },
    { title: 'BY', cell: loadOwnerText },
    { title: 'SOURCE', cell: ({ source }) => source },
    {
      title: 'WHAT',
      cell: (load) => (load.state === LoadState.RUNNING ? loadProgressText(load) : endText(load)),
    },
    { title: 'INPUT', cell: ({ input }) => shorten(input, INPUT_CHARACTERS_MAX) },
  ],
  rows: ({ loads }) => loads,
  name: ({ loadId }) => loadId,
  json: ({ loads }) => loads.map(loadJson),
  empty: 'No load has been run yet.',
};

/** Who runs the load, and in which process; `-` if that is not known. */
export function loadOwnerText({ owner }: LoadStatus): string {
  if (owner === undefined || owner.host === '') return '-';
  return `${owner.user === '' ? '' : `${owner.user}@`}${owner.host} ${owner.pid}`;
}

/** Why the load ended; for a resumable one also its progress. */
function endText(load: LoadStatus): string {
  const reason = shorten(load.reason, REASON_CHARACTERS_MAX);
  if (load.state !== LoadState.INTERRUPTED) return reason;
  return [reason, load.stage === '' ? '' : loadProgressText(load)].filter(Boolean).join('; ');
}

/** What the load is doing, and how much of it is done. */
export function loadProgressText(load: LoadStatus): string {
  const { bytesDone, bytesTotal, shardsDone, shardsTotal, silentMs, stage } = load;
  const parts = [stage === '' ? 'just begun' : stage];
  if (stage === 'parse' && bytesTotal > 0) {
    parts.push(`${Math.floor((100 * bytesDone) / bytesTotal)}%`);
  }
  if (stage === 'build' && shardsTotal > 0) parts.push(`${shardsDone} of ${shardsTotal} shards`);
  if (silentMs > SILENT_MS_SHOWN) parts.push(`silent for ${formatDuration(silentMs)}`);
  return parts.join(', ');
}
