// The master's metadata store (master/metadata/port.ts) on a disk that outlives the master's
// process: conditional transactions, durable some time before they are answered.
//
// Faults: a transaction is refused, or is not answered for seconds; the process ends while one is
// in progress, which is then made or not; the store goes back to an earlier state, as when it is
// restored from a backup.

import { SteleError } from '../../../base/errors.ts';
import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Change } from '../../../master/catalog/catalog.ts';
import { parseKey, recordOf } from '../../../master/catalog/records.ts';
import { changing } from '../../../master/metadata/port.ts';
import type { Entry, Metadata, Write } from '../../../master/metadata/port.ts';
import type { SimClock, SimProcess } from './clock.ts';
import type { SimRandom } from './random.ts';

/** Changes that a backup may lack. */
const BACKUPS_MAX = 40;
/** So long after its answer a transaction is durable in a store that lies. */
const LIE_MS = 300;

/** A state of the store. The map is replaced, never changed. */
export interface Stored {
  readonly revision: number;
  readonly entries: ReadonlyMap<string, Entry>;
  readonly catalog: CatalogState;
}

type OnChange = (changes: readonly Change[], before: CatalogState, after: CatalogState) => void;

export class SimMetadata {
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  readonly #onChange: OnChange;
  /** On disk. */
  stored: Stored = { revision: 0, entries: new Map(), catalog: emptyCatalog() };
  /** As it was after each of the last changes since the last restore, the latest one last. */
  readonly backups: Stored[] = [];
  isRestored = false;
  /** Transactions fail by this chance. */
  failure = 0;
  /** Until then no transaction is answered. */
  hangsUntilMs = 0;
  /** Transactions are answered before they are durable. */
  lies = false;
  /** What a store that lies has not made durable yet. */
  #volatile: { readonly atMs: number; readonly before: Stored }[] = [];
  /** Commits the transaction in progress. */
  readonly #underWay = new Set<() => void>();

  /** `onChange`: called with each transaction that is durable. */
  constructor(clock: SimClock, random: SimRandom, onChange: OnChange) {
    this.#clock = clock;
    this.#random = random;
    this.#onChange = onChange;
  }

  /** The store as the present run of `process` has it open. */
  open(process: SimProcess): Metadata & { readonly restored: boolean } {
    return {
      restored: this.isRestored,
      list: async (prefix) =>
        [...this.stored.entries.values()]
          .filter(({ key }) => key.startsWith(prefix))
          .sort((left, right) => (left.key < right.key ? -1 : 1)),
      transaction: (writes) => this.#transaction(process, writes),
      close: async () => undefined,
    };
  }

  /** The process has ended: each transaction that was in progress is committed or not. */
  crash(): void {
    for (const make of this.#underWay) if (this.#random.chance(0.5)) make();
    this.#underWay.clear();
    const lost = this.#volatile.find(({ atMs }) => this.#clock.nowMs - atMs < LIE_MS);
    if (lost !== undefined) this.stored = lost.before;
    this.#volatile = [];
  }

  restore(backup: Stored): void {
    this.stored = backup;
    this.backups.length = 0;
    this.isRestored = true;
  }

  #transaction(process: SimProcess, writes: readonly Write[]): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      let made: number | undefined;
      const make = (): void => {
        this.#underWay.delete(make);
        made = this.#apply(writes);
      };
      const hangsMs = Math.max(0, this.hangsUntilMs - this.#clock.nowMs);
      const durableMs = this.#random.int(1, 6) + hangsMs;
      if (this.#random.chance(this.failure)) {
        const error = new SteleError('IO', 'The store of the catalog has failed.');
        this.#clock.after(durableMs, process, () => reject(error));
        return;
      }
      if (this.lies) {
        this.#volatile.push({ atMs: this.#clock.nowMs, before: this.stored });
        make();
        this.#clock.after(1, process, () => resolve(made));
        return;
      }
      this.#underWay.add(make);
      this.#clock.after(durableMs, process, () => {
        make();
        this.#clock.after(this.#random.int(1, 5), process, () => resolve(made));
      });
    });
  }

  #holds(writes: readonly Write[]): boolean {
    return writes.every(
      ({ expect, key }) =>
        expect === undefined || expect === (this.stored.entries.get(key)?.revision ?? 0),
    );
  }

  #apply(writes: readonly Write[]): number | undefined {
    if (!this.#holds(writes)) return undefined;
    const before = this.stored;
    const revision = before.revision + 1;
    const entries = new Map(before.entries);
    const changes: Change[] = [];
    for (const write of changing(writes)) {
      const { key } = write;
      if (write.kind === 'delete') entries.delete(key);
      else entries.set(key, { key, value: write.value, revision });
      const place = parseKey(key);
      if (place === undefined) continue;
      const record = write.kind === 'delete' ? undefined : recordOf(key, JSON.parse(write.value));
      changes.push({ ...place, record } as Change);
    }
    const catalog = applyChanges(before.catalog, changes);
    this.stored = { revision, entries, catalog };
    this.isRestored = false;
    this.backups.push(this.stored);
    if (this.backups.length > BACKUPS_MAX) this.backups.shift();
    this.#onChange(changes, before.catalog, catalog);
    return revision;
  }
}
