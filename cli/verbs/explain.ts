// `stele explain KS KEY`: key -> slot -> shard -> owners, who has it, and who would answer now.

import { keyspaceName } from '../../base/ids.ts';
import type { ExplainResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { listingOptions } from '../client-settings.ts';
import { EXIT_OK } from '../exit.ts';
import { settingsOf } from '../../base/config.ts';
import { formatTable } from '../table.ts';
import { defineVerb } from '../verb.ts';
import { withAdmin } from '../with-admin.ts';
import { nodeStateWord } from '../words.ts';

export const explain = defineVerb({
  name: 'explain',
  summary: 'where a key lives, and why',
  operands: '<keyspace> <key>',
  schema: settingsOf(listingOptions),
  examples: ['stele explain prices sku-17', 'stele explain prices sku-17 -o json'],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const key = Buffer.from(operands[1] ?? '', 'utf8');
    const response = await withAdmin(values, (admin) => admin.explain({ keyspace, key }));
    const text = values.output === 'json' ? JSON.stringify(describe(response)) : format(response);
    output.line(text);
    return EXIT_OK;
  },
});

function describe(response: ExplainResponse) {
  return {
    ...response,
    servedBy: response.servedBy === '' ? null : response.servedBy,
    replicas: response.replicas.map((replica) => ({
      ...replica,
      state: nodeStateWord(replica.state),
    })),
  };
}

const COLUMNS = [
  { title: 'NODE' },
  { title: 'STATE' },
  { title: 'OWNER' },
  { title: 'HOLDS' },
  { title: 'WHY' },
] as const;

function format(response: ExplainResponse): string {
  const rows = response.replicas.map((replica) => [
    replica.nodeId,
    nodeStateWord(replica.state),
    replica.owner ? 'yes' : 'no',
    replica.holds ? 'yes' : 'no',
    replica.reason,
  ]);
  return [
    `keyspace   ${response.keyspace}, version ${response.version === 0 ? 'none' : response.version}`,
    `slot       ${response.slot}`,
    `shard      ${response.shard}`,
    `segments   ${segmentsText(response.segmentIds.length)}`,
    `served by  ${response.servedBy === '' ? 'nobody at the moment' : response.servedBy}`,
    '',
    formatTable(COLUMNS, rows),
  ].join('\n');
}

/** Of the key's shard: how many segments a read may have to look at. */
function segmentsText(count: number): string {
  if (count === 0) return 'none: the shard has no records';
  if (count === 1) return '1';
  return `${count}: a base and ${count - 1} ${count === 2 ? 'delta' : 'deltas'}`;
}
