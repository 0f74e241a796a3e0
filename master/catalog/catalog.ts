// The catalog in memory and in the metadata store: all records, and one way to change them.
//
// A change is a pure transition `(state) -> changes + result` (the files beside this one). The
// catalog runs transitions one after the other (ChangeQueue), writes all changes of one in one transaction by
// compare-and-set, and only then takes them into memory.
//
// Invariants: what memory says has been on disk first; a transition that throws changes nothing;
// a record changed by somebody else makes the transition fail (CONFLICT), never be lost; no transition sees a
// state that a transaction without an answer may have changed.

import { SteleError } from '../../base/errors.ts';
import type { Metadata, Write } from '../metadata/port.ts';
import { decodeRecord, encodeRecord, keyOf } from './records.ts';
import type { Actor, EventRecord, Happening, TableName, Tables } from './records.ts';

/** All records, by table and id. The maps are replaced, never changed, so a state can be kept. */
export type CatalogState = {
  readonly [Name in TableName]: ReadonlyMap<string, Tables[Name]>;
};

/** One record to write, or (undefined) to remove. */
export type Change = {
  readonly [Name in TableName]: {
    readonly table: Name;
    readonly id: string;
    readonly record: Tables[Name] | undefined;
  };
}[TableName];

export interface Transition<Result> {
  readonly changes: readonly Change[];
  readonly result: Result;
}

/** How a change becomes events (events.ts, pure), and what is known of its circumstances. */
export interface Recorder {
  happeningsOf(state: CatalogState, changes: readonly Change[]): Happening[];
  eventChanges(state: CatalogState, event: EventRecord): Change[];
  /** Who asks for the change that is begun now. */
  currentActor(): Actor;
  /** The time, ISO 8601. */
  nowIso(): string;
}

/** Runs changes one after the other; master/metadata/change-queue.ts also bounds how many wait, and how long. */
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

const TABLES: readonly TableName[] = [
  'cluster',
  'epoch',
  'counters',
  'keyspace',
  'observed',
  'version',
  'manifest',
  'load',
  'event',
  'node',
];

export function emptyCatalog(): CatalogState {
  return {
    cluster: new Map(),
    epoch: new Map(),
    counters: new Map(),
    keyspace: new Map(),
    observed: new Map(),
    version: new Map(),
    manifest: new Map(),
    load: new Map(),
    event: new Map(),
    node: new Map(),
  };
}

/** Pure: the state after `changes`. */
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

/** Pure: `first`, made in `state`, and `second` after it, as one change with the result of the second. */
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
  /** What has to be made before any other change. */
  #first: ((state: CatalogState) => Transition<unknown>) | undefined;
  #eventNumber: number;
  /** Called with each event once it is durable. */
  onEvent: (event: EventRecord) => void = () => undefined;

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

  /** Reads everything. Throws UNKNOWN_FORMAT and CORRUPT as decodeRecord does. */
  static async load(
    metadata: Metadata,
    queue: ChangeQueue,
    recorder = NO_EVENTS,
  ): Promise<Catalog> {
    const changes: Change[] = [];
    const revisions = new Map<string, number>();
    for (const { key, value, revision } of await metadata.list('')) {
      const change = changeOf(key, value);
      if (change === undefined) continue;
      changes.push(change);
      revisions.set(key, revision);
    }
    const state = applyChanges(emptyCatalog(), changes);
    return new Catalog(metadata, state, revisions, queue, recorder);
  }

  get state(): CatalogState {
    return this.#state;
  }

  /**
   * Runs `transition` when its turn comes; resolves to its result when its changes are durable. Throws what the
   * transition throws, what the store does (DISK_FULL, IO), CONFLICT, and what the queue does: OVERLOADED,
   * UNAVAILABLE and OUTCOME_UNKNOWN. Only the last one leaves open whether the change was made.
   */
  update<Result>(transition: (state: CatalogState) => Transition<Result>): Promise<Result> {
    const actor = this.#recorder.currentActor();
    return this.#queue.run(() => this.#run(transition, actor));
  }

  /**
   * Makes `transition` the one before which no other change is made: it is tried now, and again with each change
   * until it is durable. While it cannot be made each change fails for the same reason.
   */
  begin(transition: (state: CatalogState) => Transition<unknown>): Promise<void> {
    this.#first = transition;
    return this.beginAgain();
  }

  /** Tries what `begin` was given once more. */
  beginAgain(): Promise<void> {
    return this.update(() => ({ changes: [], result: undefined }));
  }

  /** False from `begin` on until its change is durable. */
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
        'The catalog was changed by another process; this master is no longer the leader.',
      );
    }
    for (const { table, id, record } of changes) {
      if (record === undefined) this.#revisions.delete(keyOf(table, id));
      else this.#revisions.set(keyOf(table, id), revision);
    }
    this.#state = applyChanges(this.#state, changes);
    for (const event of events) this.onEvent(event);
    return result;
  }

  /** Numbered; of a transaction that then fails the numbers are left out. */
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

function changeOf(key: string, value: string): Change | undefined {
  const slash = key.indexOf('/');
  const table = TABLES.find((name) => name === (slash < 0 ? key : key.slice(0, slash)));
  if (table === undefined) return undefined;
  const id = slash < 0 ? '' : key.slice(slash + 1);
  return { table, id, record: decodeRecord(key, value) } as Change;
}
