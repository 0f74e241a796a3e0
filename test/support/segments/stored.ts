// Finished segments and whole builds in a store, made without `stele build`.

import { BuildStore } from '../../../archive/builds/build-store.ts';
import type { BuiltTask } from '../../../archive/builds/built.ts';
import { addTotals, taskIdentity } from '../../../archive/builds/layout.ts';
import { segmentObject } from '../../../archive/layout.ts';
import type { ArchivedTotals } from '../../../archive/archived.ts';
import type { ObjectStore } from '../../../archive/object-store.ts';
import { bodyOfBytes } from '../../../archive/open-store.ts';
import type { BuiltSegment } from '../../../segment/builder.ts';
import { segmentsOf } from './segments.ts';
import type { Pairs } from './segments.ts';

/** What `stele keyspace create -o json` says. */
export interface CreatedKeyspace {
  readonly keyspace: string;
  readonly uid: string;
  readonly shard_count: number;
  readonly cluster_id: string;
  readonly created: boolean;
}

/** Writes segments of `pairs` as `nameOf` says; by default as `<shard>.seg` below `folder`. */
export async function putSegments(
  store: ObjectStore,
  { shard_count, uid }: Pick<CreatedKeyspace, 'shard_count' | 'uid'>,
  pairs: Pairs,
  nameOf: (segment: BuiltSegment) => string = ({ info }) => `part-${info.shard}.seg`,
): Promise<BuiltSegment[]> {
  const segments = segmentsOf(pairs, shard_count, uid);
  for (const segment of segments) await store.put(nameOf(segment), bodyOfBytes(segment.bytes));
  return segments;
}

/** A complete build: one task, merged as a whole. */
export async function putBuild(
  store: ObjectStore,
  created: CreatedKeyspace,
  pairs: Pairs,
): Promise<void> {
  const { cluster_id: clusterId, keyspace, shard_count: shardCount, uid: keyspaceUid } = created;
  const build = new BuildStore(store);
  await build.claim({ keyspace, keyspaceUid, shardCount, clusterId, createdAt: '2026-12-01' });
  const segments = await putSegments(store, created, pairs, ({ info }) =>
    segmentObject(keyspaceUid, info.id),
  );
  const totals = Array.from({ length: shardCount }, (_, shard) =>
    addTotals(segments.filter(({ info }) => info.shard === shard).map(totalsOf)),
  );
  const { records: rows } = addTotals(totals);
  const task: BuiltTask = {
    ...{ keyspaceUid, shardCount, task: 1, tasks: 1, rows, rejected: 0, rejects: [] },
    input: {
      ...{ fingerprint: 'ab'.repeat(16), text: 'pairs of a test', bytes: 0 },
      ...{ flags: {}, dialects: [] },
    },
    binding: 'cd'.repeat(16),
    runs: [{ hash: 'ef'.repeat(16), bytes: 1, rows, from: 'pairs of a test' }],
    shards: {
      rows: totals.map(({ records }) => records),
      keyBytes: totals.map(({ keyBytes }) => keyBytes),
      valueBytes: totals.map(({ valueBytes }) => valueBytes),
      digests: totals.map(({ digest }) => digest).join(''),
    },
  };
  await build.putTask(task);
  await build.putMerge({
    ...{ keyspaceUid, shardCount, first: 0, last: shardCount - 1, onConflict: 'error' },
    tasks: [taskIdentity(task)],
    shards: segments
      .map((segment) => ({
        shard: segment.info.shard,
        rows: segment.info.records,
        segment: {
          ...{ id: segment.info.id, fileBytes: segment.info.fileBytes },
          ...totalsOf(segment),
        },
        dropped: addTotals([]),
        overruled: 0,
      }))
      .sort((one, other) => one.shard - other.shard),
  });
}

function totalsOf({ info }: BuiltSegment): ArchivedTotals {
  const { digest, keyBytes, records, valueBytes } = info;
  return { records, keyBytes, valueBytes, digest: digest.toString('hex') };
}
