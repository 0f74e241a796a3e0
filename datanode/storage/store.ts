// Segments on disk and in memory.
//
//   <data-dir>/node.json                        identity.ts
//   <data-dir>/cluster/                         last-known.ts
//   <data-dir>/segments/<keyspace uid>/<id>.seg verified before they were named so
//   <data-dir>/segments/<keyspace uid>/SUSPENDED  empty; the keyspace is not held in memory
//   <data-dir>/verified                         which of these files passed the full check (verified-files.ts)
//   <data-dir>/incoming/                        being received; emptied at every start
//   <data-dir>/quarantine/                      failed verification; kept for a person to look at, the newest of them
//
// A file gets its name only when it is whole, verified in full and synced, so whatever is found under
// segments/ after a crash is a whole file; it is verified again all the same, because disks rot.

import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BackgroundTasks } from '../../base/background.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import { FolderSync, syncFolder, writeNewFile } from '../../base/durable-file.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { requireAccess } from '../../base/file-access.ts';
import { keyspaceUidOf, randomId, segmentIdOf } from '../../base/ids.ts';
import { SEGMENT_BYTES_MAX } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { formatBytes } from '../../base/units.ts';
import type { DiskTrouble } from '../../proto/gen/stele/v1/datanode.ts';
import { DiskHealth } from './disk-health.ts';
import { VerifiedFiles } from './verified-files.ts';

const FOLDERS = ['segments', 'incoming', 'quarantine'];
const READ_BYTES = 8 * 1024 * 1024;
const SEGMENT_SUFFIX = '.seg';
const SUSPENDED_MARK = 'SUSPENDED';
/** Enough for a person to see what is wrong with a disk or a writer. */
const QUARANTINE_FILES_MAX = 64;
const QUARANTINE_BYTES_MAX = 1024 ** 3;

/** A segment file by its place. */
export interface SegmentFile {
  readonly keyspaceUid: string;
  readonly segmentId: string;
  readonly path: string;
  readonly byteLength: number;
}

export interface DiskStoreOptions {
  readonly folder: string;
  readonly diskReserveBytes: number;
  readonly log: Logger;
}

export class DiskStore {
  readonly verified: VerifiedFiles;
  readonly #folder: string;
  readonly #options: DiskStoreOptions;
  readonly #health: DiskHealth;
  /** Bytes promised to transfers that have not been written yet. */
  #promisedBytes = 0;
  readonly #keyspaceFolders = new Map<string, Promise<FolderSync>>();
  readonly #folderSyncs = new Map<string, FolderSync>();
  /** Files being deleted, by path: one that comes again under the same name waits for that. */
  readonly #removing = new Map<string, Promise<void>>();

  constructor(options: DiskStoreOptions) {
    this.#options = options;
    this.#folder = options.folder;
    const background = new BackgroundTasks(options.log);
    this.#health = new DiskHealth(this.#folder, () => this.#keptBytes, background);
    this.verified = new VerifiedFiles(this.#folder, background);
  }

  /** The data folder. */
  get folder(): string {
    return this.#folder;
  }

  /** Makes the folders and throws away what was being received when the process died. Throws IO. */
  async prepare(): Promise<void> {
    const uids = await readdir(join(this.#folder, 'segments')).catch(() => []);
    for (const name of [...FOLDERS, ...uids.map((uid) => join('segments', uid))]) {
      requireAccess(join(this.#folder, name));
    }
    try {
      await rm(join(this.#folder, 'incoming'), { recursive: true, force: true });
    } catch (thrown) {
      // Each file in it has a name of its own, which no other file will have.
      await this.#noteFailure(thrown, 'incoming', 'is not emptied');
    }
    await this.makeFolders();
    await this.verified.open();
    // Failures of both are disk trouble, which does not keep what is there from being served.
    await this.#health.measure().catch(() => undefined);
  }

  /** Makes the folders that are missing; on a full disk they stay so until there is room. */
  async makeFolders(): Promise<void> {
    for (const name of FOLDERS) {
      try {
        await mkdir(join(this.#folder, name), { recursive: true });
      } catch (thrown) {
        await this.#noteFailure(thrown, name, 'cannot be made');
      }
    }
  }

  async #noteFailure(thrown: unknown, folder: string, what: string): Promise<void> {
    await this.#health.failed(thrown);
    const { code, message } = toSteleError(thrown, 'IO');
    this.#options.log.error({ code, folder }, `a folder ${what}: ${message}`);
  }

  /** All segment files, in the order of their names. */
  async list(): Promise<SegmentFile[]> {
    return segmentFilesBelow(join(this.#folder, 'segments'));
  }

  /** When the folder of a keyspace was last changed, in Unix ms; undefined where there is none. */
  async folderChangedAtMs(keyspaceUid: string): Promise<number | undefined> {
    return (await unlessGone(stat(this.#folderOf(keyspaceUid))))?.mtimeMs;
  }

  /** The ids of the segment files of a keyspace; none where its folder is gone. */
  async segmentIdsOf(keyspaceUid: string): Promise<Set<string>> {
    const names = (await unlessGone(readdir(this.#folderOf(keyspaceUid)))) ?? [];
    return new Set(
      names.flatMap((name) =>
        name.endsWith(SEGMENT_SUFFIX) ? [name.slice(0, -SEGMENT_SUFFIX.length)] : [],
      ),
    );
  }

  /**
   * Sets disk space aside for `byteCount` bytes, or throws DISK_FULL or IO. The returned function gives
   * it back; call it once the bytes are written or given up.
   */
  async reserve(byteCount: number): Promise<() => void> {
    const freeBytes = await this.#health.measure();
    const needed = byteCount + this.#keptBytes;
    if (needed > freeBytes) {
      this.#health.refused(monotonicNowMs());
      throw new SteleError(
        'DISK_FULL',
        `The disk of ${this.#folder} has ${formatBytes(freeBytes)} free, ${formatBytes(needed)} are needed (with the reserve of ${formatBytes(this.#options.diskReserveBytes)}); free some space.`,
      );
    }
    this.#promisedBytes += byteCount;
    let held = true;
    return () => {
      if (held) this.#promisedBytes -= byteCount;
      held = false;
    };
  }

  /** As measured last, without a wait for the disk. */
  get freeBytes(): number {
    return this.#health.freeBytes;
  }

  /** Why no segments should be sent here; undefined: nothing is wrong. Does not wait for the disk. */
  trouble(nowMs: number): DiskTrouble | undefined {
    return this.#health.trouble(this.freeBytes > this.#keptBytes, nowMs);
  }

  get #keptBytes(): number {
    return this.#promisedBytes + this.#options.diskReserveBytes;
  }

  /**
   * Writes a verified segment durably. When it resolves, a crash or a power cut leaves the whole
   * file; before, it leaves nothing under segments/.
   */
  write(keyspaceUid: string, segmentId: string, bytes: Uint8Array): Promise<void> {
    return this.writeBy(keyspaceUid, segmentId, (path) => writeNewFile(path, bytes));
  }

  /**
   * Like `write`, but `writeTo` creates and syncs the file. Resolves to its result. Folders that were
   * removed under the running node are made again.
   */
  async writeBy<Result>(
    keyspaceUid: string,
    segmentId: string,
    writeTo: (path: string) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await this.#writeOnce(keyspaceUid, segmentId, writeTo);
    } catch (thrown) {
      const isIo = thrown instanceof SteleError && thrown.code === 'IO';
      if (!isIo || !(await this.#hasLostFolders(keyspaceUid))) throw thrown;
      await this.makeFolders();
      this.#keyspaceFolders.delete(keyspaceUid);
      return await this.#writeOnce(keyspaceUid, segmentId, writeTo);
    }
  }

  async #hasLostFolders(keyspaceUid: string): Promise<boolean> {
    const folders = [join(this.#folder, 'incoming'), this.#folderOf(keyspaceUid)];
    const found = await Promise.all(folders.map((folder) => unlessGone(stat(folder))));
    return found.includes(undefined);
  }

  async #writeOnce<Result>(
    keyspaceUid: string,
    segmentId: string,
    writeTo: (path: string) => Promise<Result>,
  ): Promise<Result> {
    const path = this.#pathOf(keyspaceUid, segmentId);
    const temporary = join(this.#folder, 'incoming', `${segmentId}.${randomId()}`);
    try {
      const result = await writeTo(temporary);
      const folder = await this.#keyspaceFolder(keyspaceUid);
      await this.#removing.get(path)?.catch(() => undefined);
      await rename(temporary, path);
      await folder.sync();
      this.#health.wrote();
      return result;
    } catch (thrown) {
      await this.#health.failed(thrown);
      // Where this fails too, the next start does it; the first failure is the one to tell.
      await rm(temporary, { force: true }).catch(() => undefined);
      throw toSteleError(thrown, 'IO');
    }
  }

  /** Deletes a file; one that is written under this name from now on is not meant and stays. */
  async remove(keyspaceUid: string, segmentId: string): Promise<void> {
    const path = this.#pathOf(keyspaceUid, segmentId);
    const removal = this.#remove(path);
    this.#removing.set(path, removal);
    try {
      await removal;
    } finally {
      if (this.#removing.get(path) === removal) this.#removing.delete(path);
    }
  }

  async #remove(path: string): Promise<void> {
    await rm(path, { force: true });
    await this.#syncOf(dirname(path))
      .sync()
      .catch((thrown: unknown) => {
        if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
      });
  }

  /** One for each folder, so that many changes there share a sync. */
  #syncOf(folder: string): FolderSync {
    let sync = this.#folderSyncs.get(folder);
    if (sync === undefined) this.#folderSyncs.set(folder, (sync = new FolderSync(folder)));
    return sync;
  }

  /**
   * Moves a file that failed verification out of the way, under a name that says what it was.
   * Resolves to where it is now. Throws IO, and the system's ENOENT where it is gone.
   */
  async quarantine(file: Omit<SegmentFile, 'byteLength'>): Promise<string> {
    const name = `${file.keyspaceUid}-${file.segmentId}-${randomId()}${SEGMENT_SUFFIX}`;
    const movedTo = join(this.#folder, 'quarantine', name);
    await rename(file.path, movedTo);
    await syncFolder(dirname(file.path));
    this.#options.log.warn({ file: file.path, movedTo: name }, 'segment quarantined');
    await this.#boundQuarantine(movedTo);
    return movedTo;
  }

  /** Removes the oldest files while there are too many, or too many bytes; the newest one stays. */
  async #boundQuarantine(newest: string): Promise<void> {
    const folder = join(this.#folder, 'quarantine');
    const found = await Promise.all(
      (await readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        const facts = await unlessGone(stat(path));
        return { path, movedAtMs: facts?.ctimeMs ?? 0, byteLength: facts?.size ?? 0 };
      }),
    );
    found.sort((left, right) => left.movedAtMs - right.movedAtMs);
    let byteLength = found.reduce((sum, file) => sum + file.byteLength, 0);
    let count = found.length;
    for (const file of found) {
      if (count <= QUARANTINE_FILES_MAX && byteLength <= QUARANTINE_BYTES_MAX) return;
      if (file.path === newest) continue;
      await rm(file.path, { force: true, recursive: true });
      this.#options.log.warn(
        { file: file.path },
        'the quarantine is full: its oldest file is removed',
      );
      count--;
      byteLength -= file.byteLength;
    }
  }

  /** Where a segment's file is, or would be. */
  fileOf(keyspaceUid: string, segmentId: string): Omit<SegmentFile, 'byteLength'> {
    return { keyspaceUid, segmentId, path: this.#pathOf(keyspaceUid, segmentId) };
  }

  /** Sets or takes away the mark of a suspended keyspace. Losing it costs time at a start, no data. */
  async markSuspended(keyspaceUid: string, suspended: boolean): Promise<void> {
    const folder = this.#folderOf(keyspaceUid);
    const path = join(folder, SUSPENDED_MARK);
    if (suspended) {
      await mkdir(folder, { recursive: true });
      await (await open(path, 'w', 0o644)).close();
    } else {
      await rm(path, { force: true });
    }
  }

  /** Uids of the keyspaces that are marked. */
  async suspendedKeyspaces(): Promise<string[]> {
    const folder = join(this.#folder, 'segments');
    const marked: string[] = [];
    for (const uid of (await unlessGone(readdir(folder))) ?? []) {
      const mark = await stat(join(folder, uid, SUSPENDED_MARK)).catch(() => undefined);
      if (mark?.isFile() === true) marked.push(uid);
    }
    return marked;
  }

  /** Ids come from the network: what is not of their form never becomes a part of a path. */
  #folderOf(keyspaceUid: string): string {
    return join(this.#folder, 'segments', keyspaceUidOf(keyspaceUid));
  }

  #pathOf(keyspaceUid: string, segmentId: string): string {
    return join(this.#folderOf(keyspaceUid), `${segmentIdOf(segmentId)}${SEGMENT_SUFFIX}`);
  }

  /** Made, durably, when the first segment of a keyspace comes. */
  #keyspaceFolder(keyspaceUid: string): Promise<FolderSync> {
    let folder = this.#keyspaceFolders.get(keyspaceUid);
    if (folder === undefined) {
      folder = this.#makeKeyspaceFolder(keyspaceUid);
      this.#keyspaceFolders.set(keyspaceUid, folder);
      // One that failed is tried again with the next segment.
      folder.catch(() => this.#keyspaceFolders.delete(keyspaceUid));
    }
    return folder;
  }

  async #makeKeyspaceFolder(keyspaceUid: string): Promise<FolderSync> {
    const path = this.#folderOf(keyspaceUid);
    const made = await mkdir(path, { recursive: true });
    if (made !== undefined) await syncFolder(dirname(path));
    return this.#syncOf(path);
  }
}

/**
 * The segment files in a `segments` folder. Files with other endings are not Stele's and are left alone;
 * what a running datanode deletes meanwhile is left out.
 */
export async function segmentFilesBelow(folder: string): Promise<SegmentFile[]> {
  const files: SegmentFile[] = [];
  for (const keyspaceUid of ((await unlessGone(readdir(folder))) ?? []).sort()) {
    const keyspaceFolder = join(folder, keyspaceUid);
    const names = (await unlessGone(readdir(keyspaceFolder))) ?? [];
    for (const name of names.sort()) {
      if (!name.endsWith(SEGMENT_SUFFIX)) continue;
      const path = join(keyspaceFolder, name);
      const found = await unlessGone(stat(path));
      if (found === undefined) continue;
      const segmentId = name.slice(0, -SEGMENT_SUFFIX.length);
      files.push({ keyspaceUid, segmentId, path, byteLength: found.size });
    }
  }
  return files;
}

/** What `found` resolves to, or undefined where no such file or folder is there. */
async function unlessGone<Found>(found: Promise<Found>): Promise<Found | undefined> {
  try {
    return await found;
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw thrown;
  }
}

/** A whole segment file in a SharedArrayBuffer. Throws CORRUPT for a size no segment can have. */
export async function readSegmentFile(path: string): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size === 0 || size > SEGMENT_BYTES_MAX) {
      throw new SteleError('CORRUPT', `${path} has ${size} bytes; no segment has that size.`);
    }
    const bytes = Buffer.from(new SharedArrayBuffer(size));
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(bytes, done, Math.min(READ_BYTES, size - done), done);
      if (bytesRead === 0) throw new SteleError('CORRUPT', `${path} ends early.`);
      done += bytesRead;
    }
    return bytes;
  } finally {
    await file.close();
  }
}
