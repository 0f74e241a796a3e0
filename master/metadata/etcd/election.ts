// Who leads: one key in etcd that goes with its holder's lease.
//
//   follow      watch the leader key; when it is gone, grant a lease and create it, under the
//               condition that it does not exist
//   lead        renew the lease; the leadership counts until MARGIN before the end of what the
//               server granted, reckoned from before the request was sent, by this machine's clock
//   give up     revoke the lease: the key goes with it, and the next master is elected at once
//
// A lease alone proves nothing (a process may sleep between the look at the clock and the write):
// every write checks the key's creation revision (etcd-metadata.ts), and every order carries the
// epoch. The clock only keeps a leader that is cut off from acting longer than it must.
//
// Invariants: isValid() is false before the lease can have ended at the server, as far as both
// clocks run alike; a lease is granted only when the key is free, so a candidate that waits holds
// none that might end meanwhile; what is watched is read again whenever a watch ends, and once per
// lease time: a watch of an etcd whose data was lost waits for revisions that are far away.

import { SteleError, toSteleError } from '../../../base/errors.ts';
import { sleep } from '../../../base/clock.ts';
import type { Time } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { EtcdApi, EtcdEntry } from './api.ts';
import type { EtcdLayout } from './layout.ts';
import type { Fence } from './etcd-metadata.ts';

/** Renewals in the time of a lease. */
const RENEWALS = 4;
/** The part of a lease's time that is left unused at its end. */
const MARGIN = 0.15;
const AGAIN_MS = 300;
/** A leader that was asked to step down lets the others go first for so many lease times. */
const ABSTAIN_LEASES = 2;
/** A renewal that etcd has not answered for so long: no change is begun. */
const SILENT_MS = 1_500;

/** The leader, as all masters see it. */
export interface LeaderInfo {
  readonly id: string;
  /** HOST:PORT of its gRPC; empty for a process that is no master, and writes a whole catalog. */
  readonly address: string;
  /** When it was elected, ISO 8601. */
  readonly since: string;
  readonly createRevision: number;
}

export interface ElectionOptions {
  readonly api: EtcdApi;
  readonly layout: EtcdLayout;
  readonly id: string;
  readonly address: string;
  readonly ttlSeconds: number;
  readonly time: Time;
  readonly nowIso: () => string;
  readonly log: Logger;
  /** Called with each leader that comes up, and undefined when there is none. */
  readonly onLeader: (leader: LeaderInfo | undefined) => void;
}

/** The time in which this master leads. */
export class LeaderLease {
  readonly fence: Fence;
  readonly #time: Time;
  readonly #ended = new AbortController();
  readonly #release: () => Promise<void>;
  #released: Promise<void> | undefined;
  #validUntilMs: number;
  /** When etcd was asked for the renewal that it has not answered yet. */
  #askedMs: number | undefined;

  /** `release`: deletes the leader key, if it is still this one. */
  constructor(fence: Fence, validUntilMs: number, time: Time, release: () => Promise<void>) {
    this.fence = fence;
    this.#release = release;
    this.#validUntilMs = validUntilMs;
    this.#time = time;
  }

  /** Aborts when this master no longer leads, with the reason. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Whether orders may be given now. */
  isValid(): boolean {
    return !this.ended.aborted && this.#time.nowMs() < this.#validUntilMs;
  }

  get leftMs(): number {
    return this.#validUntilMs - this.#time.nowMs();
  }

  /**
   * Why no change may begin: this master no longer leads, or etcd does not answer, so that it will
   * soon no longer lead.
   */
  get trouble(): SteleError | undefined {
    if (this.ended.aborted) return toSteleError(this.ended.reason);
    if (!this.isValid()) return notRenewed();
    const silentMs = this.#time.nowMs() - (this.#askedMs ?? Infinity);
    return silentMs < SILENT_MS ? undefined : etcdSilent();
  }

  /** etcd is asked to renew the lease. */
  asked(atMs: number): void {
    this.#askedMs ??= atMs;
  }

  renew(validUntilMs: number): void {
    this.#askedMs = undefined;
    this.#validUntilMs = Math.max(this.#validUntilMs, validUntilMs);
  }

  end(why: SteleError): void {
    if (!this.ended.aborted) this.#ended.abort(why);
  }

  /** Gives the lead up, at once for all others. */
  async resign(why: SteleError): Promise<void> {
    this.end(why);
    await (this.#released ??= this.#release());
  }
}

export class Election {
  readonly #options: ElectionOptions;
  #leader: LeaderInfo | undefined;
  #abstainUntilMs = 0;
  /** The lease of this master that was granted last. */
  #lease = 0;
  #trouble = '';

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  /** Why the election cannot be followed; empty if it can. */
  get trouble(): string {
    return this.#trouble;
  }

  /** For a while, lets the others go first. */
  abstain(forMs = ABSTAIN_LEASES * this.#options.ttlSeconds * 1000): void {
    this.#abstainUntilMs = this.#options.time.nowMs() + forMs;
  }

  /**
   * Waits until this master is elected; undefined once `stop` aborts. The leadership is renewed
   * until it ends.
   */
  async campaign(stop: AbortSignal): Promise<LeaderLease | undefined> {
    const { log, time } = this.#options;
    while (!stop.aborted) {
      try {
        const leadership = await this.#follow(stop);
        this.#trouble = '';
        if (leadership !== undefined) return leadership;
      } catch (thrown) {
        const { code, message } = toSteleError(thrown);
        const isNew = message !== this.#trouble;
        if (isNew) log.warn({ code }, `the election cannot be followed: ${message}`);
        this.#trouble = message;
        await sleep(AGAIN_MS, stop, time);
      }
    }
    return undefined;
  }

  /** Watches the leader until it is gone, and stands for election. */
  async #follow(stop: AbortSignal): Promise<LeaderLease | undefined> {
    const { api, layout, time } = this.#options;
    const { entries, revision } = await api.range(layout.leader);
    this.#note(entries[0]);
    if (entries[0] === undefined) {
      const waitMs = this.#abstainUntilMs - time.nowMs();
      if (waitMs <= 0) return this.#stand();
      await sleep(Math.min(waitMs, AGAIN_MS), stop, time);
      return undefined;
    }
    // Its time is over, and etcd does not know it yet.
    if (entries[0].lease === this.#lease) await api.revokeLease(this.#lease);
    else await this.#change(revision + 1, stop);
    return undefined;
  }

  /** Resolves when the leader key has changed, its watch has ended, or it is time to look again. */
  #change(fromRevision: number, stop: AbortSignal): Promise<void> {
    const { api, layout, time, ttlSeconds } = this.#options;
    return new Promise((resolve) => {
      const over = new AbortController();
      void sleep(ttlSeconds * 1000, over.signal, time).then(done);
      const watch = api.watch(layout.leader, `${layout.leader}\0`, fromRevision, {
        onEvents: done,
        onEnd: done,
      });
      stop.addEventListener('abort', done);
      function done(): void {
        over.abort();
        stop.removeEventListener('abort', done);
        watch.close();
        resolve();
      }
    });
  }

  async #stand(): Promise<LeaderLease | undefined> {
    const { address, api, id, layout, log, nowIso, time, ttlSeconds } = this.#options;
    const askedMs = time.nowMs();
    const lease = await api.grantLease(ttlSeconds);
    this.#lease = lease.id;
    const value = JSON.stringify({ id, address, since: nowIso() });
    const put = { kind: 'put', key: layout.leader, value, lease: lease.id } as const;
    try {
      await api.transaction({
        compares: [{ key: layout.leader, target: 'create', revision: 0 }],
        success: [put],
      });
    } catch (thrown) {
      // Whether it was made shows in the key.
      if (toSteleError(thrown).code !== 'OUTCOME_UNKNOWN') throw thrown;
    }
    const entry = await this.#read();
    if (entry?.lease !== lease.id) {
      await api.revokeLease(lease.id).catch(() => undefined);
      return undefined;
    }
    const validUntilMs = askedMs + usableMs(lease.ttlSeconds);
    const fence = { key: layout.leader, createRevision: entry.createRevision };
    const leadership = new LeaderLease(fence, validUntilMs, time, async () => {
      const found = await this.#read();
      if (found?.createRevision === fence.createRevision) await api.revokeLease(lease.id);
    });
    this.#note(entry);
    log.info({ revision: entry.createRevision }, 'this master is elected');
    void this.#renew(leadership, lease.id);
    this.#guard(leadership, entry);
    return leadership;
  }

  /** Renews the lease until the leadership has ended. */
  async #renew(leadership: LeaderLease, lease: number): Promise<void> {
    const { api, time, ttlSeconds } = this.#options;
    const intervalMs = (ttlSeconds * 1000) / RENEWALS;
    while (!leadership.ended.aborted) {
      await sleep(Math.max(0, Math.min(intervalMs, leadership.leftMs)), leadership.ended, time);
      if (leadership.ended.aborted) return;
      if (!leadership.isValid()) return leadership.end(notRenewed());
      const askedMs = time.nowMs();
      leadership.asked(askedMs);
      // A round that hangs must not hide the end of the lease.
      const overdue = sleep(Math.max(0, leadership.leftMs), leadership.ended, time);
      const granted = await Promise.race([
        api.keepAlive(lease, intervalMs).catch(() => -1),
        overdue,
      ]);
      if (granted === 0) return leadership.end(leaseGone());
      if (typeof granted === 'number' && granted > 0) leadership.renew(askedMs + usableMs(granted));
      else if (leadership.isValid()) await sleep(AGAIN_MS, leadership.ended, time);
    }
  }

  /** Ends the leadership when somebody deletes or replaces its key. */
  #guard(leadership: LeaderLease, entry: EtcdEntry): void {
    const stop = new AbortController();
    leadership.ended.addEventListener('abort', () => stop.abort());
    const watch = async (): Promise<void> => {
      let fromRevision = entry.modRevision + 1;
      while (!stop.signal.aborted) {
        await this.#change(fromRevision, stop.signal);
        if (stop.signal.aborted) return;
        const found = await this.#read().catch(() => 'unknown' as const);
        if (found === 'unknown') await sleep(AGAIN_MS, stop.signal, this.#options.time);
        else if (found?.createRevision !== leadership.fence.createRevision) {
          this.#note(found);
          return leadership.end(leaseGone());
        } else fromRevision = found.modRevision + 1;
      }
    };
    void watch();
  }

  async #read(): Promise<EtcdEntry | undefined> {
    const { api, layout } = this.#options;
    return (await api.range(layout.leader)).entries[0];
  }

  #note(entry: EtcdEntry | undefined): void {
    const leader = entry && infoOf(entry);
    if (leader?.createRevision === this.#leader?.createRevision) return;
    this.#leader = leader;
    this.#options.onLeader(leader);
  }
}

function usableMs(ttlSeconds: number): number {
  return ttlSeconds * 1000 * (1 - MARGIN);
}

export function infoOf({ createRevision, key, value }: EtcdEntry): LeaderInfo {
  const { address, id, since } = JSON.parse(value.toString()) as Partial<LeaderInfo>;
  if (typeof id === 'string' && typeof address === 'string') {
    return { id, address, since: since ?? '', createRevision };
  }
  throw new SteleError('CORRUPT', `The key ${key} in etcd was not written by Stele.`);
}

function notRenewed(): SteleError {
  return new SteleError(
    'UNAVAILABLE',
    'The leader could not renew its lease in time, so it gave up the lead; look whether etcd can be reached.',
  );
}

function etcdSilent(): SteleError {
  return new SteleError(
    'UNAVAILABLE',
    'etcd does not answer the leader; look whether most of its members are running and can be reached.',
  );
}

function leaseGone(): SteleError {
  return new SteleError('UNAVAILABLE', 'The lease of the leader is gone: another master leads.');
}
