// The reads and the size of each keyspace as metrics, with a bounded number of series.

import type { MetricSet, Series } from '../../base/process/metrics.ts';
import type { Datanode } from '../node.ts';
import type { KeyspaceReads } from '../read-stats/keyspace-reads.ts';
import type { Holdings } from '../storage/holdings.ts';

/**
 * Keyspaces with series of their own. The others are added up, as each series costs its reader
 * memory.
 */
const KEYSPACE_SERIES_MAX = 500;
const OTHER_KEYSPACES = '(other)';

type Counts = Pick<
  KeyspaceReads,
  'hits' | 'misses' | 'valueBytes' | 'diskCacheHits' | 'diskCacheMisses'
>;
type Sizes = ReturnType<Holdings['bytesOf']>;

/** Adds the metrics. A keyspace has series from its first read on. */
export function keyspaceMetrics(set: MetricSet, { cluster, holdings, tables }: Datanode): void {
  const nameOf = (uid: string): string | undefined => cluster.keyspaceOf(uid)?.name;
  const series = (
    name: string,
    help: string,
    read: (keyspace: string, counts: Counts) => Series[],
  ): void =>
    set.series(name, help, () => {
      const sums = summedReads(tables.reads, nameOf);
      return [...sums].flatMap(([keyspace, counts]) => read(keyspace, counts));
    });
  series(
    'stele_keyspace_reads_total',
    'Keys looked up on this node, by keyspace and result',
    (keyspace, { hits, misses }) => [
      [{ keyspace, result: 'hit' }, hits],
      [{ keyspace, result: 'miss' }, misses],
    ],
  );
  series(
    'stele_keyspace_read_value_bytes_total',
    'Bytes of the values found on this node, by keyspace',
    (keyspace, { valueBytes }) => [[{ keyspace }, valueBytes]],
  );
  series(
    'stele_disk_cache_hits_total',
    'Records of the disk tier found in the cache, by keyspace',
    (keyspace, { diskCacheHits }) => [[{ keyspace }, diskCacheHits]],
  );
  series(
    'stele_disk_cache_misses_total',
    'Records of the disk tier read from disk for lookups, by keyspace',
    (keyspace, { diskCacheMisses }) => [[{ keyspace }, diskCacheMisses]],
  );
  const sizes = (): Map<string, Sizes> => {
    const all = holdings.keyspaceUids().map((uid) => [uid, holdings.bytesOf(uid)] as const);
    return summedByName(all, nameOf);
  };
  set.series(
    'stele_keyspace_memory_bytes',
    'Memory that the segments of a keyspace take on this node, whole or by their indexes',
    () => [...sizes()].map(([keyspace, { memoryBytes }]) => [{ keyspace }, memoryBytes]),
  );
  set.series(
    'stele_keyspace_file_bytes',
    'Bytes of the segment files of a keyspace on this node, in whatever tier',
    () => [...sizes()].map(([keyspace, { fileBytes }]) => [{ keyspace }, fileBytes]),
  );
}

/** Reads by the names of keyspaces; those after the first KEYSPACE_SERIES_MAX names together. */
export function summedReads(
  reads: Iterable<readonly [uid: string, counts: Counts]>,
  nameOf: (uid: string) => string | undefined,
): Map<string, Counts> {
  const counts = [...reads].map(
    ([uid, { diskCacheHits, diskCacheMisses, hits, misses, valueBytes }]) =>
      [uid, { hits, misses, valueBytes, diskCacheHits, diskCacheMisses }] as const,
  );
  return summedByName(counts, nameOf);
}

/** Sums the fields of keyspaces with one name. */
function summedByName<Name extends string>(
  all: Iterable<readonly [uid: string, fields: Readonly<Record<Name, number>>]>,
  nameOf: (uid: string) => string | undefined,
): Map<string, Record<Name, number>> {
  const sums = new Map<string, Record<Name, number>>();
  for (const [uid, fields] of all) {
    const known = nameOf(uid);
    if (known === undefined) continue;
    const hasRoom = sums.size < KEYSPACE_SERIES_MAX || sums.has(known);
    const name = hasRoom ? known : OTHER_KEYSPACES;
    const before = sums.get(name);
    const sum: Record<Name, number> = { ...fields };
    if (before !== undefined) for (const field in sum) sum[field] += before[field];
    sums.set(name, sum);
  }
  return sums;
}
