// The metadata port on lmdb, in the master's own data folder.
//
//   <folder>/metadata/data.mdb             the store, see store.ts
//   <folder>/catalog-backup.json, .log     see backup.ts
//   <folder>/metadata.damaged-<time>/      a damaged store, set aside, never deleted
//
// Everything is also held in memory (the catalog is, anyway), so reads touch no disk and a backup
// needs no scan.
//
// Invariants: memory changes only after the store has; a write resolves only when the store
// is on disk, and the backup too unless that failed (logged as an error); what a write expects is looked
// at when all writes before it are in memory, and the store refuses a commit that does not follow the last one
// of this process; a store that another process has open is never moved away. The caller holds the
// folder's lock.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { requireAccess } from '../../base/file-access.ts';
import { isFileLocked } from '../../base/folder-lock.ts';
import type { Logger } from '../../base/log.ts';
import { makeFolder } from '../../base/make-folder.ts';
import { BackupWriter, readNewestBackup } from './backup.ts';
import type { BackupContent } from './backup.ts';
import type { Entry, Lease, Metadata, WatchEvent, Write } from './port.ts';
import { checkStore } from './store-check.ts';
import { MetadataStore } from './store.ts';

/**
 * Opens the store below `folder`, restoring a damaged one from its backup. Throws CORRUPT when it
 * is damaged and there is no intact backup, LOCKED when it is and another process has it open, or when a process of
 * the same number in another PID namespace has, and IO where this
 * process may not use its files.
 */
export async function openEmbeddedMetadata(folder: string, log: Logger): Promise<EmbeddedMetadata> {
  makeFolder(folder);
  const storeFolder = join(folder, 'metadata');
  const files = ['data.mdb', 'lock.mdb'].map((name) => join(storeFolder, name));
  for (const path of [storeFolder, ...files]) requireAccess(path);
  // Each process that reads holds the byte at its number. Without it lmdb tries for ten seconds, and then fails.
  if (isFileLocked(join(storeFolder, 'lock.mdb'), process.pid)) throw sameNumberError(storeFolder);
  const damage = findDamage(folder, storeFolder);
  if (damage !== undefined) return restore(folder, storeFolder, damage, log);
  const store = new MetadataStore(storeFolder);
  let content: BackupContent;
  try {
    content = store.readAll();
  } catch (thrown) {
    await store.close();
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    return restore(folder, storeFolder, reason, log);
  }
  return EmbeddedMetadata.start(folder, store, content, log);
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

async function restore(
  folder: string,
  storeFolder: string,
  reason: string,
  log: Logger,
): Promise<EmbeddedMetadata> {
  // lmdb holds a lock on this file for as long as a process has the store open.
  if (isFileLocked(join(storeFolder, 'lock.mdb'))) throw openElsewhereError(storeFolder, reason);
  const backup = readNewestBackup(folder);
  if (backup === undefined) throw damagedError(storeFolder, reason);
  const aside = join(folder, `metadata.damaged-${wallClockIso().replaceAll(':', '-')}`);
  if (checkStore(storeFolder).kind !== 'absent') renameSync(storeFolder, aside);
  log.error(
    { store: storeFolder, reason, aside, backup: backup.file, revision: backup.content.revision },
    'the metadata store was damaged; restored the catalog from its backup, the damaged store is kept aside',
  );
  const store = new MetadataStore(storeFolder);
  const { revision, entries } = backup.content;
  if (
    !(await store.commit(
      revision,
      entries.map((entry) => [entry.key, entry]),
      true,
    ))
  ) {
    throw changedElsewhereError();
  }
  return EmbeddedMetadata.start(folder, store, backup.content, log);
}

function openElsewhereError(storeFolder: string, reason: string): SteleError {
  return new SteleError(
    'LOCKED',
    `The metadata store ${join(storeFolder, 'data.mdb')} cannot be read (${reason}), and another process has it open; stop that process, then start this one again.`,
  );
}

function sameNumberError(storeFolder: string): SteleError {
  return new SteleError(
    'LOCKED',
    `The metadata store ${join(storeFolder, 'data.mdb')} is open in another container, by a process that has the number of this one (${process.pid}); stop that process, then start this one again. Its LOCK must have been deleted: never delete LOCK while a process runs.`,
  );
}

function changedElsewhereError(): SteleError {
  return new SteleError(
    'CONFLICT',
    'Another process has changed the metadata store of this master, so this master changes nothing any more; stop one of the two, and restart the other.',
  );
}

function damagedError(storeFolder: string, reason: string): SteleError {
  return new SteleError(
    'CORRUPT',
    `The metadata store ${join(storeFolder, 'data.mdb')} is damaged (${reason}) and no intact catalog-backup.json is beside it. ` +
      'Nothing was changed, and the segments on the datanodes are untouched: put back a copy of the store or of the backup, ' +
      'or start with an empty --data-dir and load the files again.',
  );
}

export class EmbeddedMetadata implements Metadata {
  /**
   * Came from a backup, which may lack the very last commits; also where the process ended before it had changed
   * anything since, so that whatever a restore calls for is in its first change.
   */
  readonly restored: boolean;
  readonly #store: MetadataStore;
  readonly #backup: BackupWriter;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  readonly #watchers = new Set<{ prefix: string; listener: (event: WatchEvent) => void }>();
  readonly #leases = new Set<string>();
  #revision: number;
  /** The write that is under way, or the last one. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #isBackupFailing = false;

  /** With a fresh backup of `content`, unless it cannot be written (logged). */
  static async start(
    folder: string,
    store: MetadataStore,
    content: BackupContent,
    log: Logger,
  ): Promise<EmbeddedMetadata> {
    const metadata = new EmbeddedMetadata(folder, store, content, log);
    await metadata.#keepBackup(metadata.#backup.start());
    await metadata.#reserve();
    return metadata;
  }

  private constructor(folder: string, store: MetadataStore, content: BackupContent, log: Logger) {
    this.restored = store.isRestored;
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
    const changed = events.map(({ key, entry }) => [key, entry] as const);
    if (!(await this.#store.commit(revision, changed))) throw changedElsewhereError();
    this.#revision = revision;
    for (const event of events) this.#remember(event);
    const changes = events.map(({ key, entry }) =>
      entry === undefined ? { key } : { key, value: entry.value },
    );
    await this.#keepBackup(this.#backup.write({ revision, changes }));
    for (const event of events) this.#notify(event);
    return revision;
  }

  /**
   * The commit is in the store by now, so a backup that fails is told, and does not undo it. It is told once,
   * as on a full disk it fails with each commit.
   */
  async #keepBackup(written: Promise<void>): Promise<void> {
    const revision = this.#revision;
    try {
      await written;
      if (this.#isBackupFailing) this.#log.info({ revision }, 'the backup of the catalog is whole');
      this.#isBackupFailing = false;
    } catch (thrown) {
      const message =
        'the backup of the catalog cannot be written; each change tries it again until it can';
      if (!this.#isBackupFailing) this.#log.error({ err: thrown, revision }, message);
      this.#isBackupFailing = true;
    }
  }

  /** A disk without room for it is told now, before it is full. */
  async #reserve(): Promise<void> {
    try {
      await this.#store.reserve();
    } catch (thrown) {
      this.#log.warn({ err: thrown }, 'the catalog has little room: its disk is nearly full');
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
