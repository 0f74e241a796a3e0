// SCAN's cursor: the progress of a scan, as a number that every client can store.
//
//   bit 52           36 35        24 23                 0
//      +---------------+------------+--------------------+
//      | snapshot      | shard      | position           |
//      +---------------+------------+--------------------+
//      uid 7, version 10
//
//   snapshot   7 bits of the keyspace's uid and 10 of the version: the dataset that is scanned. A scan
//              stays with the version that it began with, as long as that is kept. If it is gone, or the
//              cursor is used in another keyspace, no dataset has this snapshot, which is an error.
//   shard      the shard with which the next call continues
//   position   the place in the shard: the upper 24 bits of a key's hash, so that it means the same on
//              every node and in every segment (datanode/reads/shard-records.ts)
//
// 0 is both the start and the end; no cursor in between is 0, because it is past the first
// position. A cursor has 53 bits, although the protocol has 64, because some clients keep cursors
// in a double or a signed integer.
//
// The server keeps no state between two calls. A forged cursor only starts somewhere else.

import assert from 'node:assert/strict';
import { SteleError } from '../../base/errors.ts';
import { SHARD_COUNT_MAX } from '../../base/limits.ts';

/** Positions in a shard: 0 .. POSITION_COUNT - 1. */
export const POSITION_COUNT = 2 ** 24;
const SHARD_COUNT = 2 ** 12;
const VERSION_COUNT = 2 ** 10;
const UID_COUNT = 2 ** 7;
const UINT64_COUNT = 2n ** 64n;

assert(SHARD_COUNT_MAX <= SHARD_COUNT);
assert(POSITION_COUNT * SHARD_COUNT * VERSION_COUNT * UID_COUNT - 1 === Number.MAX_SAFE_INTEGER);

/**
 * A place in a dataset: after all earlier shards, and after all earlier positions of this shard.
 */
export interface ScanPlace {
  readonly shard: number;
  readonly position: number;
}

export interface ScanCursor extends ScanPlace {
  /** See `snapshotOf`. Undefined for the cursor 0 and for the end. */
  readonly snapshot: number | undefined;
}

/**
 * The number that identifies a version of a keyspace in cursors. `keyspaceUid` is 16 hex digits.
 */
export function snapshotOf(keyspaceUid: string, version: number): number {
  const uidBits = Number.parseInt(keyspaceUid.slice(0, 2), 16) % UID_COUNT;
  return uidBits * VERSION_COUNT + (version % VERSION_COUNT);
}

/** The cursor of `place`, which must not be the start. */
export function encodeCursor(snapshot: number, { shard, position }: ScanPlace): string {
  assert(shard + position > 0 && shard < SHARD_COUNT && position < POSITION_COUNT);
  return String((snapshot * SHARD_COUNT + shard) * POSITION_COUNT + position);
}

/**
 * Decodes any number that Redis accepts (C's strtoul: nothing is 0, -1 is 2^64 - 1). Beyond 53 bits
 * the scan is at its end. Throws INVALID_ARGUMENT with Redis's message for anything else.
 */
export function decodeCursor(text: string): ScanCursor {
  const value = cursorNumber(text);
  if (value > Number.MAX_SAFE_INTEGER) {
    return { snapshot: undefined, shard: SHARD_COUNT, position: 0 };
  }
  if (value === 0) return { snapshot: undefined, shard: 0, position: 0 };
  const shards = Math.floor(value / POSITION_COUNT);
  return {
    snapshot: Math.floor(shards / SHARD_COUNT),
    shard: shards % SHARD_COUNT,
    position: value % POSITION_COUNT,
  };
}

function cursorNumber(text: string): number {
  const { digits, sign } = /^(?:(?<sign>[+-]?)0*(?<digits>[0-9]{1,20})|)$/.exec(text)?.groups ?? {};
  if (digits === undefined && text !== '') throw invalidCursor();
  const magnitude = BigInt(digits ?? 0);
  if (magnitude >= UINT64_COUNT) throw invalidCursor();
  return Number(sign === '-' && magnitude > 0n ? UINT64_COUNT - magnitude : magnitude);
}

function invalidCursor(): SteleError {
  return new SteleError('INVALID_ARGUMENT', 'invalid cursor');
}

/**
 * The version of a keyspace that `cursor` scans: the one it pins, or the current one at the start.
 * Throws VERSION_NOT_FOUND if it is no longer kept.
 */
export function versionOfCursor(
  cursor: ScanCursor,
  keyspace: {
    readonly uid: string;
    readonly currentVersion: number;
    readonly versions: readonly number[];
  },
): number {
  if (cursor.snapshot === undefined) return keyspace.currentVersion;
  for (const version of keyspace.versions) {
    if (snapshotOf(keyspace.uid, version) === cursor.snapshot) return version;
  }
  throw new SteleError(
    'VERSION_NOT_FOUND',
    'the version that this cursor scans is gone (or it is a cursor of another keyspace); begin again with cursor 0',
  );
}
