// `stele shards`: the shards, their contents, and the datanodes that hold them.

import type { ListShardsResponse, ShardSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { shardsJson } from '../../../proto/json-shapes.ts';
import { listingOptions } from '../../client-settings.ts';
import { settingsOf } from '../../../base/config.ts';
import { formatBytes } from '../../../base/units.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { formatCount } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { paintHealth } from '../../words.ts';

export const definition = defineVerb({
  name: 'shards',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele shards', 'stele shards -o json', 'stele shards --watch'],
  run: ({ settings: { values }, output }) =>
    withAdmin(values, (admin) => showListing(SHARDS, output, values, () => admin.listShards())),
});

const SHARDS: Listing<ListShardsResponse, ShardSummary> = {
  columns: [
    { title: 'SHARD', align: 'right', cell: ({ shard }) => String(shard) },
    {
      title: 'SLOTS',
      align: 'right',
      cell: ({ slotFirst, slotLast }) => `${slotFirst}-${slotLast}`,
    },
    {
      title: 'RECORDS',
      align: 'right',
      ofLeader: true,
      cell: ({ records }) => formatCount(records),
    },
    { title: 'BYTES', align: 'right', ofLeader: true, cell: ({ bytes }) => formatBytes(bytes) },
    { title: 'OWNERS', cell: ({ owners }) => owners.join(' ') || '-' },
    { title: 'HOLDERS', cell: ({ holders }) => holders.join(' ') || '-' },
    { title: 'STATUS', cell: ({ status }, { paint }) => paintHealth({ paint }, status) },
  ],
  rows: ({ shards }) => shards,
  name: ({ shard }) => String(shard),
  json: shardsJson,
  empty: 'The cluster has no shards yet.',
};
