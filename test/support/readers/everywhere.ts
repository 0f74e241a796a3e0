// One version of rows, read through every interface of a cluster of three datanodes.

import type { Redis } from 'ioredis';
import { expect } from 'vitest';
import type { SteleClient } from '../../../client/stele-client.ts';
import type { VersionedRows } from '../inputs/rows.ts';
import type { TestCluster } from '../process/cluster.ts';
import { until } from '../process/stele-process.ts';
import { connectCluster, connectRedis, postLookup } from './sources.ts';

const NODES = ['node-0', 'node-1', 'node-2'] as const;

interface Everywhere {
  readonly cluster: TestCluster;
  readonly client: SteleClient;
  readonly keyspace: string;
  readonly rows: VersionedRows;
}

/** The labels of the values of all keys, in the order of the keys. */
export function labelsOf(
  rows: VersionedRows,
  values: readonly (Buffer | string | null)[],
): number[] {
  return [...new Set(values.map((value, at) => rows.versionOf(rows.key(at), value)))];
}

/**
 * Every interface returns the values of `label` for all keys; each datanode returns these or none.
 */
export async function expectLabelEverywhere(
  { client, cluster, keyspace, rows }: Everywhere,
  label: number,
): Promise<void> {
  const keys = Array.from({ length: rows.count }, (_, index) => rows.key(index));
  await cluster.status('green');
  const { values: looked } = await postLookup(cluster.url(''), keyspace, keys);
  expect(labelsOf(rows, looked)).toEqual([label]);
  const master = connectRedis(cluster.master, keyspace);
  const direct = connectCluster(
    NODES.map((id) => cluster.node(id)),
    keyspace,
  );
  try {
    expect(labelsOf(rows, await master.mgetBuffer(keys))).toEqual([label]);
    const values = await Promise.all(keys.map((key) => direct.get(key)));
    expect(labelsOf(rows, values)).toEqual([label]);
  } finally {
    master.disconnect();
    direct.disconnect();
  }
  let answered = 0;
  for (const id of NODES) {
    const redis = connectRedis(cluster.node(id), keyspace);
    for (const [at, value] of (await answersOf(redis, keys)).entries()) {
      if (value === undefined) continue;
      expect(rows.versionOf(rows.key(at), value)).toBe(label);
      answered++;
    }
  }
  expect(answered).toBeGreaterThanOrEqual(keys.length);
  // A datanode follows the views that it is sent, and may get the newest a moment later.
  await until('the client reads what is in force', async () => {
    const { values } = await client.getMany(keyspace, keys);
    return labelsOf(rows, values).join() === String(label);
  });
}

/** The answers of one datanode; undefined for keys that it refuses. */
async function answersOf(
  redis: Redis,
  keys: readonly string[],
): Promise<(Buffer | string | null | undefined)[]> {
  try {
    const pipeline = redis.pipeline();
    for (const key of keys) pipeline.get(key);
    const replies = (await pipeline.exec()) ?? [];
    return replies.map(([error, value]) => (error ? undefined : (value as string | null)));
  } finally {
    redis.disconnect();
  }
}
