// The catalog in memory and in the metadata store: all records, and one way to change them.
//
// A change is a pure transition `(state) -> changes + result` (the other files of this folder). The
// catalog runs transitions one after the other (ChangeQueue). It writes all changes of a transition
// in one transaction with compare-and-set, and applies them to memory afterwards.
//
// Invariants: every record in memory is durable; a transition that throws changes nothing; if
// another process has changed a record, the transition fails (CONFLICT) and overwrites nothing; no
// transition sees a state that a transaction with an unknown outcome may have changed.

import { SteleError } from '../../base/errors.ts';
import type { Entry, Metadata, Write } from '../metadata/port.ts';
import { encodeRecord, keyOf, parseKey, recordOf } from './records.ts';
import type { Actor, EventRecord, Happening, TableKeys, TableName, Tables } from './records.ts';

/** All records, by table and id. The maps are replaced, never modified, so a state can be kept. */
export type CatalogState = {
  readonly [Name in TableName]: ReadonlyMap<TableKeys[Name], Tables[Name]>;
};

/** One record to write, or to remove if undefined. */
export type Change = {
  readonly [Name in TableName]: {
    readonly table: Name;
    readonly id: TableKeys[Name];
    readonly record: Tables[Name] | undefined;
  };
}[TableName];

export interface Transition<Result> {
  readonly changes: readonly Change[];
  readonly result: Result;
}

/** Turns a change into events (events.ts, pure), and supplies their circumstances. */
export interface Recorder {
  happeningsOf(state: CatalogState, changes: readonly Change[]): Happening[];
  eventChanges(state: CatalogState, event: EventRecord): Change[];
  /** The caller of the change that begins now. */
  currentActor(): Actor;
  /** The current time, ISO 8601. */
  nowIso(): string;
}

/**
 * Runs changes one after the other. master/metadata/change-queue.ts also bounds their number and
 * waiting time.
 */
export interface ChangeQueue {
  run<Result>(change: () => Promise<Result>): Promise<Result>;
}

const THE_MASTER: Actor = { door: 'master', address: '', who: '' };

const NO_EVENTS: Recorder = {
  happeningsOf: () => [],
  eventChanges: () => [],
  currentActor: () => THE_MASTER,
  nowIso: () => '',
};

export function emptyCatalog(): CatalogState {
  return {
    cluster: new Map(),
    epoch: new Map(),
    counters: new Map(),
    keyspace: new Map(),
    observed: new Map(),
    version: new Map(),
    manifest: new Map(),
    archived: new Map(),
    load: new Map(),
    event: new Map(),
    node: new Map(),
    user: new Map(),
    role: new Map(),
    token: new Map(),
  };
}

/** The state after `changes`. Pure. */
export function applyChanges(state: CatalogState, changes: readonly Change[]): CatalogState {
  const next = { ...state };
  const copied = new Set<TableName>();
  for (const { table, id, record } of changes) {
    if (!copied.has(table)) Object.assign(next, { [table]: new Map<string, unknown>(next[table]) });
    copied.add(table);
    const map = next[table] as Map<string, unknown>;
    if (record === undefined) map.delete(id);
    else map.set(id, record);
  }
  return next;
}

/**
 * Combines `first`, made in `state`, and `second` after it into one change with the result of the
 * second. Pure.
 */
export function andThen<Result>(
  state: CatalogState,
  first: Transition<unknown>,
  second: (state: CatalogState) => Transition<Result>,
): Transition<Result> {
  const { changes, result } = second(applyChanges(state, first.changes));
  const isOverwritten = ({ id, table }: Change): boolean =>
    changes.some((change) => change.table === table && change.id === id);
  return {
    changes: [...first.changes.filter((change) => !isOverwritten(change)), ...changes],
    result,
  };
}

export class Catalog {
  readonly #metadata: Metadata;
  readonly #revisions: Map<string, number>;
  readonly #queue: ChangeQueue;
  readonly #recorder: Recorder;
  #state: CatalogState;
  /** The transition that must be durable before any other change. */
  #first: ((state: CatalogState) => Transition<unknown>) | undefined;
  #eventNumber: number;
  readonly #onEvent = new Set<(event: EventRecord) => void>();

  private constructor(
    metadata: Metadata,
    state: CatalogState,
    revisions: Map<string, number>,
    queue: ChangeQueue,
    recorder: Recorder,
  ) {
    this.#queue = queue;
    this.#recorder = recorder;
    this.#metadata = metadata;
    this.#state = state;
    this.#revisions = revisions;
    this.#eventNumber = [...state.event.values()].reduce(
      (highest, { number }) => Math.max(highest, number),
      0,
    );
  }

  /**
   * Reads all records. `pause` is called after so many characters, so that a large catalog does not
   * stop everything else. Throws UNKNOWN_FORMAT and CORRUPT as recordOf does.
   */
  static async load(
    metadata: Metadata,
    queue: ChangeQueue,
    recorder = NO_EVENTS,
    pause: (characters: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<Catalog> {
    const changes: Change[] = [];
    const revisions = new Map<string, number>();
    for (const entry of await metadata.list('')) {
      if (entry.parsed === undefined) await pause(entry.value.length);
      const change = changeOf(entry);
      if (change === undefined) continue;
      changes.push(change);
      revisions.set(entry.key, entry.revision);
    }
    const state = applyChanges(emptyCatalog(), changes);
    return new Catalog(metadata, state, revisions, queue, recorder);
  }

  get state(): CatalogState {
    return this.#state;
  }

  /**
   * Queues `transition`, and resolves to its result when its changes are durable. Throws the errors
   * of the transition, of the store (DISK_FULL, IO), CONFLICT, and those of the queue: OVERLOADED,
   * UNAVAILABLE and OUTCOME_UNKNOWN. Only the last one leaves open whether the change was made.
   */
  update<Result>(transition: (state: CatalogState) => Transition<Result>): Promise<Result> {
    const actor = this.#recorder.currentActor();
    return this.#queue.run(() => this.#run(transition, actor));
  }

  /**
   * Requires `transition` before any other change. It is tried now, and again with each change
   * until it is durable. While it fails, each change fails with the same error.
   */
  begin(transition: (state: CatalogState) => Transition<unknown>): Promise<void> {
    this.#first = transition;
    return this.beginAgain();
  }

  /** Retries the transition passed to `begin`. */
  beginAgain(): Promise<void> {
    return this.update(() => ({ changes: [], result: undefined }));
  }

  /** False from `begin` until its transition is durable. */
  get isBegun(): boolean {
    return this.#first === undefined;
  }

  async #run<Result>(
    transition: (state: CatalogState) => Transition<Result>,
    actor: Actor,
  ): Promise<Result> {
    if (this.#first !== undefined) {
      await this.#make(this.#first, THE_MASTER);
      this.#first = undefined;
    }
    return this.#make(transition, actor);
  }

  async #make<Result>(
    transition: (state: CatalogState) => Transition<Result>,
    actor: Actor,
  ): Promise<Result> {
    const { changes: wanted, result } = transition(this.#state);
    if (wanted.length === 0) return result;
    const events = this.#eventsOf(wanted, actor);
    const changes = [
      ...wanted,
      ...events.flatMap((event) => this.#recorder.eventChanges(this.#state, event)),
    ];
    const revision = await this.#metadata.transaction(changes.map((change) => this.#write(change)));
    if (revision === undefined) {
      throw new SteleError(
        'CONFLICT',
        'The catalog was changed by another process; the master that made this change leads no longer.',
      );
    }
    for (const { table, id, record } of changes) {
      if (record === undefined) this.#revisions.delete(keyOf(table, id));
      else this.#revisions.set(keyOf(table, id), revision);
    }
    this.#state = applyChanges(this.#state, changes);
    for (const event of events) for (const listener of this.#onEvent) listener(event);
    return result;
  }

  /** Calls `listener` with each event once it is durable; returns a function that ends this. */
  onEvent(listener: (event: EventRecord) => void): () => void {
    this.#onEvent.add(listener);
    return () => void this.#onEvent.delete(listener);
  }

  /** Numbers the events. If the transaction fails, its numbers are skipped. */
  #eventsOf(changes: readonly Change[], actor: Actor): EventRecord[] {
    const at = this.#recorder.nowIso();
    return this.#recorder.happeningsOf(this.#state, changes).map((happening) => ({
      ...happening,
      at,
      number: ++this.#eventNumber,
      door: actor.door,
      address: actor.address,
      who: actor.who === '' ? (happening.who ?? '') : actor.who,
    }));
  }

  #write({ table, id, record }: Change): Write {
    const key = keyOf(table, id);
    const expect = this.#revisions.get(key) ?? 0;
    if (record === undefined) return { kind: 'delete', key, expect };
    return { kind: 'put', key, value: encodeRecord(record), expect };
  }
}

function changeOf(entry: Entry): Change | undefined {
  const { key, parsed = JSON.parse(entry.value) as unknown } = entry;
  const place = parseKey(key);
  return place && ({ ...place, record: recordOf(key, parsed) } as Change);
}
