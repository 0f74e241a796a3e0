// The lmdb store of the embedded metadata: opening, reading, and commits that are fenced against a
// second process.
//
//   default database   <key>        -> <revision> <value>
//                      \0revision   -> the revision of the last commit
//                      \0restored   -> '', if the content came from a backup and nothing was committed since
//   database \0fence   commits      -> '', its lmdb version is the number of commits
//
// A commit is one conditional lmdb transaction: it succeeds only if the number of commits is still
// the one that this process knows. So if two processes have somehow opened the same store, one gets
// `false`.
//
// lmdb's thread writes and syncs; the event loop never waits for the disk.

import { existsSync, statfsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { open } from 'lmdb';
import type { Database, RootDatabase } from 'lmdb';
import { SteleError } from '../../base/errors.ts';
import { makeFolder } from '../../base/disk/make-folder.ts';
import type { BackupContent } from './backup.ts';
import type { Entry } from './port.ts';

const REVISION_KEY = '\u0000revision';
const RESTORED_KEY = '\u0000restored';
const RESERVE_KEY = '\u0000reserve';
const FENCE_NAME = '\u0000fence';
const FENCE_KEY = 'commits';
const MAP_BYTES = 4 * 1024 ** 3;
/**
 * Free pages in the file after `reserve`, for the commits of the next minutes on a full disk, and
 * for the epoch of the next start.
 */
const RESERVE_BYTES = 512 * 1024;
const FULL_BELOW_BYTES = 1024 * 1024;
const ERRNO_EIO = 5;
const ERRNO_ENOSPC = 28;
const ERRNO_EDQUOT = 122;
const MDB_MAP_FULL = -30_792;

/** A key and its entry; undefined removes it. */
export type Change = readonly [key: string, entry: Entry | undefined];

export class MetadataStore {
  readonly #folder: string;
  readonly #root: RootDatabase<string, string>;
  readonly #fence: Database<string, string>;
  /** The number of commits in the store; undefined before the first. */
  #commits: number | undefined;
  #isRestored: boolean;

  /**
   * Opens or creates the store in `folder`. With `readOnly` the data file stays as it is. Throws
   * DISK_FULL, and CORRUPT if lmdb finds damage.
   */
  constructor(folder: string, readOnly = false) {
    this.#folder = folder;
    if (!readOnly) checkRoom(folder);
    this.#root = open<string, string>({
      path: folder,
      encoding: 'string',
      mapSize: MAP_BYTES,
      overlappingSync: false,
      readOnly,
      // With it, lmdb creates promises of its own that nobody can handle when a commit fails.
      eventTurnBatching: false,
    });
    this.#fence = this.#root.openDB<string, string>(FENCE_NAME, {
      encoding: 'string',
      useVersions: true,
    });
    this.#commits = this.#fence.getEntry(FENCE_KEY)?.version;
    this.#isRestored = this.#root.get(RESTORED_KEY) !== undefined;
  }

  /** Whether the content came from a backup and nothing was committed since. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  /** All entries of the store. Throws if an entry is malformed. */
  readAll(): BackupContent {
    const entries: Entry[] = [];
    let revision = 0;
    for (const { key, value } of this.#root.getRange({})) {
      if (key === REVISION_KEY) revision = Number(value);
      else if (!key.startsWith('\u0000')) entries.push(decodeEntry(key, value));
    }
    return { revision, entries };
  }

  /**
   * Commits one transaction. Resolves when it is durable; to false if another process has committed
   * since this one opened the store. `restored`: the content of a backup. Throws DISK_FULL or IO,
   * with nothing written.
   */
  async commit(revision: number, changes: readonly Change[], restored = false): Promise<boolean> {
    const next = (this.#commits ?? 0) + 1;
    const written: Promise<boolean>[] = [];
    // null: the key must not exist yet. lmdb's type declarations lack null.
    const expected = (this.#commits ?? null) as number;
    const committed = this.#fence.ifVersion(FENCE_KEY, expected, () => {
      for (const [key, entry] of changes) {
        written.push(
          entry === undefined ? this.#root.remove(key) : this.#root.put(key, encodeEntry(entry)),
        );
      }
      written.push(this.#root.put(REVISION_KEY, String(revision)));
      if (restored) written.push(this.#root.put(RESTORED_KEY, ''));
      else if (this.#isRestored) written.push(this.#root.remove(RESTORED_KEY));
      written.push(this.#fence.put(FENCE_KEY, '', next));
    });
    try {
      // Awaits all promises, because each rejects when the transaction fails.
      const [isCommitted] = await Promise.all([committed, ...written]);
      if (isCommitted) [this.#commits, this.#isRestored] = [next, restored];
      return isCommitted;
    } catch (thrown) {
      throw await this.#errorOf(thrown);
    }
  }

  /** Ensures free pages in the file (see RESERVE_BYTES). Throws DISK_FULL or IO. */
  async reserve(): Promise<void> {
    try {
      await this.#root.put(RESERVE_KEY, ' '.repeat(RESERVE_BYTES));
      await this.#root.remove(RESERVE_KEY);
    } catch (thrown) {
      throw await this.#errorOf(thrown);
    }
  }

  close(): Promise<void> {
    return this.#root.close();
  }

  async #errorOf(thrown: unknown): Promise<SteleError> {
    const cause = await causeOf(thrown);
    const code = cause instanceof Error && 'code' in cause ? Number(cause.code) : 0;
    const path = join(this.#folder, 'data.mdb');
    if (code === MDB_MAP_FULL) {
      const text = `The catalog ${path} has its largest size, ${MAP_BYTES / 1024 ** 3} GiB; drop keyspaces or keep fewer versions.`;
      return new SteleError('DISK_FULL', text, { cause });
    }
    // lmdb reports EIO for a write that was cut short by a disk that has just become full.
    const isCut = code === ERRNO_EIO && (await freeBytes(this.#folder)) < FULL_BELOW_BYTES;
    if (isCut || code === ERRNO_ENOSPC || code === ERRNO_EDQUOT) {
      const text = `The disk of the catalog ${path} is full: nothing was changed, and reads go on; free some space on it.`;
      return new SteleError('DISK_FULL', text, { cause });
    }
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new SteleError('IO', `The catalog ${path} cannot be written: ${reason}.`, { cause });
  }
}

/**
 * New files of lmdb are mapped into memory; without disk blocks for them, the process would be
 * killed (SIGBUS).
 */
function checkRoom(folder: string): void {
  const isThere = ['data.mdb', 'lock.mdb'].every((name) => existsSync(join(folder, name)));
  if (isThere) return;
  makeFolder(folder);
  const { bavail, bsize } = statfsSync(folder);
  if (bavail * bsize >= FULL_BELOW_BYTES) return;
  throw new SteleError(
    'DISK_FULL',
    `The disk of ${folder} is full, and the catalog is to be made there; free some space on it.`,
  );
}

/** lmdb passes the reason in a promise that it rejects, which has to be handled. */
async function causeOf(thrown: unknown): Promise<unknown> {
  if (!(thrown instanceof Error) || !('commitError' in thrown)) return thrown;
  try {
    await thrown.commitError;
    return thrown;
  } catch (cause) {
    return cause;
  }
}

async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    // A file system that does not report its free space is not treated as full.
    return Infinity;
  }
}

function encodeEntry(entry: Entry): string {
  return `${entry.revision} ${entry.value}`;
}

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
