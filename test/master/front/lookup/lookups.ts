// What the tests of lookups begin with: a core over a cluster in memory, and keys with values.

import { LookupCore } from '../../../../master/front/lookup/lookup-core.ts';
import type { FakeCluster } from '../../../support/peers/fake-cluster.ts';

/** Without a cache by default. */
export function newCore(cluster: FakeCluster, cacheMaxBytes = 0, deadlineMs = 1000): LookupCore {
  return new LookupCore({ views: cluster, links: cluster.links, cacheMaxBytes, deadlineMs });
}

export function keys(...names: string[]): Buffer[] {
  return names.map((name) => Buffer.from(name));
}

/** The value of a key of the keyspace `default`, or the status if there is none. */
export async function read(core: LookupCore, name: string): Promise<string | number | undefined> {
  const outcome = await core.lookup('default', keys(name));
  return outcome.values[0]?.toString() ?? outcome.statuses[0];
}

/** Puts `count` keys, each with its name and version as value. Returns the names. */
export function fill(cluster: FakeCluster, count: number, version = 1): string[] {
  const names = Array.from({ length: count }, (_, number) => `key-${number}`);
  for (const name of names) cluster.put(name, `${name}@${version}`, version);
  return names;
}
