// Manifests of small builds, and stores that hold them, for tests.

import { segmentId } from '../../base/segment-name.ts';
import type { BuildMark, BuiltMerge, BuiltTask } from '../../archive/builds/built.ts';
import { BuildStore } from '../../archive/builds/build-store.ts';
import { addTotals, shardTotals, taskIdentity } from '../../archive/builds/layout.ts';
import { openStore } from '../../archive/open-store.ts';
import { tempDir } from './temp-dir.ts';
import { pathToFileURL } from 'node:url';

const SHARDS = 4;

export function someMark(more: Partial<BuildMark> = {}): BuildMark {
  return {
    keyspace: 'prices',
    keyspaceUid: '00112233445566aa',
    shardCount: SHARDS,
    clusterId: 'fedcba9876543210',
    createdAt: '2026-12-01T00:00:00.000Z',
    ...more,
  };
}

/** A task with `task` rows in shard 1, and one in shard 2. */
export function someTask(task: number, tasks: number, more: Partial<BuiltTask> = {}): BuiltTask {
  const digest = (fill: number): string => fill.toString(16).padStart(2, '0').repeat(16);
  return {
    keyspaceUid: someMark().keyspaceUid,
    shardCount: SHARDS,
    task,
    tasks,
    input: {
      fingerprint: 'f'.repeat(32),
      text: 'prices.csv',
      bytes: 1000,
      flags: { key: 'sku' },
      dialects: ['csv'],
    },
    binding: 'b'.repeat(32),
    rows: task + 1,
    rejected: 0,
    rejects: [],
    runs: [{ hash: digest(task), bytes: 100, rows: task + 1, from: 'prices.csv at byte 0' }],
    shards: {
      rows: [0, task, 1, 0],
      keyBytes: [0, task, 1, 0],
      valueBytes: [0, 2 * task, 2, 0],
      digests: [digest(0), digest(task), digest(1), digest(0)].join(''),
    },
    ...more,
  };
}

/** A merge of the shards `first` to `last` in which nothing was dropped. */
export function someMerge(
  first: number,
  last: number,
  tasks: readonly BuiltTask[],
  more: Partial<BuiltMerge> = {},
): BuiltMerge {
  const shards = [];
  const nothing = { records: 0, keyBytes: 0, valueBytes: 0, digest: '0'.repeat(32) };
  for (let shard = first; shard <= last; shard++) {
    const totals = addTotals(tasks.map((task) => shardTotals(task, shard)));
    if (totals.records === 0) continue;
    const id = segmentId(shard, totals.digest, 'c'.repeat(32));
    const segment = { ...totals, id, fileBytes: 500 };
    shards.push({ shard, rows: totals.records, segment, dropped: nothing, overruled: 0 });
  }
  return {
    keyspaceUid: someMark().keyspaceUid,
    shardCount: SHARDS,
    first,
    last,
    tasks: tasks.map(taskIdentity),
    onConflict: 'error',
    shards,
    ...more,
  };
}

/** An empty folder as a store. */
export async function someBuildStore(): Promise<BuildStore> {
  return new BuildStore(await openStore(pathToFileURL(tempDir()).href));
}
