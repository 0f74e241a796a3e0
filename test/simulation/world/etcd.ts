// etcd as several masters have it: the one in memory (test/support/peers/memory-etcd.ts) over the
// simulated network, on the simulated clock. Of its own time it has only that of its leases and its
// answers.
//
// Faults: it refuses one master or all of them; it answers late, before or after it has made what
// it was asked; it is cut off in one direction (world/network.ts), so that a call, an answer or the
// events of a watch are lost; its connections break with calls in progress; it forgets its history;
// it goes back to an earlier state.

import { SteleError } from '../../../base/errors.ts';
import type {
  EtcdAnswer,
  EtcdApi,
  EtcdEntry,
  EtcdRange,
  EtcdRangeOptions,
  EtcdTransaction,
  EtcdWatchHandlers,
} from '../../../master/metadata/etcd/api.ts';
import type { EtcdLayout } from '../../../master/metadata/etcd/layout.ts';
import { MemoryEtcd } from '../../../master/metadata/etcd/memory-etcd.ts';
import type { MemoryEtcdState } from '../../../master/metadata/etcd/memory-etcd.ts';
import { SimProcess } from './clock.ts';
import type { SimClock } from './clock.ts';
import { EtcdCatalog } from './etcd-catalog.ts';
import type { CatalogReader } from './etcd-catalog.ts';
import type { Stored } from './metadata.ts';
import type { SimNetwork } from './network.ts';
import type { SimRandom } from './random.ts';

/** As the product's client does (master/metadata/etcd/calls.ts). */
const ATTEMPT_MS = 1_500;
const ATTEMPTS_MAX = 3;
const WRITE_MS = 5_000;
/** How often watches that were cut off are looked after. */
const DELIVER_MS = 100;
const BACKUPS_MAX = 40;

interface Backup {
  readonly state: MemoryEtcdState;
  readonly stored: Stored;
}

export interface EtcdWorld {
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly network: SimNetwork;
}

export class SimEtcd extends SimProcess {
  readonly store: MemoryEtcd;
  readonly catalog: EtcdCatalog;
  readonly layout: EtcdLayout;
  /** As it was after each of the last changes of the catalog since the last restore. */
  readonly backups: Backup[] = [];
  /** Ends each call that is in progress. */
  readonly underWay = new Set<() => void>();
  /** Until then it answers late. */
  hangsUntilMs = 0;
  /** By id of a master, and for all (empty): until then it refuses every call. */
  readonly refusesUntilMs = new Map<string, number>();
  /** Whose call is being made. */
  writer: SimProcess | undefined;
  /** Calls of an earlier one are never made. */
  generation = 0;
  readonly #world: EtcdWorld;

  constructor(
    world: EtcdWorld,
    layout: EtcdLayout,
    reader: CatalogReader,
    onExpired: (entries: readonly EtcdEntry[]) => void,
  ) {
    super('etcd');
    this.#world = world;
    this.layout = layout;
    const { clock, random } = world;
    this.catalog = new EtcdCatalog(layout, reader);
    const part = random.pick([0.5, 1, 1, 1.5]) ?? 1;
    const time = {
      nowMs: () => clock.nowMs,
      unixMs: () => clock.nowMs,
      after: (delayMs: number, callback: () => void) => clock.after(delayMs, undefined, callback),
      soon: (callback: () => void) => clock.after(0, undefined, callback),
    };
    this.store = new MemoryEtcd(time, {
      granted: (asked) => asked * part,
      onRevision: (events, revision) => {
        if (!this.catalog.take(events, revision)) return;
        this.backups.push({ state: this.store.state(), stored: this.catalog.stored });
        if (this.backups.length > BACKUPS_MAX) this.backups.shift();
      },
      onExpired,
    });
    this.beginLife();
    this.#deliver();
  }

  /** What is durable. */
  get stored(): Stored {
    return this.catalog.stored;
  }

  /** The connection of the present run of a master. */
  connect(from: SimProcess): SimEtcdClient {
    return new SimEtcdClient(this, from, this.#world);
  }

  /**
   * All connections break: whether the calls in progress are made, or will be, nobody learns of it.
   */
  disconnect(): void {
    for (const end of [...this.underWay]) end();
  }

  refusesNow({ id }: SimProcess): boolean {
    const { nowMs } = this.#world.clock;
    return ['', id].some((who) => nowMs < (this.refusesUntilMs.get(who) ?? 0));
  }

  /** Who leads, by the key in the store. */
  get leader(): EtcdEntry | undefined {
    return this.store.range(this.layout.leader).entries[0];
  }

  /**
   * All masters have been ended: what they have sent does not arrive any more. The marker is
   * deleted, as docs/operations.md says.
   */
  restore({ state }: Backup): void {
    this.generation++;
    this.store.restore(state);
    this.store.transaction({
      compares: [],
      success: [{ kind: 'delete', key: this.layout.marker }],
    });
    this.catalog.reset(state.entries.values(), state.revision);
    this.backups.length = 0;
  }

  /** Makes a call that has arrived, soon or late. */
  async make<Value>(from: SimProcess, generation: number, call: () => Value): Promise<Value> {
    const { clock, random } = this.#world;
    const late = (): Promise<void> =>
      new Promise((resolve) => {
        const hangsMs = Math.max(0, this.hangsUntilMs - clock.nowMs);
        clock.after(hangsMs === 0 ? 0 : random.int(0, hangsMs), this, resolve);
      });
    const isLateBefore = random.chance(0.5);
    if (isLateBefore) await late();
    if (this.generation !== generation) return new Promise(() => undefined);
    this.writer = from;
    const made = call();
    if (!isLateBefore) await late();
    return made;
  }

  #deliver(): void {
    this.#world.clock.after(DELIVER_MS, undefined, () => {
      this.store.deliver();
      this.#deliver();
    });
  }
}

class SimEtcdClient implements EtcdApi {
  readonly #etcd: SimEtcd;
  readonly #from: SimProcess;
  readonly #world: EtcdWorld;
  readonly #closers = new Set<() => void>();

  constructor(etcd: SimEtcd, from: SimProcess, world: EtcdWorld) {
    this.#etcd = etcd;
    this.#from = from;
    this.#world = world;
  }

  range(key: string, end?: string, options?: EtcdRangeOptions): Promise<EtcdRange> {
    return this.#repeated(() => this.#etcd.store.range(key, end, options));
  }

  async transaction(transaction: EtcdTransaction): Promise<EtcdAnswer> {
    const { failure = [], success } = transaction;
    const make = (): EtcdAnswer => this.#etcd.store.transaction(transaction);
    if ([...success, ...failure].every(({ kind }) => kind === 'range')) return this.#repeated(make);
    try {
      return await this.#call(make, WRITE_MS);
    } catch (thrown) {
      if (!isLate(thrown)) throw thrown;
      throw new SteleError('OUTCOME_UNKNOWN', 'etcd has not answered.', { cause: thrown });
    }
  }

  grantLease(ttlSeconds: number): Promise<{ readonly id: number; readonly ttlSeconds: number }> {
    return this.#repeated(() => this.#etcd.store.grant(ttlSeconds));
  }

  keepAlive(id: number): Promise<number> {
    return this.#repeated(() => this.#etcd.store.keepAlive(id));
  }

  revokeLease(id: number): Promise<void> {
    return this.#repeated(() => this.#etcd.store.revoke(id));
  }

  /** Events come in order, as on one connection; none while it is cut. */
  watch(
    key: string,
    end: string,
    fromRevision: number,
    handlers: EtcdWatchHandlers,
  ): { close(): void } {
    const { clock, network, random } = this.#world;
    const from = this.#from;
    const { life } = from;
    let isClosed = false;
    let lastAtMs = 0;
    const pass = (deliver: () => void): void => {
      lastAtMs = Math.max(lastAtMs, clock.nowMs + random.int(1, 8));
      const run = (): void => {
        if (!isClosed) deliver();
      };
      clock.after(lastAtMs - clock.nowMs, from, run, 'message');
    };
    const forget = this.#etcd.store.watch({
      ...{ key, end, nextRevision: fromRevision },
      handlers: {
        onEvents: (events, revision) => pass(() => handlers.onEvents(events, revision)),
        onEnd: (error) => pass(() => handlers.onEnd(error)),
      },
      isReached: () =>
        from.alive &&
        from.life === life &&
        !this.#etcd.refusesNow(from) &&
        !network.cuts.has(`etcd>${from.id}`),
    });
    const close = (): void => {
      isClosed = true;
      forget();
      this.#closers.delete(close);
    };
    this.#closers.add(close);
    return { close };
  }

  close(): void {
    for (const close of this.#closers) close();
  }

  async #repeated<Value>(make: () => Value): Promise<Value> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#call(make, ATTEMPT_MS);
      } catch (thrown) {
        if (!isLate(thrown)) throw thrown;
        if (attempt === ATTEMPTS_MAX)
          throw new SteleError('UNAVAILABLE', 'etcd has not answered.', { cause: thrown });
      }
    }
  }

  /** Throws DEADLINE_EXCEEDED if there is no answer; the call may be made yet. */
  #call<Value>(make: () => Value, deadlineMs: number): Promise<Value> {
    const { clock, network, random } = this.#world;
    const etcd = this.#etcd;
    const from = this.#from;
    const { generation } = etcd;
    /** A connection doubles nothing. */
    let made: Promise<Value> | undefined;
    return new Promise((resolve, reject) => {
      if (etcd.refusesNow(from)) {
        const error = new SteleError('UNAVAILABLE', 'No etcd answers.');
        clock.after(random.int(1, 4), from, () => reject(error));
        return;
      }
      const fail = network.call<Value>(
        from,
        etcd,
        deadlineMs,
        () => (made ??= etcd.make(from, generation, make)),
        (answer) => {
          etcd.underWay.delete(end);
          if (answer.ok) resolve(answer.value);
          else reject(answer.error);
        },
      );
      const end = (): void => {
        etcd.underWay.delete(end);
        if (!from.paused) fail(new SteleError('DEADLINE_EXCEEDED', 'The connection is broken.'));
      };
      etcd.underWay.add(end);
    });
  }
}

function isLate(thrown: unknown): boolean {
  return thrown instanceof SteleError && thrown.code === 'DEADLINE_EXCEEDED';
}
