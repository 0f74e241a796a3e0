// For each alert of deploy/prometheus/alerts.yml: series with which it fires, and series, as near
// to these as can be, with which nothing fires. Values are in promtool's notation, one a minute:
// `3` stays 3, `0+60` rises by 60.

type SeriesValues = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly fires: SeriesValues;
  readonly quiet: SeriesValues;
}

const BUILD = 'stele_build_info{job="stele",instance="a",role="datanode"}';
const MASTER = 'stele_build_info{job="stele",instance="m",role="master"}';
const A = '{job="stele",instance="a"}';
const OTHER = '{job="node",instance="b"}';

/**
 * The buckets of a histogram of which 100 samples a minute take up to `slow`, and none less than
 * `fast`.
 */
function bucketsOf(name: string, labels: string, fast: string, slow: string): SeriesValues {
  return {
    [`${name}_bucket{${labels},le="${fast}"}`]: '0',
    [`${name}_bucket{${labels},le="${slow}"}`]: '0+100',
    [`${name}_bucket{${labels},le="+Inf"}`]: '0+100',
  };
}

export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  SteleProcessDown: {
    fires: { [`up${A}`]: '0' },
    quiet: { [`up${A}`]: '1', [`up${OTHER}`]: '0' },
  },
  SteleRed: {
    fires: { 'stele_health_status{instance="a"}': '3', 'stele_health_status{instance="b"}': '1' },
    quiet: { 'stele_health_status{instance="a"}': '2', 'stele_health_status{instance="b"}': '0' },
  },
  SteleYellow: {
    fires: { 'stele_health_status{instance="a"}': '2' },
    quiet: { 'stele_health_status{instance="a"}': '1' },
  },
  SteleShardsUnserved: {
    fires: { 'stele_keyspace_shards_unserved{keyspace="k"}': '4' },
    quiet: { 'stele_keyspace_shards_unserved{keyspace="k"}': '0' },
  },
  SteleNoLeader: {
    fires: { [MASTER]: '1', 'stele_master_leads{master="m"}': '0' },
    quiet: {
      [MASTER]: '1',
      [BUILD]: '1',
      'stele_master_leads{master="m"}': '0',
      'stele_master_leads{master="n"}': '1',
    },
  },
  SteleLeaderChanges: {
    fires: { 'stele_epoch{instance="a"}': '1+1', 'stele_epoch{instance="b"}': '1' },
    quiet: { 'stele_epoch{instance="a"}': '7' },
  },
  SteleDatanodeDown: {
    fires: { 'stele_nodes{state="down"}': '0', 'stele_nodes{state="suspect"}': '1' },
    quiet: { 'stele_nodes{state="down"}': '0', 'stele_nodes{state="drained"}': '1' },
  },
  SteleDatanodeTrouble: {
    fires: { 'stele_node_trouble{node="n"}': '1' },
    quiet: { 'stele_node_trouble{node="n"}': '0' },
  },
  SteleViewLag: {
    fires: { 'stele_node_view_lag{node="n"}': '1' },
    quiet: { 'stele_node_view_lag{node="n"}': '0' },
  },
  SteleViewStale: {
    fires: { [`stele_view_stale${A}`]: '1', [`stele_view_age_seconds${A}`]: '0+60' },
    quiet: { [`stele_view_stale${A}`]: '0', [`stele_view_age_seconds${A}`]: '60' },
  },
  SteleCopiesFailing: {
    fires: { stele_copies_failing: '1' },
    quiet: { stele_copies_failing: '0' },
  },
  SteleKeyspaceRepairing: {
    fires: { 'stele_keyspace_repairing{keyspace="k"}': '1' },
    quiet: { 'stele_keyspace_repairing{keyspace="k"}': '0' },
  },
  SteleReadsFailing: {
    fires: {
      'stele_reads_total{result="failed"}': '0+2',
      'stele_reads_total{result="found"}': '0+998',
    },
    quiet: {
      'stele_reads_total{result="failed"}': '0+1',
      'stele_reads_total{result="not_found"}': '0+999',
    },
  },
  SteleReadsSlow: {
    fires: bucketsOf('stele_read_seconds', 'protocol="resp"', '0.0512', '0.1024'),
    quiet: bucketsOf('stele_read_seconds', 'protocol="resp"', '0.0128', '0.0256'),
  },
  SteleDatanodeSlow: {
    fires: bucketsOf('stele_lookup_seconds', 'protocol="lookups"', '0.0256', '0.0512'),
    quiet: bucketsOf('stele_lookup_seconds', 'protocol="lookups"', '0.0064', '0.0128'),
  },
  SteleReadsRetried: {
    fires: { stele_lookup_retries_total: '0+20', stele_lookup_keys_total: '0+1000' },
    quiet: { stele_lookup_retries_total: '0+10', stele_lookup_keys_total: '0+1000' },
  },
  SteleLoadFailed: {
    fires: { 'stele_last_load_end_timestamp_seconds{keyspace="k",result="rejected"}': '1' },
    quiet: {
      'stele_last_load_end_timestamp_seconds{keyspace="k",result="committed"}': '1',
      'stele_last_load_end_timestamp_seconds{keyspace="l",result="cancelled"}': '1',
    },
  },
  SteleKeyspaceOld: {
    fires: { 'stele_keyspace_commit_timestamp_seconds{keyspace="nightly_k"}': '-129601' },
    quiet: {
      'stele_keyspace_commit_timestamp_seconds{keyspace="nightly_k"}': '-120000',
      'stele_keyspace_commit_timestamp_seconds{keyspace="k"}': '-1000000',
    },
  },
  SteleMergesWaiting: {
    fires: { [`stele_merges_waiting${A}`]: '2' },
    quiet: { [`stele_merges_waiting${A}`]: '0' },
  },
  SteleSegmentsCorrupt: {
    fires: { [`stele_quarantined_total${A}`]: '0', [`stele_scrub_found_total${A}`]: '1' },
    quiet: { [`stele_quarantined_total${A}`]: '0', [`stele_scrub_found_total${A}`]: '0' },
  },
  SteleMemoryShort: {
    fires: { [`stele_segment_bytes${A}`]: '67', [`stele_memory_limit_bytes${A}`]: '100' },
    quiet: { [`stele_segment_bytes${A}`]: '66', [`stele_memory_limit_bytes${A}`]: '100' },
  },
  SteleSegmentsNotLoaded: {
    fires: { [`stele_segments_not_loaded${A}`]: '1' },
    quiet: { [`stele_segments_not_loaded${A}`]: '0' },
  },
  SteleDiskShort: {
    fires: {
      [`stele_disk_free_bytes${A}`]: '199',
      [`stele_segment_bytes${A}`]: '100',
      [`stele_disk_tier_bytes${A}`]: '100',
    },
    quiet: {
      [`stele_disk_free_bytes${A}`]: '200',
      [`stele_segment_bytes${A}`]: '100',
      [`stele_disk_tier_bytes${A}`]: '100',
    },
  },
  SteleDiskTrouble: {
    fires: { [`stele_disk_full${A}`]: '0', [`stele_disk_failing${A}`]: '1' },
    quiet: { [`stele_disk_full${A}`]: '0', [`stele_disk_failing${A}`]: '0' },
  },
  SteleFilesShort: {
    fires: { [`process_open_fds${A}`]: '81', [`process_max_fds${A}`]: '100', [BUILD]: '1' },
    quiet: {
      [`process_open_fds${A}`]: '80',
      [`process_max_fds${A}`]: '100',
      [BUILD]: '1',
      [`process_open_fds${OTHER}`]: '99',
      [`process_max_fds${OTHER}`]: '100',
    },
  },
  SteleEventLoopBusy: {
    fires: { [`nodejs_eventloop_active_seconds_total${A}`]: '0+57', [BUILD]: '1' },
    quiet: {
      [`nodejs_eventloop_active_seconds_total${A}`]: '0+53',
      [`nodejs_eventloop_active_seconds_total${OTHER}`]: '0+60',
      [BUILD]: '1',
    },
  },
  SteleRestarts: {
    fires: { [`process_start_time_seconds${A}`]: '0+60', [BUILD]: '1' },
    quiet: {
      [`process_start_time_seconds${A}`]: '7',
      [`process_start_time_seconds${OTHER}`]: '0+60',
      [BUILD]: '1',
    },
  },
  SteleFaults: {
    // The series begins with its first fault.
    fires: { [`stele_faults_total{job="stele",instance="a",part="sync"}`]: '_ _ 1' },
    quiet: { [`stele_faults_total{job="stele",instance="a",part="sync"}`]: '0' },
  },
  SteleLogLinesLost: {
    fires: { [`stele_log_lines_lost_total${A}`]: '0+1' },
    quiet: { [`stele_log_lines_lost_total${A}`]: '3' },
  },
  SteleArchiveTrouble: {
    fires: {
      'stele_archive_trouble{instance="a"}': '1',
      'stele_archive_trouble{instance="b"}': '0',
    },
    quiet: { 'stele_archive_trouble{instance="a"}': '0' },
  },
  SteleCertificateExpires: {
    fires: { 'stele_tls_certificate_expiry_seconds{certificate="own"}': '1209599' },
    quiet: { 'stele_tls_certificate_expiry_seconds{certificate="own"}': '1209600' },
  },
  SteleCertificateNotUsed: {
    fires: { [`stele_tls_reload_failed${A}`]: '1' },
    quiet: { [`stele_tls_reload_failed${A}`]: '0' },
  },
  SteleAttemptsRefused: {
    fires: { 'stele_refused_total{door="http"}': '0+61' },
    quiet: { 'stele_refused_total{door="http"}': '0+59', 'stele_refused_total{door="resp"}': '5' },
  },
  SteleAuditLogFailed: {
    fires: { [`stele_audit_log_failed${A}`]: '0', [`stele_audit_lines_lost_total${A}`]: '0+1' },
    quiet: { [`stele_audit_log_failed${A}`]: '0', [`stele_audit_lines_lost_total${A}`]: '2' },
  },
};
