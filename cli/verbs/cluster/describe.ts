// `stele describe keyspace|node|shard|load NAME`: everything that is known of one thing.

import { settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { keyspaceName, nodeId, shardNumber, shorten } from '../../../base/ids.ts';
import { resultOptions } from '../../client-settings.ts';
import { formatDescription } from '../../describe/description.ts';
import type { Description } from '../../describe/description.ts';
import { describeKeyspace } from '../../describe/keyspace.ts';
import { describeLoad } from '../../describe/load.ts';
import { describeNode } from '../../describe/node.ts';
import { describeShard } from '../../describe/shard.ts';
import { EXIT_OK } from '../../exit.ts';
import type { Output } from '../../output.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAdmin } from '../../with-admin.ts';
import type { Admin } from '../../with-admin.ts';

const KINDS = ['keyspace', 'node', 'shard', 'load'];

export const definition = defineVerb({
  name: 'describe',
  operands: '<kind> <name>',
  actions: KINDS,
  schema: settingsOf(resultOptions),
  examples: [
    'stele describe keyspace prices',
    'stele describe node node-0',
    'stele describe shard 17',
    'stele describe load 5f1c9b0e6a7d2c34 -o yaml',
  ],
  async run({ operands: [kind = '', name = ''], settings: { values }, output }) {
    const describe = describerOf(kind, name, output);
    const described = await withAdmin(values, describe);
    await printResult(output, values.output, described.json, () => formatDescription(described));
    return EXIT_OK;
  },
});

/** Throws INVALID_ARGUMENT before anything is connected. */
function describerOf(
  kind: string,
  name: string,
  output: Output,
): (admin: Admin) => Promise<Description> {
  switch (kind) {
    case 'keyspace': {
      const keyspace = keyspaceName(name);
      return (admin) => describeKeyspace(admin, keyspace, output);
    }
    case 'node': {
      const id = nodeId(name);
      return (admin) => describeNode(admin, id, output);
    }
    case 'shard': {
      const shard = shardNumber(name);
      return (admin) => describeShard(admin, shard);
    }
    case 'load':
      return (admin) => describeLoad(admin, name, output);
    default:
      throw new SteleError(
        'INVALID_ARGUMENT',
        `'${shorten(kind)}' cannot be described${didYouMean(kind, KINDS)}; use ${KINDS.join(', ')} with the name of one.`,
      );
  }
}
