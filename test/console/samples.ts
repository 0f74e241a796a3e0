// Answers of a small cluster, for tests of what the console makes of them.

import type { Health, Keyspace, Load, Node, Stats, Version } from '../../console/api/shapes.ts';

export const NODE: Node = {
  id: 'node-0',
  state: 'SERVING',
  address: { host: '127.0.0.1', http_port: 1, resp_port: 2, grpc_port: 3 },
  zone: '',
  weight: 1,
  progress: 1,
  replicas: 8,
  segment_bytes: 1000,
  memory_limit_bytes: 10_000,
  resident_bytes: 2000,
  disk_free_bytes: 5000,
  lookups_total: 100,
  silent_ms: 0,
  trouble: '',
  drain_left: 0,
  view_lag: 0,
};

export const HEALTH: Health = {
  status: 'green',
  ready: true,
  reasons: [],
  replication: { target: 2, effective: 2, least: 2 },
  copies: { running: 0, failing: 0 },
  nodes: [NODE, { ...NODE, id: 'node-1' }, { ...NODE, id: 'node-2' }],
  shards: { total: 8, active: 8, under_replicated: 0, uncovered: [] },
  epoch: 1,
};

export const KEYSPACE: Keyspace = {
  name: 'geo',
  index: 1,
  state: 'RUNNING',
  repairing: null,
  current_version: 2,
  records: 1000,
  key_bytes: 5000,
  value_bytes: 20_000,
  segment_bytes: 30_000,
  replication: 2,
  committed_at: '2026-01-01T00:00:00.000Z',
  keep: 2,
  cache: true,
};

export const VERSION: Version = {
  version: 2,
  current: true,
  state: 'COMMITTED',
  records: 1000,
  key_bytes: 5000,
  value_bytes: 20_000,
  segment_bytes: 30_000,
  digest: '00',
  source: 'geo.csv',
  input: null,
  committed_at: '2026-01-01T00:00:00.000Z',
  current_since: null,
  current_by: null,
  load_id: '0000000000000000',
  rollback_target: false,
  reason: null,
  gate: null,
  append: null,
  deltas: 0,
};

export const LOAD: Load = {
  id: '0000000000000000',
  keyspace: 'geo',
  state: 'RUNNING',
  mode: 'replace',
  source: 'geo.csv',
  input: null,
  owner: null,
  stage: 'parse',
  rows: 10,
  rejected: 0,
  bytes_done: 250,
  bytes_total: 1000,
  shards_done: 0,
  shards_total: 8,
  version: null,
  records: 0,
  started_at: '2026-01-01T00:00:00.000Z',
  ended_at: null,
  reason: null,
  silent_ms: 0,
};

export const STATS: Stats = {
  role: 'master',
  version: '0.1.0',
  uptime_ms: 10_000,
  resident_bytes: 1,
  reads: { found: 10, not_found: 5, failed: 0, latency: [5, 0, 0, 0, 5, 0, 0, 0, 5] },
  keys: 15,
  cache: { hits: 5, misses: 10, entries: 1, bytes: 1, bytes_max: 100 },
  retries: 0,
  hedges: 0,
  unavailable: 0,
  traffic: [{ protocol: 'http', connections: 1, bytes_in: 100, bytes_out: 1000 }],
  nodes: [],
};
