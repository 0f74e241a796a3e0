// Reads all keys of one version: page by page, shard by shard, each page from any replica of its
// shard.
//
// Invariants: the version is chosen when the scan starts, and stays the same; every matching key of
// it is returned exactly once (a page ends between two positions, which mean the same on every
// node); a scan whose version is no longer kept ends with VERSION_NOT_FOUND, never as if it were
// complete.

import { linkAbort } from '../base/abort.ts';
import { sleep } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { ScanKeysResponse } from '../proto/gen/stele/v1/datanode.ts';
import type { ReplicaCaller } from '../routing/replica-caller.ts';
import type { LookupTarget, Router } from '../routing/router.ts';
import { checkDeadline, throwIfEnded } from './read-options.ts';
import type { ClientScope, ReadOptions } from './read-options.ts';

export interface ScanOptions extends ReadOptions {
  /** Only keys with this prefix. Excludes `match`. */
  readonly prefix?: string | Uint8Array;
  /** Only keys that match a glob in Redis's syntax: `*`, `?`, `[a-c]`, `\x`. */
  readonly match?: string | Uint8Array;
  /** Records that a datanode reads for one page; default 1,000, at most 10,000. */
  readonly count?: number;
}

export interface ScanParts {
  readonly router: Router;
  readonly caller: ReplicaCaller;
  readonly scope: ClientScope;
  readonly nowMs: Clock;
}

const COUNT_DEFAULT = 1000;
const COUNT_MAX = 10_000;
/** For one page, including retries. */
const PAGE_DEADLINE_MS_DEFAULT = 5000;
const RETRY_PAUSE_MS = 25;

interface ScanRequest {
  readonly target: LookupTarget;
  readonly pattern: Buffer;
  readonly recordsMax: number;
  readonly deadlineMs: number;
}

/** See SteleClient.scan. Throws INVALID_ARGUMENT at the first step. */
export async function* scanVersion(
  parts: ScanParts,
  target: LookupTarget,
  options: ScanOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { signal } = options;
  const wanted = requestOf(target, options);
  // Also aborted when the caller leaves the scan, so that the page in flight is cancelled.
  const linked = linkAbort(signal, parts.scope.closing);
  const request = { ...wanted, signal: linked.signal };
  const { shardCount } = parts.router.table;
  try {
    let [shard, position] = [0, 0];
    let coming = pageAt(parts, request, shard, position);
    while (shard < shardCount) {
      const page = await coming;
      if (page.nextShard < shard || (page.nextShard === shard && page.nextPosition <= position)) {
        throw new SteleError('INTERNAL', `A scan stood still at shard ${shard}, ${position}.`);
      }
      [shard, position] = [page.nextShard, page.nextPosition];
      // The next page is fetched while the caller processes this one.
      if (shard < shardCount) coming = started(pageAt(parts, request, shard, position));
      for (const key of page.keys) {
        throwIfEnded(parts.scope, signal);
        yield Buffer.from(key);
      }
    }
  } finally {
    linked.end();
  }
}

/**
 * Marks the promise as handled: its failure is reported where it is awaited, which may be later or
 * never.
 */
function started<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined);
  return promise;
}

/**
 * One page. Retries until its deadline, because a failing node may be replaced in the next view.
 */
async function pageAt(
  { caller, nowMs, router, scope }: ScanParts,
  request: ScanRequest & { readonly signal: AbortSignal },
  shard: number,
  position: number,
): Promise<ScanKeysResponse> {
  const { deadlineMs, pattern, recordsMax, signal, target } = request;
  const { keyspaceUid, version } = target;
  const asked = { keyspaceUid, version, shard, position, skipMissing: false, recordsMax, pattern };
  const deadlineAtMs = nowMs() + deadlineMs;
  for (;;) {
    throwIfEnded(scope, signal);
    checkKept(router, target);
    try {
      return await caller.ask(
        shard,
        deadlineAtMs,
        (link, expectNode, call) => link.scanKeys({ ...asked, expectNode }, call),
        signal,
      );
    } catch (thrown) {
      throwIfEnded(scope, signal);
      const error = toSteleError(thrown);
      if (!error.retryable || nowMs() >= deadlineAtMs) throw error;
    }
    await sleep(RETRY_PAUSE_MS, signal);
  }
}

/** Throws VERSION_NOT_FOUND, KEYSPACE_NOT_FOUND, SUSPENDED. */
function checkKept(router: Router, target: LookupTarget): void {
  const { keyspace, version } = target;
  try {
    if (router.target(keyspace, version).keyspaceUid === target.keyspaceUid) return;
  } catch (thrown) {
    const error = toSteleError(thrown);
    if (error.code !== 'VERSION_NOT_FOUND') throw error;
  }
  throw new SteleError(
    'VERSION_NOT_FOUND',
    `Version ${version} of '${keyspace}', which this scan reads, is not kept any more; begin the scan again.`,
  );
}

function requestOf(target: LookupTarget, options: ScanOptions): ScanRequest {
  const { count = COUNT_DEFAULT, deadlineMs = PAGE_DEADLINE_MS_DEFAULT } = options;
  checkDeadline(deadlineMs);
  if (!Number.isInteger(count) || count < 1) {
    throw new SteleError('INVALID_ARGUMENT', `'count' is ${count}; give a whole number above 0.`);
  }
  const recordsMax = Math.min(count, COUNT_MAX);
  return { target, pattern: patternOf(options), recordsMax, deadlineMs };
}

const SPECIAL = new Set(Buffer.from('*?[]\\^-'));
const BACKSLASH = 0x5c;
const STAR = 0x2a;

/** An empty pattern matches every key. */
function patternOf({ match, prefix }: ScanOptions): Buffer {
  if (match !== undefined && prefix !== undefined) {
    throw new SteleError('INVALID_ARGUMENT', `Give 'prefix' or 'match', not both.`);
  }
  if (match !== undefined) return bytesOf(match);
  const pattern: number[] = [];
  for (const byte of prefix === undefined ? [] : bytesOf(prefix)) {
    if (SPECIAL.has(byte)) pattern.push(BACKSLASH);
    pattern.push(byte);
  }
  return pattern.length === 0 ? Buffer.alloc(0) : Buffer.from([...pattern, STAR]);
}

function bytesOf(text: string | Uint8Array): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : Buffer.from(text);
}
