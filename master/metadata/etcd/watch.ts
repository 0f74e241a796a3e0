// A watch that survives its endpoints: one stream after the other (watch-session.ts), each from the
// first revision that was not passed on.
//
// It ends only when its owner closes it, or for a reason that another stream would not change: the
// next revision was compacted, its user may not read the keys, or the endpoint belongs to another
// cluster. Its owner then reads everything again and starts a new watch.
//
// Invariants: every event from the first revision on is passed on once, in order, and all events of
// a revision in one call; after `close` or `onEnd` there is no further call.

import assert from 'node:assert/strict';
import { unwatchAbort, watchAbort } from '../../../base/abort.ts';
import { sleep } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { EtcdEvent, EtcdWatchHandlers } from './api.ts';
import type { EtcdCalls } from './calls.ts';
import type { Endpoint } from './endpoints.ts';
import { Failure } from './outcomes.ts';
import { WatchSession } from './watch-session.ts';
import type { SessionEnd, SessionTarget } from './watch-session.ts';

const CONNECT_MS = 1000;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;

interface WatchOptions {
  readonly key: string;
  readonly end: string;
  readonly fromRevision: number;
  readonly handlers: EtcdWatchHandlers;
}

export class Watch {
  readonly #calls: EtcdCalls;
  readonly #options: WatchOptions;
  readonly #closing = new AbortController();
  #next: number;
  #session: WatchSession | undefined;
  /** Streams that failed since one was created. */
  #failed = 0;
  #hasNewToken = false;

  constructor(calls: EtcdCalls, options: WatchOptions) {
    assert(options.fromRevision > 0);
    this.#calls = calls;
    this.#options = options;
    this.#next = options.fromRevision;
    watchAbort(calls.closing, this.close);
    void this.#run();
  }

  readonly close = (): void => {
    unwatchAbort(this.#calls.closing, this.close);
    this.#closing.abort();
    this.#session?.stop();
  };

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const endpoint = this.#calls.endpoints.pick();
      const { end, token } = await this.#stream(endpoint);
      if (this.#isClosed) return;
      const next = this.#after(end, token);
      if (next instanceof SteleError) {
        this.#end(next);
      } else if (next === 'next endpoint') {
        this.#calls.endpoints.leave(endpoint);
        await sleep(this.#backoffMs(), this.#closing.signal);
      }
    }
  }

  /** Watches on one stream until it ends. */
  async #stream(endpoint: Endpoint): Promise<{ end: SessionEnd; token: string }> {
    let token = '';
    try {
      const prepared = await this.#calls.metadata();
      ({ token } = prepared);
      const connection = await endpoint.connect(CONNECT_MS);
      const session = new WatchSession(connection, prepared.metadata, this.#target());
      this.#session = session;
      if (this.#isClosed) session.stop();
      const end = await session.ended;
      if (end.kind === 'lost' && end.failure.outcome === 'unknown') endpoint.retire(connection);
      if (session.isCreated) {
        this.#failed = 0;
        this.#hasNewToken = false;
      }
      return { end, token };
    } catch (thrown) {
      if (thrown instanceof Failure) return { end: { kind: 'lost', failure: thrown }, token };
      return { end: { kind: 'failed', error: toSteleError(thrown) }, token };
    }
  }

  #target(): SessionTarget {
    const { key, end } = this.#options;
    return {
      key,
      end,
      fromRevision: this.#next,
      tickMs: this.#calls.watchTickMs,
      onRevision: (events, revision) => this.#pass(events, revision),
      onProgress: (revision) => {
        this.#next = Math.max(this.#next, revision + 1);
      },
      onHeader: (header, address) => this.#calls.checkCluster(header, address),
    };
  }

  #pass(events: readonly EtcdEvent[], revision: number): void {
    if (revision < this.#next || this.#isClosed) return;
    this.#next = revision + 1;
    try {
      this.#options.handlers.onEvents(events, revision);
    } catch (thrown) {
      this.#end(toSteleError(thrown));
    }
  }

  /** What follows the end of a stream; an error ends the watch. */
  #after(end: SessionEnd, token: string): SteleError | 'same endpoint' | 'next endpoint' {
    switch (end.kind) {
      case 'compacted':
        return end.revision > this.#next ? compacted(this.#next, end.revision) : this.#lost(end);
      case 'cancelled':
        return /permission denied|auth|user name/.test(end.reason)
          ? this.#afterRefusal(end.reason, token)
          : this.#lost(end);
      case 'failed':
        return end.error.code === 'UNAVAILABLE' ? this.#lost(end) : end.error;
      case 'lost':
        if (end.failure.outcome === 'refused') return end.failure.error;
        if (end.failure.outcome !== 'token') return this.#lost(end);
        return this.#afterRefusal(end.failure.message, token);
    }
  }

  /**
   * etcd 3.4 refuses a watch with an old token like one without permission, so both get a new token
   * once.
   */
  #afterRefusal(reason: string, token: string): SteleError | 'same endpoint' {
    if (!this.#calls.forgetToken(token) || this.#hasNewToken) {
      return new SteleError(
        'PERMISSION_DENIED',
        `etcd refuses to watch the keys (${reason}); grant its user a role that reads them.`,
      );
    }
    this.#hasNewToken = true;
    return 'same endpoint';
  }

  #lost(end: SessionEnd): 'next endpoint' {
    const reason =
      end.kind === 'lost'
        ? end.failure.message
        : end.kind === 'failed'
          ? end.error.message
          : `${end.kind} ${end.kind === 'cancelled' ? end.reason : end.revision}`;
    const level = this.#failed === 0 ? 'warn' : 'debug';
    this.#calls.log[level]({ reason, revision: this.#next }, 'the watch of etcd is resumed');
    this.#failed++;
    return 'next endpoint';
  }

  #backoffMs(): number {
    const fullMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#failed, BACKOFF_MS_MAX);
    return fullMs * (0.5 + Math.random() / 2);
  }

  #end(error: SteleError): void {
    if (this.#isClosed) return;
    this.close();
    this.#options.handlers.onEnd(error);
  }
}

function compacted(next: number, revision: number): SteleError {
  return new SteleError(
    'CORRUPT',
    `etcd has compacted its changes up to revision ${revision}, and those from ${next} on were not seen; read all keys again.`,
  );
}
