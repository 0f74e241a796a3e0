// Segments on disk.
//
//   <data-dir>/node.json                          identity.ts
//   <data-dir>/cluster/                           last-known.ts
//   <data-dir>/segments/<keyspace uid>/<id>.seg   verified before they got this name
//   <data-dir>/segments/<keyspace uid>/SUSPENDED  empty; the keyspace is not held in memory
//   <data-dir>/verified                           which of these files passed the full check (verified-files.ts)
//   <data-dir>/incoming/                          being received; emptied at every start
//   <data-dir>/quarantine/                        failed verification; the newest are kept for inspection
//
// A file gets its name only once it is complete, fully verified and synced, so any file under
// segments/ after a crash is complete. It is verified again all the same, because disks rot.

import { dirname, join } from 'node:path';
import { BackgroundTasks } from '../../base/background.ts';
import { FolderSync, syncFolder, writeNewFile } from '../../base/disk/durable-file.ts';
import { systemEnv } from '../../base/env.ts';
import type { Env } from '../../base/env.ts';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import { requireAccess } from '../../base/disk/file-access.ts';
import type { Files, OpenFile } from '../../base/disk/files.ts';
import { parseKeyspaceUid } from '../../base/ids.ts';
import {
  parseSegmentId,
  SEGMENT_FILE_ENDING,
  segmentFileName,
  segmentIdOfFileName,
} from '../../base/segment-name.ts';
import type { Logger } from '../../base/log.ts';
import { formatBytes } from '../../base/units.ts';
import type { DiskTrouble } from '../../proto/gen/stele/v1/datanode.ts';
import { DiskHealth } from './disk-health.ts';
import type { Tier } from './holdings.ts';
import { segmentFilesBelow, unlessGone } from './segment-files.ts';
import type { SegmentFile } from './segment-files.ts';
import { VerifiedFiles } from './verified-files.ts';

const FOLDERS = ['segments', 'incoming', 'quarantine'];
/** Empty files in a keyspace's folder; without one, it is in memory. */
const TIER_MARKS: ReadonlyMap<string, Tier> = new Map([
  ['ON_DISK', 'disk'],
  ['SUSPENDED', 'none'],
] as const);
/** Enough to see what is wrong with a disk or a writer. */
const QUARANTINE_FILES_MAX = 64;
const QUARANTINE_BYTES_MAX = 1024 ** 3;

export interface DiskStoreOptions {
  readonly folder: string;
  readonly diskReserveBytes: number;
  readonly log: Logger;
  readonly env?: Env;
}

export class DiskStore {
  readonly verified: VerifiedFiles;
  readonly files: Files;
  readonly #folder: string;
  readonly #options: DiskStoreOptions;
  readonly #env: Env;
  readonly #health: DiskHealth;
  /** Bytes reserved for transfers that have not been written yet. */
  #promisedBytes = 0;
  readonly #keyspaceFolders = new Map<string, Promise<FolderSync>>();
  readonly #folderSyncs = new Map<string, FolderSync>();
  /** Changes in progress, by path: a write under the same name waits for them. */
  readonly #changing = new Map<string, Promise<void>>();

  constructor(options: DiskStoreOptions) {
    this.#options = options;
    this.#folder = options.folder;
    this.#env = options.env ?? systemEnv;
    this.files = this.#env.files;
    const background = new BackgroundTasks(options.log, this.#env);
    this.#health = new DiskHealth(this.#folder, () => this.#keptBytes, background, this.#env);
    this.verified = new VerifiedFiles(this.#folder, background, this.files);
  }

  /** The data folder. */
  get folder(): string {
    return this.#folder;
  }

  /** Creates the folders and deletes what was being received when the process died. Throws IO. */
  async prepare(): Promise<void> {
    const uids = await this.files.readdir(join(this.#folder, 'segments')).catch(() => []);
    for (const name of [...FOLDERS, ...uids.map((uid) => join('segments', uid))]) {
      await requireAccess(join(this.#folder, name), this.files);
    }
    try {
      await this.files.rm(join(this.#folder, 'incoming'), { recursive: true, force: true });
    } catch (thrown) {
      // A leftover does no harm: file names in this folder are never reused.
      await this.#noteFailure(thrown, 'incoming', 'is not emptied');
    }
    await this.makeFolders();
    await this.verified.open();
    // Failures of both are reported as disk trouble; what is on disk is served all the same.
    await this.#health.measure().catch(() => undefined);
  }

  /** Creates the missing folders. On a full disk they stay missing until there is space. */
  async makeFolders(): Promise<void> {
    for (const name of FOLDERS) {
      try {
        await this.files.mkdir(join(this.#folder, name), { recursive: true });
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
    return segmentFilesBelow(join(this.#folder, 'segments'), this.files);
  }

  /** When the folder of a keyspace was last changed, in Unix ms; undefined if there is none. */
  async folderChangedAtMs(keyspaceUid: string): Promise<number | undefined> {
    return (await unlessGone(this.files.stat(this.#folderOf(keyspaceUid))))?.mtimeMs;
  }

  /** The ids of the segment files of a keyspace; empty if its folder does not exist. */
  async segmentIdsOf(keyspaceUid: string): Promise<Set<string>> {
    const names = (await unlessGone(this.files.readdir(this.#folderOf(keyspaceUid)))) ?? [];
    return new Set(names.flatMap((name) => segmentIdOfFileName(name) ?? []));
  }

  /**
   * Reserves disk space for `byteCount` bytes. Throws DISK_FULL or IO. The returned function
   * releases it, or as many bytes of it as were written: what is written is no longer free. Call it
   * once all bytes are written or abandoned.
   */
  async reserve(byteCount: number): Promise<(writtenBytes?: number) => void> {
    const freeBytes = await this.#health.measure();
    const needed = byteCount + this.#keptBytes;
    if (needed > freeBytes) {
      this.#health.refused(this.#env.nowMs());
      throw new SteleError(
        'DISK_FULL',
        `The disk of ${this.#folder} has ${formatBytes(freeBytes)} free, ${formatBytes(needed)} are needed (with the reserve of ${formatBytes(this.#options.diskReserveBytes)}); free some space.`,
      );
    }
    this.#promisedBytes += byteCount;
    let left = byteCount;
    return (writtenBytes = left) => {
      const released = Math.min(left, writtenBytes);
      left -= released;
      this.#promisedBytes -= released;
    };
  }

  /** Free bytes as of the last measurement. Does not wait for the disk. */
  get freeBytes(): number {
    return this.#health.freeBytes;
  }

  /**
   * Why no segments should be sent here; undefined if nothing is wrong. Does not wait for the disk.
   */
  trouble(nowMs: number): DiskTrouble | undefined {
    return this.#health.trouble(this.freeBytes > this.#keptBytes, nowMs);
  }

  get #keptBytes(): number {
    return this.#promisedBytes + this.#options.diskReserveBytes;
  }

  /**
   * Writes a verified segment durably. If the process or the machine crashes before it resolves,
   * nothing is left under segments/; after that, the complete file is.
   */
  write(keyspaceUid: string, segmentId: string, bytes: Uint8Array): Promise<void> {
    return this.writeBy(keyspaceUid, segmentId, (path) => writeNewFile(path, bytes, this.files));
  }

  /**
   * Like `write`, but `writeTo` creates and syncs the file. Resolves to its result. Folders that
   * were removed while the node is running are created again. If only the sync of the folder fails,
   * the file stays if the segment `isHeld`; otherwise nobody would ever drop it.
   */
  async writeBy<Result>(
    keyspaceUid: string,
    segmentId: string,
    writeTo: (path: string) => Promise<Result>,
    isHeld: () => boolean = () => true,
  ): Promise<Result> {
    try {
      return await this.#writeOnce(keyspaceUid, segmentId, writeTo, isHeld);
    } catch (thrown) {
      const isIo = thrown instanceof SteleError && thrown.code === 'IO';
      if (!isIo || !(await this.#hasLostFolders(keyspaceUid))) throw thrown;
      await this.makeFolders();
      this.#keyspaceFolders.delete(keyspaceUid);
      return await this.#writeOnce(keyspaceUid, segmentId, writeTo, isHeld);
    }
  }

  /**
   * Creates a file for a segment that arrives piece by piece, or is made so; `writeBy` gives it its
   * name. The caller closes it, and removes it if it is not needed. Throws DISK_FULL, IO.
   */
  async openIncoming(
    segmentId: string,
  ): Promise<{ readonly path: string; readonly file: OpenFile }> {
    const path = this.newIncomingPath(segmentId);
    const open = (): Promise<OpenFile> => this.files.open(path, 'wx', 0o644);
    try {
      const file = await open().catch(async (thrown: unknown) => {
        if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
        await this.makeFolders();
        return open();
      });
      return { path, file };
    } catch (thrown) {
      await this.writeFailed(thrown);
      throw toSteleError(thrown, 'IO');
    }
  }

  /** The path of a file that a thread creates, for what is then placed like an incoming segment. */
  newIncomingPath(name: string): string {
    return join(this.#folder, 'incoming', `${name}.${this.#env.randomId()}`);
  }

  /** Notes that a write to an incoming file failed; what it wrote is still there. */
  writeFailed(thrown: unknown): Promise<void> {
    return this.#health.failed(thrown);
  }

  async #hasLostFolders(keyspaceUid: string): Promise<boolean> {
    const folders = [join(this.#folder, 'incoming'), this.#folderOf(keyspaceUid)];
    const found = await Promise.all(folders.map((folder) => unlessGone(this.files.stat(folder))));
    return found.includes(undefined);
  }

  async #writeOnce<Result>(
    keyspaceUid: string,
    segmentId: string,
    writeTo: (path: string) => Promise<Result>,
    isHeld: () => boolean,
  ): Promise<Result> {
    const path = this.#pathOf(keyspaceUid, segmentId);
    const temporary = this.newIncomingPath(segmentId);
    try {
      const result = await writeTo(temporary);
      const folder = await this.#keyspaceFolder(keyspaceUid);
      await this.#noted(path, this.#place(temporary, path, folder, isHeld));
      this.#health.wrote();
      return result;
    } catch (thrown) {
      await this.#health.failed(thrown);
      // If this fails too, the next start removes it; the first failure is the one to report.
      await this.files.rm(temporary, { force: true }).catch(() => undefined);
      throw toSteleError(thrown, 'IO');
    }
  }

  /** Gives a synced file its name, after all changes of that name that are in progress. */
  async #place(
    temporary: string,
    path: string,
    folder: FolderSync,
    isHeld: () => boolean,
  ): Promise<void> {
    await this.#changing.get(path);
    await this.files.rename(temporary, path);
    try {
      await folder.sync();
    } catch (thrown) {
      // If this fails too, the next start finds the file.
      if (!isHeld()) await this.#remove(path).catch(() => undefined);
      throw thrown;
    }
  }

  /** Deletes a file. A file that is written under this name from now on stays. */
  async remove(keyspaceUid: string, segmentId: string): Promise<void> {
    const path = this.#pathOf(keyspaceUid, segmentId);
    await this.#noted(path, this.#remove(path));
  }

  /** Lets later writes to this path wait for `change`, and returns it. */
  #noted(path: string, change: Promise<void>): Promise<void> {
    const changes = Promise.allSettled([this.#changing.get(path), change]).then(() => {
      if (this.#changing.get(path) === changes) this.#changing.delete(path);
    });
    this.#changing.set(path, changes);
    return change;
  }

  async #remove(path: string): Promise<void> {
    await this.files.rm(path, { force: true });
    await this.#syncOf(dirname(path))
      .sync()
      .catch((thrown: unknown) => {
        if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
      });
  }

  /** The sync of a folder, shared by many changes in it. */
  #syncOf(folder: string): FolderSync {
    let sync = this.#folderSyncs.get(folder);
    if (sync === undefined)
      this.#folderSyncs.set(folder, (sync = new FolderSync(folder, this.files)));
    return sync;
  }

  /**
   * Moves a file that failed verification to the quarantine, under a name that identifies it.
   * Resolves to its new path. Throws IO, or the system's ENOENT if the file does not exist.
   */
  async quarantine(file: Omit<SegmentFile, 'byteLength'>): Promise<string> {
    const name = `${file.keyspaceUid}-${file.segmentId}-${this.#env.randomId()}${SEGMENT_FILE_ENDING}`;
    const movedTo = join(this.#folder, 'quarantine', name);
    await this.files.rename(file.path, movedTo);
    await syncFolder(dirname(file.path), this.files);
    const about = { keyspace: file.keyspaceUid, file: file.path, movedTo: name };
    this.#options.log.warn(about, 'segment quarantined');
    await this.#boundQuarantine(movedTo);
    return movedTo;
  }

  /** Removes the oldest files while there are too many, or too many bytes. The newest one stays. */
  async #boundQuarantine(newest: string): Promise<void> {
    const folder = join(this.#folder, 'quarantine');
    const found = await Promise.all(
      (await this.files.readdir(folder)).map(async (name) => {
        const path = join(folder, name);
        const facts = await unlessGone(this.files.stat(path));
        return { path, movedAtMs: facts?.ctimeMs ?? 0, byteLength: facts?.size ?? 0 };
      }),
    );
    found.sort((left, right) => left.movedAtMs - right.movedAtMs);
    let byteLength = found.reduce((sum, file) => sum + file.byteLength, 0);
    let count = found.length;
    for (const file of found) {
      if (count <= QUARANTINE_FILES_MAX && byteLength <= QUARANTINE_BYTES_MAX) return;
      if (file.path === newest) continue;
      await this.files.rm(file.path, { force: true, recursive: true });
      this.#options.log.warn(
        { file: file.path },
        'the quarantine is full: its oldest file is removed',
      );
      count--;
      byteLength -= file.byteLength;
    }
  }

  /** The path of a segment's file, which need not exist. */
  fileOf(keyspaceUid: string, segmentId: string): Omit<SegmentFile, 'byteLength'> {
    return { keyspaceUid, segmentId, path: this.#pathOf(keyspaceUid, segmentId) };
  }

  /**
   * Marks the folder of a keyspace with its tier. Losing the mark costs time at a start, but no data.
   */
  async markTier(keyspaceUid: string, tier: Tier): Promise<void> {
    const folder = this.#folderOf(keyspaceUid);
    for (const [name, marked] of TIER_MARKS) {
      const path = join(folder, name);
      if (marked === tier) {
        await this.files.mkdir(folder, { recursive: true });
        await (await this.files.open(path, 'w', 0o644)).close();
      } else await this.files.rm(path, { force: true });
    }
  }

  /** Keyspaces that are marked, by uid. */
  async markedTiers(): Promise<Map<string, Tier>> {
    const folder = join(this.#folder, 'segments');
    const tiers = new Map<string, Tier>();
    for (const uid of (await unlessGone(this.files.readdir(folder))) ?? []) {
      for (const [name, tier] of TIER_MARKS) {
        const mark = await this.files.stat(join(folder, uid, name)).catch(() => undefined);
        if (mark?.isFile() === true) tiers.set(uid, tier);
      }
    }
    return tiers;
  }

  /**
   * The folder of a keyspace. Ids come from the network, so they are parsed before they become part
   * of a path.
   */
  #folderOf(keyspaceUid: string): string {
    return join(this.#folder, 'segments', parseKeyspaceUid(keyspaceUid));
  }

  #pathOf(keyspaceUid: string, segmentId: string): string {
    return join(this.#folderOf(keyspaceUid), segmentFileName(parseSegmentId(segmentId)));
  }

  /** The keyspace's folder, created durably when its first segment arrives. */
  #keyspaceFolder(keyspaceUid: string): Promise<FolderSync> {
    let folder = this.#keyspaceFolders.get(keyspaceUid);
    if (folder === undefined) {
      folder = this.#makeKeyspaceFolder(keyspaceUid);
      this.#keyspaceFolders.set(keyspaceUid, folder);
      // A failed attempt is repeated with the next segment.
      folder.catch(() => this.#keyspaceFolders.delete(keyspaceUid));
    }
    return folder;
  }

  async #makeKeyspaceFolder(keyspaceUid: string): Promise<FolderSync> {
    const path = this.#folderOf(keyspaceUid);
    const made = await this.files.mkdir(path, { recursive: true });
    if (made !== undefined) await syncFolder(dirname(path), this.files);
    return this.#syncOf(path);
  }
}
