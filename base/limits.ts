// Every bound of Stele in one place, units last in the name, relations asserted below.

import assert from 'node:assert/strict';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const SLOT_COUNT = 16384;
export const SHARD_COUNT_DEFAULT = 128;
export const SHARD_COUNT_MAX = 4096;
export const REPLICATION_DEFAULT = 2;
export const REPLICATION_MAX = 7;
/** Of a datanode, beside the others. */
export const WEIGHT_MIN = 1;
export const WEIGHT_MAX = 100;

export const KEY_BYTES_MAX = 64 * KiB;
export const VALUE_BYTES_MAX = 64 * MiB;
export const KEYSPACE_NAME_BYTES_MAX = 64;
export const KEYSPACE_COUNT_MAX = 1024;

/** Committed versions of a keyspace: the current one and where a rollback goes are always kept. */
export const KEEP_DEFAULT = 2;
export const KEEP_MIN = 2;
export const KEEP_MAX = 100;
/** Keys that a load may require of its version, and their bytes with those of their values. */
export const REQUIRED_KEYS_MAX = 1000;
export const REQUIRED_KEYS_BYTES_MAX = 64 * KiB;
/** What of the current version may be missing in the next one, where the load does not say. */
export const MAX_SHRINK_DEFAULT = 0.5;

export const SEGMENT_BYTES_MAX = 2 * GiB - 1;
/** Two to the 21 buckets of 12 records: bucket arithmetic stays exact in a double (segment/hash.ts). */
export const SEGMENT_RECORDS_MAX = 12 * 2 ** 21;

/** Registered datanodes: more is a client that registers at random. */
export const NODE_COUNT_MAX = 2000;
/** Changes that wait for the catalog's store: all datanodes at once may register, and some more. */
export const CATALOG_CHANGES_WAITING_MAX = 2 * NODE_COUNT_MAX;
/** Of names of hosts and zones. */
export const LABEL_CHARACTERS_MAX = 255;
/** Deltas on a shard's base; with more of them they are merged into one segment. */
export const DELTAS_MAX = 4;
/** Deltas that a shard may have while they wait to be merged; an append of more waits, too. */
export const DELTAS_WAITING_MAX = 16;
/** Samples of each kind in the difference of two versions. */
export const DIFF_SAMPLES_MAX = 1000;

/** Of the pattern of a SCAN: matching costs at most key x pattern, so longer ones are mistakes. */
export const SCAN_PATTERN_BYTES_MAX = 1024;
export const RESP_ARGUMENTS_MAX = 65_536;
export const RESP_INLINE_BYTES_MAX = 64 * KiB;
/** Bytes of replies a client may leave unread before it stops being read. */
export const RESP_OUTPUT_PAUSE_BYTES = 4 * MiB;
/** Bytes of one unfinished command that a connection may hold. */
export const RESP_QUERY_BYTES_MAX = 128 * MiB;
export const CONNECTIONS_MAX_DEFAULT = 10_000;

export const LOOKUP_KEYS_MAX = 10_000;
/** Keys in one message of lookups; longer lookups are split. */
export const LOOKUP_BATCH_KEYS_MAX = 4096;
/** A reply batch is cut once it holds this much; one value always fits. */
export const LOOKUP_REPLY_SOFT_BYTES = 1 * MiB;
/** Lookup keys in flight per datanode before the front refuses with OVERLOADED. */
export const LOOKUP_IN_FLIGHT_MAX = 200_000;
/** The same in bytes of requests. */
export const LOOKUP_IN_FLIGHT_BYTES_MAX = 64 * MiB;

/** A message in answer to a call. */
export const GRPC_MESSAGE_BYTES_MAX = 80 * MiB;
/** A message that a server takes: manifests are the largest. */
export const GRPC_REQUEST_BYTES_MAX = 16 * MiB;

export const CHUNK_BYTES_MIN = 64 * KiB;
export const CHUNK_BYTES_MAX = 512 * MiB;

assert(VALUE_BYTES_MAX + KEY_BYTES_MAX + MiB < GRPC_MESSAGE_BYTES_MAX);
assert(VALUE_BYTES_MAX + KEY_BYTES_MAX < RESP_QUERY_BYTES_MAX);
assert(VALUE_BYTES_MAX + KEY_BYTES_MAX < CHUNK_BYTES_MAX);
assert(SHARD_COUNT_MAX <= SLOT_COUNT);
