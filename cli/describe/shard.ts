// Everything that is known of one shard: its slots, contents, owners and holders, and for each
// keyspace who holds it and why.

import { SteleError } from '../../base/errors.ts';
import { formatBytes } from '../../base/units.ts';
import type { ExplainResponse } from '../../proto/gen/stele/v1/cluster.ts';
import { explainShardJson, shardsJson } from '../../proto/json-shapes.ts';
import { nodeStateWord } from '../../proto/view-words.ts';
import { healthWord } from '../../proto/view-words.ts';
import { formatCount, formatTable } from '../text-table.ts';
import type { Admin } from '../with-admin.ts';
import type { Description } from './description.ts';

/** A cluster may have many keyspaces; the first ones show what is the matter. */
const KEYSPACES_MAX = 50;

/** Throws INVALID_ARGUMENT for a shard that the cluster does not have. */
export async function describeShard(admin: Admin, number: number): Promise<Description> {
  const [answer, { keyspaces }] = await Promise.all([admin.listShards(), admin.listKeyspaces()]);
  const shard = answer.shards.find((one) => one.shard === number);
  if (shard === undefined) {
    const text = `There is no shard ${number}; this cluster has the shards 0 to ${answer.shards.length - 1}.`;
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  const explained = await Promise.all(
    keyspaces
      .filter(({ currentVersion }) => currentVersion > 0)
      .slice(0, KEYSPACES_MAX)
      .map(({ name }) => admin.explain({ keyspace: name, key: Buffer.alloc(0), shard: number })),
  );
  const left = keyspaces.length - explained.length;
  return {
    fields: [
      ['Shard', String(number)],
      ['Slots', `${shard.slotFirst}-${shard.slotLast}`],
      ['Status', healthWord(shard.status)],
      ['Records', formatCount(shard.records)],
      ['Segments', `${formatBytes(shard.bytes)}, one copy`],
      ['Owners', shard.owners.join(', ')],
      ['Holders of everything', shard.holders.join(', ')],
      ...(left > 0 ? [['Keyspaces not shown', String(left)] as const] : []),
    ],
    parts: explained.map((one) => ({
      title: `Keyspace ${one.keyspace}, version ${one.version}, served by ${one.servedBy || 'nobody'}`,
      text: replicaTable(one),
    })),
    json: {
      ...shardsJson({ shards: [shard], noLeader: answer.noLeader })[0],
      keyspaces: explained.map(explainShardJson),
    },
  };
}

const REPLICAS = ['NODE', 'STATE', 'OWNER', 'HOLDS', 'WHY'].map((title) => ({ title }));

/** Who owns and who holds the shard, and why, as a table. */
export function replicaTable({ replicas }: Pick<ExplainResponse, 'replicas'>): string {
  const rows = replicas.map(({ holds, nodeId, owner, reason, state }) => [
    nodeId,
    nodeStateWord(state).toLowerCase(),
    owner ? 'yes' : 'no',
    holds ? 'yes' : 'no',
    reason,
  ]);
  return formatTable(REPLICAS, rows);
}
