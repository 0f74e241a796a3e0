// Names and numbers, branded so that one is never passed for another.
//
// For each there is one function that makes it from outside input and reports bad input.

import { randomBytes } from 'node:crypto';
import { SteleError } from './errors.ts';
import { KEYSPACE_NAME_BYTES_MAX, SHARD_COUNT_MAX } from './limits.ts';

declare const brand: unique symbol;
export type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

export type KeyspaceName = Branded<string, 'KeyspaceName'>;
export type NodeId = Branded<string, 'NodeId'>;
/** 16 hex digits that identify a keyspace for life; also the name of its folder on a datanode. */
export type KeyspaceUid = Branded<string, 'KeyspaceUid'>;
/** 1, 2, 3 ... within a keyspace. */
export type Version = Branded<number, 'Version'>;
/** One run of a datanode process: 16 random hex digits. */
export type Incarnation = Branded<string, 'Incarnation'>;

const KEYSPACE_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
const UID_PATTERN = /^[0-9a-f]{16}$/;
const NODE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

/**
 * A keyspace's name: letters, digits, `_`, `.` and `-`, at most 64, not starting with `.` or `-`.
 */
export function keyspaceName(text: string): KeyspaceName {
  if (text.length <= KEYSPACE_NAME_BYTES_MAX && KEYSPACE_PATTERN.test(text)) {
    return text as KeyspaceName;
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a keyspace name: use 1 to ${KEYSPACE_NAME_BYTES_MAX} letters, digits, '_', '-' or '.', starting with a letter, digit or '_'.`,
  );
}

/**
 * Like keyspaceName, for a new keyspace: refuses names of digits alone, which SELECT and `-n` take
 * for the index of a keyspace. Existing keyspaces with such names stay readable by name everywhere
 * else.
 */
export function newKeyspaceName(text: string): KeyspaceName {
  if (!/^[0-9]+$/.test(text)) return keyspaceName(text);
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' cannot be the name of a new keyspace: SELECT takes a number for the index of a keyspace. Use a name with a letter in it, such as 'ks${shorten(text, 50)}'.`,
  );
}

/**
 * The keyspace index in an argument of SELECT; undefined if it is a name. A number is always an
 * index.
 */
export function keyspaceIndex(nameOrIndex: string): number | undefined {
  return /^(?:0|[1-9][0-9]{0,8})$/.test(nameOrIndex) ? Number(nameOrIndex) : undefined;
}

/**
 * A datanode's name: letters, digits, `_`, `.` and `-`, at most 63, starting with a letter or
 * digit.
 */
export function nodeId(text: string): NodeId {
  if (NODE_PATTERN.test(text)) return text as NodeId;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a datanode id: use 1 to 63 letters, digits, '_', '-' or '.', starting with a letter or digit.`,
  );
}

/** Validates a keyspace uid from outside. Uids become parts of paths. */
export function parseKeyspaceUid(text: string): KeyspaceUid {
  if (UID_PATTERN.test(text)) return text as KeyspaceUid;
  throw new SteleError('INVALID_ARGUMENT', `'${shorten(text)}' is not the uid of a keyspace.`);
}

/** A version number, from a number or its decimal text. */
export function version(input: number | string): Version {
  const value = typeof input === 'string' && /^[0-9]{1,15}$/.test(input) ? Number(input) : input;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) {
    return value as Version;
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(String(input))}' is not a version: use 1, 2, 3 ...`,
  );
}

/** Parses a shard number. Does not check it against the cluster's shard count; the master does. */
export function shardNumber(text: string): number {
  if (/^[0-9]{1,5}$/.test(text) && Number(text) < SHARD_COUNT_MAX) return Number(text);
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not a shard: use 0 to ${SHARD_COUNT_MAX - 1}.`,
  );
}

export function newIncarnation(): Incarnation {
  return randomBytes(8).toString('hex') as Incarnation;
}

/** A random id of 16 hex digits, for loads and requests. */
export function randomId(): string {
  return randomBytes(8).toString('hex');
}

/** `a, b and 3 more`: the first `namesMax` of them, with commas. */
export function listNames(names: readonly (string | number)[], namesMax: number): string {
  const shown = names.slice(0, namesMax).join(', ');
  return names.length > namesMax ? `${shown} and ${names.length - namesMax} more` : shown;
}

/** The first `max` characters of user input, without control characters, for use in messages. */
export function shorten(text: string, max = 60): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach a terminal
  const printable = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return printable.length <= max ? printable : `${printable.slice(0, max)}...`;
}
