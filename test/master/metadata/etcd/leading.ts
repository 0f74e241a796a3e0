// A metadata store on etcd, opened as if by an elected master: the leader key is taken over.

import { systemEnv } from '../../../../base/env.ts';
import type { SteleError } from '../../../../base/errors.ts';
import type { EtcdApi } from '../../../../master/metadata/etcd/api.ts';
import { EtcdMetadata } from '../../../../master/metadata/etcd/etcd-metadata.ts';
import type { LargeValues } from '../../../../master/metadata/etcd/large-values.ts';
import { EtcdLayout } from '../../../../master/metadata/etcd/layout.ts';

export const layout = new EtcdLayout('/stele/test/');

interface Leading {
  readonly metadata: EtcdMetadata;
  /** Why the store was lost, once it is. */
  readonly lost: SteleError[];
}

/** `elector`: takes the leader key, where calls of `api` itself may fail. */
export async function openAsLeader(
  api: EtcdApi,
  elector = api,
  values?: LargeValues,
): Promise<Leading> {
  await elector.transaction({ compares: [], success: [{ kind: 'delete', key: layout.leader }] });
  const { revision } = await elector.transaction({
    compares: [],
    success: [{ kind: 'put', key: layout.leader, value: '{}' }],
  });
  const lost: SteleError[] = [];
  const metadata = await EtcdMetadata.open({
    api,
    layout,
    fence: { key: layout.leader, createRevision: revision },
    env: systemEnv,
    ...(values === undefined ? {} : { values }),
    onLost: (why) => lost.push(why),
  });
  return { metadata, lost };
}
