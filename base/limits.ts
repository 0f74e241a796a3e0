// Every limit of Stele in one place, units last in the name, relations asserted below.

import assert from 'node:assert/strict';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

export const SLOT_COUNT = 16384;
export const SHARD_COUNT_DEFAULT = 128;
export const SHARD_COUNT_MAX = 4096;
export const REPLICATION_DEFAULT = 2;
export const REPLICATION_MAX = 7;
/** Weight of a datanode relative to the others. */
export const WEIGHT_MIN = 1;
export const WEIGHT_MAX = 100;

export const KEY_BYTES_MAX = 64 * KiB;
export const VALUE_BYTES_MAX = 64 * MiB;
export const KEYSPACE_NAME_BYTES_MAX = 64;
export const KEYSPACE_COUNT_MAX = 1024;

/**
 * Committed versions kept per keyspace. The current one and the rollback target are always kept.
 */
export const KEEP_DEFAULT = 2;
export const KEEP_MIN = 2;
export const KEEP_MAX = 100;
/** Keys that a load may require of its version, and the size of these keys and their values. */
export const REQUIRED_KEYS_MAX = 1000;
export const REQUIRED_KEYS_BYTES_MAX = 64 * KiB;
/**
 * The share of the current version's records that the next one may lack, unless the load sets
 * another.
 */
export const MAX_SHRINK_DEFAULT = 0.5;

export const SEGMENT_BYTES_MAX = 2 * GiB - 1;
/** 2^21 buckets of 12 records: bucket arithmetic stays exact in a double (segment/hash.ts). */
export const SEGMENT_RECORDS_MAX = 12 * 2 ** 21;

/** Registered datanodes. Beyond this, a client is registering at random. */
export const NODE_COUNT_MAX = 2000;
/** Changes that wait for the catalog's store: all datanodes may register at once, and some more. */
export const CATALOG_CHANGES_WAITING_MAX = 2 * NODE_COUNT_MAX;
/** Length of the names of hosts and zones. */
export const LABEL_CHARACTERS_MAX = 255;
/** Deltas per shard before they are merged into one segment. */
export const DELTAS_MAX = 4;
/** Deltas per shard while they wait to be merged. An append beyond this waits, too. */
export const DELTAS_WAITING_MAX = 16;
/** Samples of each kind in a diff of two versions. */
export const DIFF_SAMPLES_MAX = 1000;

/** Pattern of a SCAN. Matching costs up to key x pattern, so longer patterns are refused. */
export const SCAN_PATTERN_BYTES_MAX = 1024;
export const RESP_ARGUMENTS_MAX = 65_536;
export const RESP_INLINE_BYTES_MAX = 64 * KiB;
/** Unread reply bytes above which a client's requests are not read. */
export const RESP_OUTPUT_PAUSE_BYTES = 4 * MiB;
/** Bytes of one unfinished command that a connection may hold. */
export const RESP_QUERY_BYTES_MAX = 128 * MiB;
/** The same before a login, with --auth on; and arguments of a command then, as in Redis. */
export const RESP_STRANGER_QUERY_BYTES_MAX = 32 * KiB;
export const RESP_STRANGER_ARGUMENTS_MAX = 10;
export const CONNECTIONS_MAX_DEFAULT = 10_000;
/** A smaller cache of records of the disk tier is not worth its code. */
export const DISK_CACHE_BYTES_MIN = MiB;

export const LOOKUP_KEYS_MAX = 10_000;
/** Keys in one message of lookups; longer lookups are split. */
export const LOOKUP_BATCH_KEYS_MAX = 4096;
/** A reply batch is sent once it exceeds this; one value always fits. */
export const LOOKUP_REPLY_SOFT_BYTES = 1 * MiB;
/** Lookup keys in flight per datanode, beyond which the front refuses with OVERLOADED. */
export const LOOKUP_IN_FLIGHT_MAX = 200_000;
/** Request bytes in flight per datanode, beyond which the front refuses with OVERLOADED. */
export const LOOKUP_IN_FLIGHT_BYTES_MAX = 64 * MiB;

/** Size of a gRPC response. */
export const GRPC_MESSAGE_BYTES_MAX = 80 * MiB;
/** Size of a gRPC request; manifests are the largest. */
export const GRPC_REQUEST_BYTES_MAX = 16 * MiB;

export const CHUNK_BYTES_MIN = 64 * KiB;
export const CHUNK_BYTES_MAX = 512 * MiB;

assert(VALUE_BYTES_MAX + KEY_BYTES_MAX + MiB < GRPC_MESSAGE_BYTES_MAX);
assert(VALUE_BYTES_MAX + KEY_BYTES_MAX < RESP_QUERY_BYTES_MAX);
assert(VALUE_BYTES_MAX + KEY_BYTES_MAX < CHUNK_BYTES_MAX);
assert(SHARD_COUNT_MAX <= SLOT_COUNT);
