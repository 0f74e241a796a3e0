// The reads of each keyspace as metrics, with a bounded number of series.

import type { MetricSet, Series } from '../../base/process/metrics.ts';
import type { Datanode } from '../node.ts';
import type { KeyspaceReads } from '../read-stats/keyspace-reads.ts';

/** Keyspaces with series of their own. The others are added up, as each series costs its reader memory. */
const KEYSPACE_SERIES_MAX = 500;
const OTHER_KEYSPACES = '(other)';

/** Adds the metrics. A keyspace has series from its first read on. */
export function keyspaceMetrics(set: MetricSet, { cluster, tables }: Datanode): void {
  const series = (
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (reads: KeyspaceReads) => readonly Series[],
  ): void => {
    set.series(name, help, ['keyspace', ...labelNames], () => {
      const sums = new Map<string, Series>();
      for (const [uid, reads] of tables.reads) {
        const known = cluster.keyspaceOf(uid)?.name;
        const keyspace = sums.size < KEYSPACE_SERIES_MAX ? known : OTHER_KEYSPACES;
        if (keyspace === undefined) continue;
        for (const [labels, value] of read(reads)) {
          const id = [keyspace, ...Object.values(labels)].join(' ');
          const before = sums.get(id)?.[1] ?? 0;
          sums.set(id, [{ keyspace, ...labels }, before + value]);
        }
      }
      return sums.values();
    });
  };
  series(
    'stele_keyspace_reads_total',
    'Keys looked up on this node, by keyspace and result',
    ['result'],
    ({ hits, misses }) => [
      [{ result: 'hit' }, hits],
      [{ result: 'miss' }, misses],
    ],
  );
  series(
    'stele_keyspace_read_value_bytes_total',
    'Bytes of the values found on this node, by keyspace',
    [],
    ({ valueBytes }) => [[{}, valueBytes]],
  );
}
