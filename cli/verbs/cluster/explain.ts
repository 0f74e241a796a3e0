// `stele explain KS KEY`: key -> slot -> shard -> owners, who has it, and who would answer now.
// With --shard, the same for a whole shard.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, shardNumber } from '../../../base/ids.ts';
import type { ExplainResponse } from '../../../proto/gen/stele/v1/cluster.ts';
import { explainKeyJson, explainShardJson } from '../../../proto/json-shapes.ts';
import { resultOptions } from '../../client-settings.ts';
import { replicaTable } from '../../describe/shard.ts';
import { EXIT_OK } from '../../exit.ts';
import { printResult } from '../../result.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';

export const definition = defineVerb({
  name: 'explain',
  operands: '<keyspace> [key]',
  schema: settingsOf({
    shard: option.optionalText('explain this shard instead of a key', { placeholder: 'N' }),
    ...resultOptions,
  }),
  examples: [
    'stele explain prices sku-17',
    'stele explain prices sku-17 -o json',
    'stele explain prices --shard 3',
  ],
  async run({ operands, settings: { values }, output }) {
    const keyspace = keyspaceName(operands[0] ?? '');
    const [, key] = operands;
    const { shard } = values;
    if ((key === undefined) === (shard === undefined)) {
      throw new SteleError('INVALID_ARGUMENT', 'Name either a key, or a shard with --shard.');
    }
    const response = await withAdmin(values, (admin) =>
      admin.explain({
        keyspace,
        key: Buffer.from(key ?? '', 'utf8'),
        ...(shard === undefined ? {} : { shard: shardNumber(shard) }),
      }),
    );
    const ofKey = shard === undefined;
    const json = ofKey
      ? explainKeyJson(response, Buffer.from(key ?? '', 'utf8'))
      : explainShardJson(response);
    await printResult(output, values.output, json, () => format(response, ofKey));
    return EXIT_OK;
  },
});

function format(response: ExplainResponse, ofKey: boolean): string {
  return [
    `keyspace   ${response.keyspace}, version ${response.version === 0 ? 'none' : response.version}`,
    ...(ofKey ? [`slot       ${response.slot}`] : []),
    `shard      ${response.shard}`,
    `segments   ${segmentsText(response.segmentIds.length)}`,
    `served by  ${response.servedBy === '' ? 'nobody at the moment' : response.servedBy}`,
    '',
    replicaTable(response),
  ].join('\n');
}

/** How many segments a read may have to search. */
function segmentsText(count: number): string {
  if (count === 0) return 'none: the shard has no records';
  if (count === 1) return '1';
  return `${count}: a base and ${count - 1} ${count === 2 ? 'delta' : 'deltas'}`;
}
