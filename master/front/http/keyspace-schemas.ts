// Schemas of keyspaces and their versions, and of answers from the last view (schemas.ts).

import { TIER_WORDS } from '../../../proto/view-words.ts';
import { COUNT, FLAG, TEXT, TEXT_OR_NULL, arrayOf, object, orNull } from './schema-parts.ts';

/** Null in an answer from the last view (`no_leader`), because only a leader knows it. */
export const ofLeader = orNull;
const NO_LEADER = object({ reason: TEXT, since: orNull(TEXT) });
export const MAYBE_NO_LEADER = { no_leader: NO_LEADER };

const REPAIRING = object({
  from: TEXT,
  error: TEXT,
  attempts: COUNT,
  next_retry_at: TEXT,
  needs_person: FLAG,
});
export const TIER = { type: 'string', enum: TIER_WORDS };
const TIER_MOVE = object({
  segments_left: COUNT,
  bytes_left: COUNT,
  nodes_unknown: COUNT,
  failure: TEXT_OR_NULL,
});
const DATA_COUNTS = { records: COUNT, key_bytes: COUNT, value_bytes: COUNT, segment_bytes: COUNT };
export const KEYSPACE = object(
  {
    name: TEXT,
    uid: TEXT,
    index: COUNT,
    state: TEXT,
    repairing: orNull(REPAIRING),
    current_version: COUNT,
    records: COUNT,
    key_bytes: ofLeader(COUNT),
    value_bytes: ofLeader(COUNT),
    segment_bytes: ofLeader(COUNT),
    digest: ofLeader(TEXT),
    replication: ofLeader(COUNT),
    created_at: ofLeader(TEXT),
    committed_at: TEXT_OR_NULL,
    keep: ofLeader(COUNT),
    cache: FLAG,
    tier: TIER,
    tier_move: orNull(TIER_MOVE),
  },
  MAYBE_NO_LEADER,
);
const GATE = object({
  expect_rows: { type: ['integer', 'null'] },
  expect_tolerance: { type: 'number' },
  min_rows: { type: ['integer', 'null'] },
  max_shrink: { type: ['number', 'null'] },
  require_keys: arrayOf(object({ key: TEXT, value: TEXT_OR_NULL })),
});
const APPEND = object({ base_version: COUNT, added: COUNT, replaced: COUNT, unchanged: COUNT });
export const VERSION = object({
  current_since: TEXT_OR_NULL,
  current_by: TEXT_OR_NULL,
  version: COUNT,
  current: FLAG,
  state: TEXT,
  ...DATA_COUNTS,
  digest: TEXT,
  source: TEXT,
  input: TEXT_OR_NULL,
  committed_at: TEXT,
  load_id: TEXT,
  rollback_target: FLAG,
  reason: TEXT_OR_NULL,
  gate: orNull(GATE),
  append: orNull(APPEND),
  deltas: COUNT,
});
