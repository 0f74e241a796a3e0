// A client of etcd's gRPC API (3.4 and later): keys, transactions, leases, watches. It knows
// nothing of what is stored.
//
// Rules of outcomes (calls.ts, outcomes.ts):
//
//   - Every call has a deadline, in all its attempts together.
//   - Reads, renewals and idempotent changes are repeated on the next endpoint until then.
//   - A transaction that writes is repeated only where it certainly did not reach etcd's log: without
//     a connection, or after an error that etcd gives before it proposes anything. After any other
//     failure it is OUTCOME_UNKNOWN. A transaction that only reads counts as a read.
//   - UNAVAILABLE means that certainly nothing was changed.
//   - What etcd refuses for good becomes an error that says what to do, at once.
//
// Numbers: revisions and leases are numbers below 2^53; this client chooses the ids of its leases.

import { randomInt } from 'node:crypto';
import { SteleError } from '../../../base/errors.ts';
import {
  KVService,
  LeaseService,
  MaintenanceService,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import type {
  EtcdAnswer,
  EtcdApi,
  EtcdEntry,
  EtcdRange,
  EtcdRangeOptions,
  EtcdTransaction,
  EtcdWatchHandlers,
} from './api.ts';
import { EtcdCalls } from './calls.ts';
import type { EtcdOptions } from './calls.ts';
import { answerOf, entryOf, isReadOnly, rangeRequest, txnRequest } from './messages.ts';
import { Watch } from './watch.ts';

/**
 * Entries of the first page, whose values may be 1.5 MiB each; its size says how many the next may
 * have.
 */
const PAGE_ENTRIES_FIRST = 32;
const PAGE_ENTRIES_MAX = 10_000;
const PAGE_BYTES = 4 * 1024 * 1024;
/** Readings from the start when a compaction overtakes the pages of one. */
const READINGS_MAX = 3;
const LEASE_ID_END = 2 ** 48 - 1;

export interface EtcdStatus {
  readonly version: string;
  readonly clusterId: string;
  readonly databaseBytes: number;
  readonly databaseBytesInUse: number;
  /** The id of the member that leads; '0': none is known. */
  readonly leaderId: string;
  readonly memberId: string;
  readonly raftTerm: number;
  readonly revision: number;
  /** Alarms and other problems that the member reports. */
  readonly problems: readonly string[];
}

export class EtcdClient implements EtcdApi {
  readonly #calls: EtcdCalls;

  constructor(options: EtcdOptions) {
    this.#calls = new EtcdCalls(options);
  }

  async range(key: string, end?: string, options: EtcdRangeOptions = {}): Promise<EtcdRange> {
    for (let reading = 1; ; reading++) {
      try {
        return await this.#readPages(key, end, options);
      } catch (thrown) {
        const isOvertaken = isCompacted(thrown) && options.revision === undefined;
        if (!isOvertaken || reading === READINGS_MAX) throw thrown;
      }
    }
  }

  /** Throws OUTCOME_UNKNOWN; see the top. */
  async transaction(transaction: EtcdTransaction): Promise<EtcdAnswer> {
    const kind = isReadOnly(transaction) ? 'read' : 'write';
    return answerOf(await this.#calls.call(KVService.txn, txnRequest(transaction), kind));
  }

  async grantLease(ttlSeconds: number): Promise<{ id: number; ttlSeconds: number }> {
    const id = randomInt(1, LEASE_ID_END);
    try {
      const request = { ID: id, TTL: ttlSeconds };
      const { TTL } = await this.#calls.call(LeaseService.leaseGrant, request, 'repeat');
      return { id, ttlSeconds: TTL };
    } catch (thrown) {
      // An attempt whose answer was lost had granted it: nobody else has this id.
      if (!isError(thrown, 'CONFLICT')) throw thrown;
      const { grantedTTL } = await this.#timeToLive(id);
      return { id, ttlSeconds: grantedTTL };
    }
  }

  /** Throws UNAVAILABLE although an attempt may have renewed the lease. */
  async keepAlive(id: number, deadlineMs?: number): Promise<number> {
    const options = deadlineMs === undefined ? {} : { deadlineMs };
    try {
      const request = { ID: id };
      return (await this.#calls.call(LeaseService.leaseKeepAlive, request, 'read', options)).TTL;
    } catch (thrown) {
      if (isError(thrown, 'NOT_FOUND')) return 0;
      throw thrown;
    }
  }

  async revokeLease(id: number): Promise<void> {
    try {
      await this.#calls.call(LeaseService.leaseRevoke, { ID: id }, 'repeat');
    } catch (thrown) {
      if (!isError(thrown, 'NOT_FOUND')) throw thrown;
    }
  }

  /** The seconds that a lease has left; 0 if it is gone. */
  async leaseTimeToLive(id: number): Promise<number> {
    return Math.max(0, (await this.#timeToLive(id)).TTL);
  }

  /** Forgets what was overwritten before `revision`. Resolves as well if that is done already. */
  async compact(revision: number): Promise<void> {
    try {
      await this.#calls.call(KVService.compact, { revision }, 'repeat');
    } catch (thrown) {
      if (!isCompacted(thrown)) throw thrown;
    }
  }

  /**
   * What the endpoint at `address` reports of itself and its cluster; without it, the preferred
   * one.
   */
  async status(address?: string): Promise<EtcdStatus> {
    const only = address === undefined ? {} : { only: this.#calls.endpoints.at(address) };
    const answer = this.#calls.call(MaintenanceService.status, {}, 'read', only);
    const { header, ...status } = await answer;
    return {
      version: status.version,
      clusterId: header?.clusterId ?? '0',
      databaseBytes: status.dbSize,
      databaseBytesInUse: status.dbSizeInUse,
      leaderId: status.leader,
      memberId: header?.memberId ?? '0',
      raftTerm: status.raftTerm,
      revision: header?.revision ?? 0,
      problems: status.errors,
    };
  }

  watch(
    key: string,
    end: string,
    fromRevision: number,
    handlers: EtcdWatchHandlers,
  ): { close(): void } {
    return new Watch(this.#calls, { key, end, fromRevision, handlers });
  }

  /** Ends calls and watches, and leaves nothing open. */
  close(): void {
    this.#calls.close();
  }

  /** All entries in pages of one revision, each page of a size that a message can have. */
  async #readPages(
    key: string,
    end: string | undefined,
    { revision = 0, keysOnly = false, limit = Infinity }: EtcdRangeOptions,
  ): Promise<EtcdRange> {
    const entries: EtcdEntry[] = [];
    const request = { ...rangeRequest(key, end), revision, keysOnly };
    let pageEntries = keysOnly ? PAGE_ENTRIES_MAX : PAGE_ENTRIES_FIRST;
    for (;;) {
      request.limit = Math.min(pageEntries, limit - entries.length);
      try {
        const page = await this.#calls.call(KVService.range, request, 'read');
        for (const pair of page.kvs) entries.push(entryOf(pair));
        request.revision ||= page.header?.revision ?? 0;
        const last = page.kvs.at(-1);
        if (!page.more || last === undefined || entries.length >= limit) break;
        request.key = Buffer.concat([last.key, Buffer.from([0])]);
        pageEntries = entriesOfNextPage(page.kvs);
      } catch (thrown) {
        if (!isError(thrown, 'BATCH_TOO_LARGE') || request.limit === 1) throw thrown;
        pageEntries = Math.max(1, Math.floor(request.limit / 8));
      }
    }
    return { revision: request.revision, entries };
  }

  async #timeToLive(id: number): Promise<{ TTL: number; grantedTTL: number }> {
    try {
      return await this.#calls.call(LeaseService.leaseTimeToLive, { ID: id }, 'read');
    } catch (thrown) {
      if (isError(thrown, 'NOT_FOUND')) return { TTL: 0, grantedTTL: 0 };
      throw thrown;
    }
  }
}

function entriesOfNextPage(page: readonly { key: Buffer; value: Buffer }[]): number {
  const bytes = page.reduce((sum, { key, value }) => sum + key.length + value.length + 1, 0);
  const entries = Math.floor((PAGE_BYTES * page.length) / bytes);
  return Math.min(Math.max(entries, 1), PAGE_ENTRIES_MAX);
}

function isError(thrown: unknown, code: SteleError['code']): thrown is SteleError {
  return thrown instanceof SteleError && thrown.code === code;
}

/** CORRUPT is also what etcd says of its own data. */
function isCompacted(thrown: unknown): boolean {
  return isError(thrown, 'CORRUPT') && thrown.message.includes('was compacted');
}
