// Schemas of the responses, for the OpenAPI document at /docs/json. They only describe: a response
// is serialised as it is. A test requests every status of every route and validates the responses
// against these schemas.

import {
  TEXT,
  COUNT,
  FLAG,
  TEXT_OR_NULL,
  TEXTS,
  NODE_STATE,
  HEALTH_WORD,
  SLOTS,
  object,
  orNull,
  arrayOf,
} from './schema-parts.ts';
import type { Schema } from './schema-parts.ts';
import { KEYSPACE, MAYBE_NO_LEADER, TIER, VERSION, ofLeader } from './keyspace-schemas.ts';

const ADDRESS = object({ host: TEXT, http_port: COUNT, resp_port: COUNT, grpc_port: COUNT });
const READS_BY_OUTCOME = { found: COUNT, not_found: COUNT, value_bytes: COUNT, cache_hits: COUNT };
const READS = object({
  ...READS_BY_OUTCOME,
  failed: COUNT,
  latency: arrayOf(COUNT),
  keyspaces: arrayOf(
    object({
      keyspace: orNull(TEXT),
      ...READS_BY_OUTCOME,
      disk_cache_hits: COUNT,
      disk_cache_misses: COUNT,
    }),
  ),
});
const NODE_READS = object({
  id: TEXT,
  incarnation: TEXT,
  trouble: orNull(TEXT),
  reads: orNull(READS),
});
const MASTER = object({
  address: TEXT,
  leads: FLAG,
  since: orNull(TEXT),
  epoch: COUNT,
  view_lag: COUNT,
  trouble: orNull(TEXT),
  release: orNull(TEXT),
});

const WARMING = object({
  segments_done: COUNT,
  segments_total: COUNT,
  bytes_done: COUNT,
  bytes_total: COUNT,
});

const NODE = object({
  id: TEXT,
  state: NODE_STATE,
  incarnation: TEXT,
  address: orNull(ADDRESS),
  zone: TEXT,
  weight: ofLeader({ type: 'number' }),
  progress: ofLeader({ type: 'number' }),
  replicas: ofLeader(COUNT),
  segment_bytes: ofLeader(COUNT),
  memory_limit_bytes: ofLeader(COUNT),
  resident_bytes: ofLeader(COUNT),
  disk_tier_bytes: ofLeader(COUNT),
  index_bytes: ofLeader(COUNT),
  cache_bytes: ofLeader(COUNT),
  accounted_bytes: ofLeader(COUNT),
  warming: orNull(WARMING),
  disk_free_bytes: ofLeader(COUNT),
  lookups_total: ofLeader(COUNT),
  silent_ms: ofLeader(COUNT),
  trouble: ofLeader(TEXT),
  drain_left: ofLeader(COUNT),
  view_lag: ofLeader(COUNT),
  virtual_nodes: ofLeader(COUNT),
  release: orNull(TEXT),
});
const HOT_KEY = object({
  key: TEXT,
  encoding: TEXT,
  reads_per_second: { type: 'number' },
  value_bytes: orNull(COUNT),
});
const HOT_KEYS = object({
  keyspace: TEXT,
  reads_per_second: { type: 'number' },
  hottest: arrayOf(HOT_KEY),
  largest: arrayOf(HOT_KEY),
  unanswered: TEXTS,
});
const SIZES = orNull(object({ p50: COUNT, p90: COUNT, p99: COUNT, largest: COUNT }));
const COST = object({
  keyspace: TEXT,
  version: COUNT,
  records: COUNT,
  key_bytes: COUNT,
  value_bytes: COUNT,
  tier: TIER,
  suspended: FLAG,
  copies: COUNT,
  versions: COUNT,
  tiers: arrayOf(
    object({
      tier: TIER,
      memory_bytes: COUNT,
      disk_bytes: COUNT,
      memory_bytes_per_record: { type: 'number' },
      disk_bytes_per_record: { type: 'number' },
    }),
  ),
  changes: arrayOf(
    object({ change: TEXT, memory_bytes: { type: 'number' }, disk_bytes: { type: 'number' } }),
  ),
  sampled: COUNT,
  key_sizes: SIZES,
  value_sizes: SIZES,
  reads_per_second: { type: 'number' },
  hit_ratio: orNull({ type: 'number' }),
  unanswered: TEXTS,
});
const HEALTH = object(
  {
    status: HEALTH_WORD,
    ready: FLAG,
    reasons: TEXTS,
    warnings: TEXTS,
    replication: object({ target: COUNT, effective: COUNT, least: ofLeader(COUNT) }),
    copies: ofLeader(object({ running: COUNT, failing: COUNT })),
    nodes: arrayOf(NODE),
    shards: object({
      total: COUNT,
      active: COUNT,
      under_replicated: ofLeader(COUNT),
      uncovered: arrayOf(
        object({
          shard: COUNT,
          slots: SLOTS,
          keyspaces: TEXTS,
        }),
      ),
    }),
    epoch: COUNT,
    formats: ofLeader(object({ segment: COUNT, catalog: COUNT })),
  },
  MAYBE_NO_LEADER,
);
const SHARD = object({
  shard: COUNT,
  slots: SLOTS,
  owners: ofLeader(TEXTS),
  holders: TEXTS,
  status: HEALTH_WORD,
  records: ofLeader(COUNT),
  bytes: ofLeader(COUNT),
});
const PLACEMENT = {
  shard: COUNT,
  owners: TEXTS,
  holders: TEXTS,
  served_by: TEXT_OR_NULL,
  segments: TEXTS,
  replicas: arrayOf(
    object({
      node: TEXT,
      owner: FLAG,
      holds: FLAG,
      state: NODE_STATE,
      reason: TEXT,
    }),
  ),
};
const EXPLAINED_KEY = object({
  keyspace: TEXT,
  version: COUNT,
  key: TEXT,
  slot: COUNT,
  ...PLACEMENT,
});
const EXPLAINED_SHARD = object({ keyspace: TEXT, version: COUNT, ...PLACEMENT });
const EVENT = object({
  number: COUNT,
  at: TEXT,
  what: TEXT,
  keyspace: TEXT_OR_NULL,
  node: TEXT_OR_NULL,
  load: TEXT_OR_NULL,
  from: TEXT_OR_NULL,
  to: TEXT_OR_NULL,
  reason: TEXT_OR_NULL,
  door: TEXT,
  address: TEXT_OR_NULL,
  who: TEXT_OR_NULL,
});

const AUDIT_ENTRY = object({
  time: TEXT,
  process: TEXT,
  who: TEXT,
  from: TEXT,
  door: TEXT,
  what: TEXT,
  keyspace: TEXT_OR_NULL,
  about: TEXT_OR_NULL,
  result: TEXT,
  count: COUNT,
  request_id: TEXT_OR_NULL,
});

const LOAD = object({
  id: TEXT,
  keyspace: TEXT,
  state: TEXT,
  mode: {
    type: 'string',
    enum: ['replace', 'append'],
  },
  source: TEXT,
  input: TEXT_OR_NULL,
  owner: orNull(
    object({
      host: TEXT,
      pid: COUNT,
      user: TEXT,
    }),
  ),
  stage: TEXT_OR_NULL,
  rows: COUNT,
  rejected: COUNT,
  bytes_done: COUNT,
  bytes_total: COUNT,
  shards_done: COUNT,
  shards_total: COUNT,
  version: { type: ['integer', 'null'] },
  records: COUNT,
  digest: TEXT,
  started_at: TEXT,
  ended_at: TEXT_OR_NULL,
  reason: TEXT_OR_NULL,
  silent_ms: COUNT,
});
const RIGHT = { type: 'string', enum: ['read', 'load', 'operate', 'admin'] } as const;
const SESSION = object({
  auth: FLAG,
  user: TEXT_OR_NULL,
  rights: arrayOf(RIGHT),
  keyspaces: arrayOf(object({ name: TEXT, rights: arrayOf(RIGHT) })),
});
const STATS = object({
  role: { type: 'string', enum: ['master', 'query'] },
  version: TEXT,
  uptime_ms: COUNT,
  resident_bytes: COUNT,
  reads: object({ found: COUNT, not_found: COUNT, failed: COUNT, latency: arrayOf(COUNT) }),
  keys: COUNT,
  cache: object({ hits: COUNT, misses: COUNT, entries: COUNT, bytes: COUNT, bytes_max: COUNT }),
  retries: COUNT,
  hedges: COUNT,
  unavailable: COUNT,
  traffic: arrayOf(
    object({ protocol: TEXT, connections: COUNT, bytes_in: COUNT, bytes_out: COUNT }),
  ),
  nodes: arrayOf(object({ id: TEXT, in_flight: COUNT, latency_ms: { type: 'number' } })),
});
const DIFF_VALUE = orNull(object({ value: TEXT, bytes: COUNT }));
const DIFF = object({
  keyspace: TEXT,
  from: COUNT,
  to: COUNT,
  added: COUNT,
  removed: COUNT,
  changed: COUNT,
  shards: object({
    compared: COUNT,
    total: COUNT,
  }),
  samples: arrayOf(
    object({
      kind: {
        type: 'string',
        enum: ['added', 'removed', 'changed', 'unknown'],
      },
      key: TEXT,
      from: DIFF_VALUE,
      to: DIFF_VALUE,
    }),
  ),
});
const ENCODING = { type: 'string', enum: ['utf8', 'base64'] } as const;
const VALUE = object({ keyspace: TEXT, version: COUNT, encoding: ENCODING, value: TEXT });
const RESULT = object(
  {
    key: TEXT,
    status: { type: 'string', enum: ['OK', 'NOT_FOUND', 'UNAVAILABLE'] },
    value: TEXT_OR_NULL,
  },
  { encoding: { type: 'string', enum: ['base64'], description: 'Where the value is no UTF-8.' } },
);
const LOOKED_UP = object({ version: COUNT, results: arrayOf(RESULT) });
const FOUND = object({ status: { type: 'string', enum: ['SUCCESS'] }, value: TEXT });
const MISSING = object({
  status: { type: 'string', enum: ['NOT_FOUND'] },
  value: { type: 'null' },
});
const CHANGED = object({ keyspace: TEXT, version: COUNT, from: COUNT });

/** RFC 9457, with Stele's code; `health` if a wait for health timed out. */
const PROBLEM = object(
  { type: TEXT, title: TEXT, status: COUNT, detail: TEXT, code: TEXT, requestId: TEXT },
  { health: HEALTH },
);

function bodies(description: string, content: Readonly<Record<string, Schema>>): Schema {
  const entries = Object.entries(content).map(([type, schema]) => [type, { schema }]);
  return { description, content: Object.fromEntries(entries) as Schema };
}

function answers(schema: Schema): Schema {
  return bodies('As asked', { 'application/json': schema });
}

const PROBLEMS = {
  '4xx': bodies('The request cannot be answered; `code` says why', {
    'application/problem+json': PROBLEM,
  }),
  '5xx': bodies('It cannot be answered now; `code` says why', {
    'application/problem+json': PROBLEM,
  }),
};

const withProblems = (schema: Schema) => ({ 200: answers(schema), ...PROBLEMS });
const UNCHANGED = { description: 'It is what `if-none-match` names', type: 'null' } as const;
const tagged = (schema: Schema) => ({ 304: UNCHANGED, ...withProblems(schema) });
const plainText = (description: string) => bodies(description, { 'text/plain': TEXT });

/** The `response` of each route's schema. */
export const RESPONSES = {
  value: {
    200: bodies('The bytes of the value; as JSON where `accept` asks for that and for no other', {
      'application/octet-stream': { type: 'string', format: 'binary' },
      'application/json': VALUE,
    }),
    304: UNCHANGED,
    ...PROBLEMS,
  },
  lookup: withProblems(LOOKED_UP),
  legacyValue: {
    ...withProblems(FOUND),
    404: bodies('No such key; or, as a problem, no such keyspace', {
      'application/json': MISSING,
      'application/problem+json': PROBLEM,
    }),
  },
  session: withProblems(SESSION),
  stats: withProblems(STATS),
  keyspaces: tagged(object({ keyspaces: arrayOf(KEYSPACE) }, MAYBE_NO_LEADER)),
  keyspace: withProblems(KEYSPACE),
  settings: withProblems(
    object(
      { keyspace: TEXT },
      {
        keep: COUNT,
        retired: arrayOf(COUNT),
        cache: FLAG,
        replication: COUNT,
        tier: TIER,
        to_move: orNull(object({ segments: COUNT, bytes: COUNT })),
      },
    ),
  ),
  createdKeyspace: withProblems(
    object({ keyspace: TEXT, uid: TEXT, shard_count: COUNT, cluster_id: TEXT, created: FLAG }),
  ),
  droppedKeyspace: withProblems(object({ keyspace: TEXT, dropped: FLAG })),
  suspension: withProblems(object({ keyspace: TEXT, suspended: FLAG })),
  versions: withProblems(object({ keyspace: TEXT, versions: arrayOf(VERSION) })),
  changedVersion: withProblems(CHANGED),
  droppedVersion: withProblems(object({ keyspace: TEXT, version: COUNT, dropped: FLAG })),
  diff: withProblems(DIFF),
  hotKeys: withProblems(HOT_KEYS),
  cost: withProblems(COST),
  events: {
    ...withProblems(object({ events: arrayOf(EVENT) })),
    200: bodies('The events; as a stream where `accept` asks for that', {
      'application/json': object({ events: arrayOf(EVENT) }),
      'text/event-stream': TEXT,
    }),
  },
  counters: withProblems(object({ nodes: arrayOf(NODE_READS), own: READS })),
  audit: withProblems(object({ entries: arrayOf(AUDIT_ENTRY) })),
  loads: withProblems(object({ loads: arrayOf(LOAD) })),
  load: withProblems(LOAD),
  health: withProblems(HEALTH),
  masters: withProblems(object({ masters: arrayOf(MASTER) })),
  shards: tagged(object({ shards: arrayOf(SHARD) }, MAYBE_NO_LEADER)),
  explainedKey: withProblems(EXPLAINED_KEY),
  explainedShard: withProblems(EXPLAINED_SHARD),
  nodes: withProblems(object({ nodes: arrayOf(NODE) }, MAYBE_NO_LEADER)),
  draining: withProblems(object({ id: TEXT, draining: FLAG })),
  removedNode: withProblems(object({ id: TEXT, removed: FLAG })),
  alive: { 200: plainText('It runs') },
  ready: { 200: plainText('Ready'), 503: plainText('Not ready') },
  metrics: { 200: plainText("Prometheus' text format") },
} as const;

/** The `querystring` of a route: text members, all optional. */
export function queryOf(members: Readonly<Record<string, string>>): Schema {
  const properties = Object.fromEntries(
    Object.entries(members).map(([name, description]) => [name, { type: 'string', description }]),
  );
  return { type: 'object', properties };
}
