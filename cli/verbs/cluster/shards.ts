// `stele shards`: each range of slots, who should hold it and who does.

import type { ShardSummary } from '../../../proto/gen/stele/v1/cluster.ts';
import { shardsJson } from '../../../proto/json-shapes.ts';
import { tellNoLeader } from '../../no-leader.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { settingsOf } from '../../../base/config.ts';
import { formatBytes } from '../../../base/units.ts';
import { formatCount, formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import { paintHealth } from '../../words.ts';

export const definition = defineVerb({
  name: 'shards',
  operands: '',
  schema: settingsOf(listingOptions),
  examples: ['stele shards', 'stele shards -o json'],
  async run({ settings: { values }, output }) {
    const response = await withAdmin(values, (admin) => admin.listShards());
    tellNoLeader(output, response);
    if (values.output === 'json') {
      printJson(output, shardsJson(response));
      return EXIT_OK;
    }
    const rows = response.shards.map((shard) => [
      ...toCells(shard, response.noLeader !== undefined),
      paintHealth(output, shard.status),
    ]);
    output.line(formatTable(COLUMNS, rows));
    return EXIT_OK;
  },
});

const COLUMNS = [
  { title: 'SHARD', align: 'right' },
  { title: 'SLOTS', align: 'right' },
  { title: 'RECORDS', align: 'right' },
  { title: 'BYTES', align: 'right' },
  { title: 'OWNERS' },
  { title: 'HOLDERS' },
  { title: 'STATUS' },
] as const;

function toCells(shard: ShardSummary, isLastView: boolean): string[] {
  return [
    String(shard.shard),
    `${shard.slotFirst}-${shard.slotLast}`,
    isLastView ? '-' : formatCount(shard.records),
    isLastView ? '-' : formatBytes(shard.bytes),
    shard.owners.join(' ') || '-',
    shard.holders.join(' ') || '-',
  ];
}
