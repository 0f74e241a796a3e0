// The metadata port on lmdb, in the master's own data folder.
//
//   <folder>/metadata/data.mdb             the store
//   <folder>/catalog-backup.json, .log     see backup.ts
//   <folder>/metadata.damaged-<time>/      a damaged store, set aside, never deleted
//
// Commits are lmdb transactions, one after the other; lmdb's own thread writes and syncs them, so that the
// event loop, which answers reads, never waits for the disk. Everything is also held in memory (the
// catalog is, anyway), so reads touch no disk and a backup needs no scan.
//
// Invariants: memory changes only after the store has; a write resolves only when the store
// is on disk, and the backup too unless that failed (logged as an error); what a write expects is looked
// at when all writes before it are in memory. The caller holds the folder's lock.

import { open } from 'lmdb';
import type { RootDatabase } from 'lmdb';
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { BackupWriter, readNewestBackup } from './backup.ts';
import type { BackupContent } from './backup.ts';
import type { Entry, Lease, Metadata, WatchEvent, Write } from './port.ts';
import { checkStore } from './store-check.ts';

const REVISION_KEY = '\u0000revision';
const MAP_BYTES = 4 * 1024 ** 3;

/**
 * Opens the store below `folder`, restoring a damaged one from its backup. Throws CORRUPT when it
 * is damaged and there is no intact backup.
 */
export async function openEmbeddedMetadata(folder: string, log: Logger): Promise<EmbeddedMetadata> {
  mkdirSync(folder, { recursive: true });
  const storeFolder = join(folder, 'metadata');
  const damage = findDamage(folder, storeFolder);
  if (damage === undefined) {
    const store = openStore(storeFolder);
    const content = readAll(store);
    if (typeof content !== 'string') {
      return EmbeddedMetadata.start(folder, store, content, log, false);
    }
    await store.close();
    return restore(folder, storeFolder, content, log);
  }
  return restore(folder, storeFolder, damage, log);
}

/** A store that is gone although its backup is there counts as damaged: it once had content. */
function findDamage(folder: string, storeFolder: string): string | undefined {
  const condition = checkStore(storeFolder);
  if (condition.kind === 'damaged') return condition.reason;
  if (condition.kind === 'absent' && readNewestBackup(folder) !== undefined) {
    return 'its file data.mdb is missing';
  }
  return undefined;
}

function openStore(storeFolder: string): RootDatabase<string, string> {
  return open<string, string>({
    path: storeFolder,
    encoding: 'string',
    mapSize: MAP_BYTES,
    overlappingSync: false,
  });
}

/** Everything in the store, or why it cannot be believed. */
function readAll(store: RootDatabase<string, string>): BackupContent | string {
  try {
    const entries: Entry[] = [];
    let revision = 0;
    for (const { key, value } of store.getRange({})) {
      if (key === REVISION_KEY) revision = Number(value);
      else entries.push(decodeEntry(key, value));
    }
    return { revision, entries };
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** Stored as `<revision> <value>`. */
function decodeEntry(key: string, stored: string): Entry {
  const space = stored.indexOf(' ');
  const revision = Number(stored.slice(0, space));
  if (space < 1 || !Number.isSafeInteger(revision)) {
    throw new SteleError('CORRUPT', `the entry '${key}' has no revision`);
  }
  const value = stored.slice(space + 1);
  JSON.parse(value);
  return { key, value, revision };
}

async function restore(
  folder: string,
  storeFolder: string,
  reason: string,
  log: Logger,
): Promise<EmbeddedMetadata> {
  const backup = readNewestBackup(folder);
  if (backup === undefined) throw damagedError(storeFolder, reason);
  const aside = join(folder, `metadata.damaged-${wallClockIso().replaceAll(':', '-')}`);
  if (checkStore(storeFolder).kind !== 'absent') renameSync(storeFolder, aside);
  log.error(
    { store: storeFolder, reason, aside, backup: backup.file, revision: backup.content.revision },
    'the metadata store was damaged; restored the catalog from its backup, the damaged store is kept aside',
  );
  const store = openStore(storeFolder);
  const { revision, entries } = backup.content;
  await commit(
    store,
    revision,
    entries.map((entry) => [entry.key, encodeEntry(entry)]),
  );
  return EmbeddedMetadata.start(folder, store, backup.content, log, true);
}

function damagedError(storeFolder: string, reason: string): SteleError {
  return new SteleError(
    'CORRUPT',
    `The metadata store ${join(storeFolder, 'data.mdb')} is damaged (${reason}) and no intact catalog-backup.json is beside it. ` +
      'Nothing was changed, and the segments on the datanodes are untouched: put back a copy of the store or of the backup, ' +
      'or start with an empty --data-dir and load the files again.',
  );
}

function encodeEntry(entry: Entry): string {
  return `${entry.revision} ${entry.value}`;
}

type Change = readonly [key: string, stored: string | undefined];

/** One lmdb transaction; resolves when it is durable (no overlapping sync: see openStore). */
async function commit(
  store: RootDatabase<string, string>,
  revision: number,
  changes: readonly Change[],
): Promise<void> {
  const written: Promise<boolean>[] = [];
  const committed = store.batch(() => {
    for (const [key, stored] of changes) {
      written.push(stored === undefined ? store.remove(key) : store.put(key, stored));
    }
    written.push(store.put(REVISION_KEY, String(revision)));
  });
  // All of them, as each fails for itself when the transaction does.
  await Promise.all([committed, ...written]);
}

export class EmbeddedMetadata implements Metadata {
  /** Came from a backup, which may lack the very last commits. */
  readonly restored: boolean;
  readonly #store: RootDatabase<string, string>;
  readonly #backup: BackupWriter;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Set<{ prefix: string; listener: (event: WatchEvent) => void }>();
  readonly #leases = new Set<string>();
  #revision: number;
  /** The write that is under way, or the last one. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** With a fresh backup of `content`, unless it cannot be written (logged). */
  static async start(
    folder: string,
    store: RootDatabase<string, string>,
    content: BackupContent,
    log: Logger,
    restored: boolean,
  ): Promise<EmbeddedMetadata> {
    const metadata = new EmbeddedMetadata(folder, store, content, log, restored);
    await metadata.#keepBackup(metadata.#backup.start());
    return metadata;
  }

  private constructor(
    folder: string,
    store: RootDatabase<string, string>,
    content: BackupContent,
    log: Logger,
    restored: boolean,
  ) {
    this.restored = restored;
    this.#store = store;
    this.#log = log;
    this.#backup = new BackupWriter(folder, () => ({
      revision: this.#revision,
      entries: [...this.#entries.values()],
    }));
    this.#revision = content.revision;
    for (const entry of content.entries) this.#entries.set(entry.key, entry);
  }

  get(key: string): Promise<Entry | undefined> {
    return Promise.resolve(this.#entries.get(key));
  }

  list(prefix: string): Promise<Entry[]> {
    const found = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return Promise.resolve(found.sort((left, right) => (left.key < right.key ? -1 : 1)));
  }

  put(key: string, value: string): Promise<number> {
    return this.#inTurn(() => this.#commit([{ kind: 'put', key, value }]));
  }

  compareAndSet(key: string, expect: number, value: string): Promise<number | undefined> {
    return this.transaction([{ kind: 'put', key, value, expect }]);
  }

  delete(key: string): Promise<boolean> {
    return this.#inTurn(async () => {
      if (!this.#entries.has(key)) return false;
      await this.#commit([{ kind: 'delete', key }]);
      return true;
    });
  }

  transaction(writes: readonly Write[]): Promise<number | undefined> {
    return this.#inTurn(async () => {
      const holds = writes.every(
        ({ key, expect }) =>
          expect === undefined || expect === (this.#entries.get(key)?.revision ?? 0),
      );
      return holds ? this.#commit(writes) : undefined;
    });
  }

  /** Runs `write` when those before it have ended, well or not. */
  #inTurn<Result>(write: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(write);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #commit(writes: readonly Write[]): Promise<number> {
    if (this.#closed) throw new SteleError('UNAVAILABLE', 'The metadata store is closed.');
    const revision = this.#revision + 1;
    const events = writes.map((write) => eventOf(write, revision));
    await commit(
      this.#store,
      revision,
      events.map(({ key, entry }) => [key, entry === undefined ? undefined : encodeEntry(entry)]),
    );
    this.#revision = revision;
    for (const event of events) this.#remember(event);
    const changes = events.map(({ key, entry }) =>
      entry === undefined ? { key } : { key, value: entry.value },
    );
    await this.#keepBackup(this.#backup.write({ revision, changes }));
    for (const event of events) this.#notify(event);
    return revision;
  }

  /** The commit is in the store by now, so a backup that fails is told, and does not undo it. */
  async #keepBackup(written: Promise<void>): Promise<void> {
    try {
      await written;
    } catch (thrown) {
      const revision = this.#revision;
      this.#log.error({ err: thrown, revision }, 'the backup of the catalog cannot be written');
    }
  }

  #remember({ key, entry }: WatchEvent): void {
    if (entry === undefined) this.#entries.delete(key);
    else this.#entries.set(key, entry);
  }

  #notify(event: WatchEvent): void {
    for (const { prefix, listener } of this.#watchers) {
      if (event.key.startsWith(prefix)) listener(event);
    }
  }

  watch(prefix: string, listener: (event: WatchEvent) => void): () => void {
    const watcher = { prefix, listener };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The folder's lock already keeps other processes out, so a lease here lasts until released. */
  lease(name: string, _ttlMs: number): Promise<Lease | undefined> {
    if (this.#leases.has(name)) return Promise.resolve(undefined);
    this.#leases.add(name);
    return Promise.resolve({
      name,
      renew: () => Promise.resolve(!this.#closed && this.#leases.has(name)),
      release: () => {
        this.#leases.delete(name);
        return Promise.resolve();
      },
    });
  }

  /** After the writes that were asked for before. */
  close(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#closed) return;
      this.#closed = true;
      await this.#keepBackup(this.#backup.close());
      await this.#store.close();
    });
  }
}

function eventOf(write: Write, revision: number): WatchEvent {
  if (write.kind === 'delete') return { key: write.key, entry: undefined };
  return { key: write.key, entry: { key: write.key, value: write.value, revision } };
}
