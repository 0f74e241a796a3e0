// The reads of each keyspace as metrics, with a bounded number of series.

import type { MetricSet, Series } from '../../base/process/metrics.ts';
import type { Datanode } from '../node.ts';
import type { KeyspaceReads } from '../read-stats/keyspace-reads.ts';

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

const NO_READS: Counts = {
  hits: 0,
  misses: 0,
  valueBytes: 0,
  diskCacheHits: 0,
  diskCacheMisses: 0,
};

/** Adds the metrics. A keyspace has series from its first read on. */
export function keyspaceMetrics(set: MetricSet, { cluster, tables }: Datanode): void {
  const series = (
    name: string,
    help: string,
    read: (keyspace: string, counts: Counts) => Series[],
  ): void =>
    set.series(name, help, () => {
      const sums = summedReads(tables.reads, (uid) => cluster.keyspaceOf(uid)?.name);
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
}

/** Reads by the names of keyspaces; those after the first KEYSPACE_SERIES_MAX names together. */
export function summedReads(
  reads: Iterable<readonly [uid: string, counts: Counts]>,
  nameOf: (uid: string) => string | undefined,
): Map<string, Counts> {
  const sums = new Map<string, Counts>();
  for (const [uid, counts] of reads) {
    const known = nameOf(uid);
    if (known === undefined) continue;
    const hasRoom = sums.size < KEYSPACE_SERIES_MAX || sums.has(known);
    const name = hasRoom ? known : OTHER_KEYSPACES;
    const before = sums.get(name) ?? NO_READS;
    sums.set(name, {
      hits: before.hits + counts.hits,
      misses: before.misses + counts.misses,
      valueBytes: before.valueBytes + counts.valueBytes,
      diskCacheHits: before.diskCacheHits + counts.diskCacheHits,
      diskCacheMisses: before.diskCacheMisses + counts.diskCacheMisses,
    });
  }
  return sums;
}
