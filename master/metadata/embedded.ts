// The metadata port on lmdb, in the master's own data folder.
//
//   <folder>/metadata/data.mdb             the store, see store.ts
//   <folder>/catalog-backup.json, .log     see backup.ts
//   <folder>/metadata.damaged-<time>/      a damaged store, set aside, never deleted
//
// Everything is also in memory (as the catalog is), so reads do not touch the disk and a backup
// needs no scan.
//
// Invariants: memory changes only after the store has; a write resolves only when it is on disk in
// the store, and in the backup unless that failed (logged as an error); the condition of a write is
// checked after all writes before it are in memory, and the store refuses a commit that does not
// follow the last one of this process; a store that another process has open is never moved. The
// caller holds the folder's lock.

import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { requireAccess } from '../../base/disk/file-access.ts';
import { isFileLocked } from '../../base/disk/folder-lock.ts';
import type { Logger } from '../../base/log.ts';
import { makeFolder } from '../../base/disk/make-folder.ts';
import { BackupWriter, readNewestBackup } from './backup.ts';
import type { BackupContent } from './backup.ts';
import { changing } from './port.ts';
import type { ChangingWrite, Entry, Metadata, Write } from './port.ts';
import { checkStore } from './store-check.ts';
import { MetadataStore } from './store.ts';

/**
 * Opens the store below `folder`; restores a damaged one from its backup. Throws CORRUPT if it is
 * damaged and there is no intact backup, LOCKED if it is damaged and another process has it open,
 * or if a process of the same pid in another PID namespace has it open, and IO if this process may
 * not use its files.
 */
export async function openEmbeddedMetadata(folder: string, log: Logger): Promise<EmbeddedMetadata> {
  makeFolder(folder);
  const storeFolder = join(folder, 'metadata');
  const files = ['data.mdb', 'lock.mdb'].map((name) => join(storeFolder, name));
  for (const path of [storeFolder, ...files]) await requireAccess(path);
  // Each reading process locks the byte at its pid. Without this check lmdb would retry for ten
  // seconds and fail.
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

/** A missing store with an existing backup counts as damaged: it once had content. */
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
  // lmdb holds a lock on this file while a process has the store open.
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
    'Another process has changed the metadata store of the master, so the master changes nothing any more; stop one of the two, and restart the other.',
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
   * True if the content came from a backup, which may lack the last commits. It stays true until
   * this or a later process commits a change, so that the first change can include what a restore
   * requires.
   */
  readonly restored: boolean;
  readonly #store: MetadataStore;
  readonly #backup: BackupWriter;
  readonly #log: Logger;
  readonly #entries = new Map<string, Entry>();
  #revision: number;
  /** The write in progress, or the last one. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;
  #isBackupFailing = false;

  /** Starts with a fresh backup of `content`, unless it cannot be written (logged). */
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

  list(prefix: string): Promise<Entry[]> {
    const found = [...this.#entries.values()].filter((entry) => entry.key.startsWith(prefix));
    return Promise.resolve(found.sort((left, right) => (left.key < right.key ? -1 : 1)));
  }

  transaction(writes: readonly Write[]): Promise<number | undefined> {
    return this.#enqueue(async () => {
      const holds = writes.every(
        ({ key, expect }) =>
          expect === undefined || expect === (this.#entries.get(key)?.revision ?? 0),
      );
      return holds ? this.#commit(writes) : undefined;
    });
  }

  /** Runs `write` after those before it have ended, successfully or not. */
  #enqueue<Result>(write: () => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(write);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #commit(writes: readonly Write[]): Promise<number> {
    if (this.#closed) throw new SteleError('UNAVAILABLE', 'The metadata store is closed.');
    const revision = this.#revision + 1;
    const steps = changing(writes);
    if (steps.length === 0) return this.#revision;
    const changed = steps.map((write) => [write.key, entryOf(write, revision)] as const);
    if (!(await this.#store.commit(revision, changed))) throw changedElsewhereError();
    this.#revision = revision;
    for (const [key, entry] of changed) {
      if (entry === undefined) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    const changes = changed.map(([key, entry]) =>
      entry === undefined ? { key } : { key, value: entry.value },
    );
    await this.#keepBackup(this.#backup.write({ revision, changes }));
    return revision;
  }

  /**
   * The commit is in the store already, so a backup that fails is reported and does not undo it. It
   * is reported once, because on a full disk it fails with each commit.
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

  /** Reports a disk without enough room before it is full. */
  async #reserve(): Promise<void> {
    try {
      await this.#store.reserve();
    } catch (thrown) {
      this.#log.warn({ err: thrown }, 'the catalog has little room: its disk is nearly full');
    }
  }

  /** Closes after the writes that were requested before. */
  close(): Promise<void> {
    return this.#enqueue(async () => {
      if (this.#closed) return;
      this.#closed = true;
      await this.#keepBackup(this.#backup.close());
      await this.#store.close();
    });
  }
}

/** Undefined: deleted. */
function entryOf(write: ChangingWrite, revision: number): Entry | undefined {
  return write.kind === 'delete' ? undefined : { key: write.key, value: write.value, revision };
}
