// The metrics of a datanode. Reads only add to plain numbers, which are read at each scrape.

import { defineAuditMetrics } from '../../access/audit/audit-report.ts';
import type { Audit } from '../../access/audit/audit.ts';
import type { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { defineTrafficMetrics } from '../../base/process/http-traffic.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import { exportedBoundsMs } from '../../base/process/latency.ts';
import { MetricSet } from '../../base/process/metrics.ts';
import { defineProcessMetrics } from '../../base/process/process-metrics.ts';
import type { DiskTrouble } from '../../proto/gen/stele/v1/datanode.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { defineTlsMetrics } from '../../transport/tls/tls-report.ts';
import type { Datanode } from '../node.ts';
import { keyspaceMetrics } from './keyspace-metrics.ts';

interface Sources {
  readonly node: Datanode;
  readonly background?: BackgroundTasks;
  readonly tls: TlsIdentity | undefined;
  readonly audit?: Audit | undefined;
}

export function datanodeMetrics(
  { audit, background, node, tls }: Sources,
  traffic: () => { readonly http: Traffic; readonly resp: Traffic },
): MetricSet {
  const set = new MetricSet();
  const faults = (): ReadonlyMap<string, number> => background?.failures() ?? new Map();
  defineProcessMetrics(set, { role: 'datanode', faults });
  defineTlsMetrics(set, tls);
  defineAuditMetrics(set, audit);
  const { brake, cluster, counters, holdings, merger } = node;
  set.value('stele_segments', 'Segments held', () => holdings.count);
  set.value(
    'stele_segment_bytes',
    'Bytes of segments in memory, and of indexes of those on disk',
    () => holdings.segmentBytes,
  );
  set.value(
    'stele_disk_tier_bytes',
    'Bytes of segment files in the disk tier',
    () => holdings.diskBytes,
  );
  memoryMetrics(set, node);
  set.value('stele_lookups_total', 'Keys looked up since the start', () => counters.lookups);
  set.times(
    'stele_lookup_seconds',
    'Time from the start of the event-loop turn (RESP) or batch that a key arrived in until all of it was answered, per key',
    exportedBoundsMs,
    () => Object.entries(counters.latency).map(([protocol, times]) => [{ protocol }, times]),
  );
  keyspaceMetrics(set, node);
  set.value(
    'stele_quarantined_total',
    'Segments found corrupt',
    () => node.report.quarantinedTotal,
  );
  scrubMetrics(set, node);
  set.value('stele_merges_total', 'Shards whose deltas were merged', () => merger.doneTotal);
  set.value('stele_merges_waiting', 'Merges queued or running', () => merger.waiting);
  set.value(
    'stele_pulled_bytes_total',
    'Bytes of segments pulled out of stores for loads',
    () => node.pulledBytesTotal,
  );
  set.value(
    'stele_intake_limit_bytes_per_second',
    'Present limit on incoming segments, which keeps reads fast; 0: not limited',
    () => (Number.isFinite(brake.bytesPerSecond) ? brake.bytesPerSecond : 0),
  );
  defineTrafficMetrics(set, traffic);
  diskMetrics(set, node);
  diskReadMetrics(set, node);
  set.value(
    'stele_view_age_seconds',
    'Time since the view in force was last known to be the current view of the master',
    () => node.contact.viewAgeMs(monotonicNowMs()) / 1000,
  );
  set.value(
    'stele_view_stale',
    '1 while the master is silent or its view is not accepted, so that reads are answered by an older one; otherwise 0',
    () => Number(node.contact.isStale(monotonicNowMs())),
  );
  set.value('stele_view_epoch', 'Epoch of the view in force', () => cluster.view?.epoch ?? 0);
  return set;
}

function memoryMetrics(set: MetricSet, node: Datanode): void {
  const { memory, tiers } = node.storage;
  set.value(
    'stele_segments_not_loaded',
    'Segments left on disk because they are above the memory limit, although they belong into memory',
    () => node.storage.notLoadedTotal,
  );
  set.value(
    'stele_memory_limit_bytes',
    'Bytes of memory that the process may take',
    () => node.memoryMaxBytes,
  );
  set.series('stele_memory_bytes', 'Memory that is accounted for, by what it is used for', () =>
    Object.entries(memory.inUse).map(([part, bytes]) => [{ part }, bytes]),
  );
  set.value(
    'stele_memory_unaccounted_bytes',
    'Resident memory of the process that is not accounted for; below 0: accounted for and not resident',
    () => process.memoryUsage.rss() - memory.accountedBytes,
  );
  set.value(
    'stele_warming_bytes',
    'Bytes of segments that were on disk at the start and are not in memory yet, although they belong there',
    () => {
      const { bytesDone = 0, bytesTotal = 0 } = tiers.warming() ?? {};
      return bytesTotal - bytesDone;
    },
  );
}

function diskMetrics(set: MetricSet, node: Datanode): void {
  set.value(
    'stele_disk_free_bytes',
    'Free space of the disk with the data folder',
    () => node.diskFreeBytes,
  );
  const trouble = (): DiskTrouble | undefined => node.report.diskTrouble(monotonicNowMs());
  set.value('stele_disk_full', '1 while the disk has no room for segments; otherwise 0', () =>
    Number(trouble()?.full === true),
  );
  set.value('stele_disk_failing', '1 while the disk fails or hangs; otherwise 0', () =>
    Number((trouble()?.writeError ?? '') !== ''),
  );
}

function diskReadMetrics(set: MetricSet, { disk }: Datanode): void {
  const { cache, stats } = disk;
  set.value(
    'stele_disk_cache_bytes',
    'Memory that the cache of records of the disk tier takes',
    () => cache.touchedBytes,
  );
  set.value('stele_disk_cache_limit_bytes', 'Memory that it may take', () => cache.maxBytes);
  set.value('stele_disk_cache_records', 'Records in it', () => cache.count);
  set.value('stele_disk_reads_total', 'Records read from disk', () => stats.reads);
  set.value(
    'stele_disk_read_bytes_total',
    'Bytes of the records read from disk',
    () => stats.bytes,
  );
  set.value(
    'stele_disk_read_failures_total',
    'Reads from disk that failed, or took too long',
    () => stats.failures,
  );
}

function scrubMetrics(set: MetricSet, { scrubber }: Datanode): void {
  set.value(
    'stele_scrubbed_bytes_total',
    'Bytes verified in the background, in memory and on disk',
    () => scrubber.stats.bytes,
  );
  set.value(
    'stele_scrub_last_pass_timestamp_seconds',
    'When the last complete verification of all segments ended; 0: not yet',
    () => scrubber.stats.lastPassUnixMs / 1000,
  );
  set.value('stele_scrub_found_total', 'Bad copies found', () => scrubber.stats.found);
  set.value(
    'stele_scrub_repaired_total',
    'Bad copies repaired from the other copy on this node',
    () => scrubber.stats.repaired,
  );
}
