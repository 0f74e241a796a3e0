// A disk that keeps the promises of POSIX and no others: what was synced survives a power cut; of
// what was written and not synced a part survives, or none. The same for the entries of each
// folder.
//
// Faults: a write, sync or rename fails (EIO), there is no room (ENOSPC), nothing is answered for a
// while, a bit of a file flips. A disk belongs to one process; what a run of it has asked for dies
// with that run.

import { basename, dirname } from 'node:path';
import { SteleError } from '../../../base/errors.ts';
import type { BlockingFile, Files, OpenFile } from '../../../base/disk/files.ts';
import type { SimClock, SimProcess } from './clock.ts';
import { BEGIN_UNIX_MS } from './env.ts';
import type { SimRandom } from './random.ts';

export const DATA_FOLDER = '/data';
const FREE_BYTES = 1024 ** 3;
const BLOCK_BYTES = 4096;

export class SimFile {
  bytes: Buffer = Buffer.alloc(0);
  /** The content after a power cut; undefined: unknown. */
  durable: Buffer | undefined;
  changedAtMs = 0;

  /** What a power cut makes of it. */
  crash(random: SimRandom): void {
    if (this.durable === undefined) {
      this.bytes = this.bytes.subarray(0, random.int(0, this.bytes.length + 1));
      this.durable = this.bytes;
    }
    this.bytes = this.durable;
  }
}

class SimFolder {
  entries = new Map<string, SimFile | SimFolder>();
  changedAtMs = 0;
  #durable = new Map<string, SimFile | SimFolder>();
  #pending: (readonly [name: string, node: SimFile | SimFolder | undefined])[] = [];

  set(name: string, node: SimFile | SimFolder | undefined, atMs: number): void {
    change(this.entries, name, node);
    this.#pending.push([name, node]);
    this.changedAtMs = atMs;
  }

  sync(): void {
    this.#durable = new Map(this.entries);
    this.#pending = [];
  }

  /** A journal keeps the order of changes: the first few of them survive. */
  crash(random: SimRandom): void {
    const survivors = random.int(0, this.#pending.length + 1);
    for (const [name, node] of this.#pending.slice(0, survivors)) change(this.#durable, name, node);
    this.#pending = [];
    this.entries = new Map(this.#durable);
    for (const node of this.entries.values()) node.crash(random);
  }
}

function change(
  entries: Map<string, SimFile | SimFolder>,
  name: string,
  node: SimFile | SimFolder | undefined,
): void {
  if (node === undefined) entries.delete(name);
  else entries.set(name, node);
}

/** Observes what happens on a disk. */
export interface DiskWatcher {
  /** Before a sync: true where the power goes just now. */
  strikes(): boolean;
  /** A file has been removed, or another one has taken its place. */
  removed(path: string): void;
}

export class SimDisk {
  root = new SimFolder();
  /** Writes, syncs and renames fail by this chance. */
  failure = 0;
  isFull = false;
  /** A sync says that it has synced, and has not. */
  lies = false;
  watcher: DiskWatcher = { strikes: () => false, removed: () => undefined };
  readonly #clock: SimClock;
  readonly #random: SimRandom;
  readonly #waiting: (() => void)[] = [];
  #isHung = false;
  #changes = 0;

  constructor(clock: SimClock, random: SimRandom) {
    this.#clock = clock;
    this.#random = random;
    this.#format();
  }

  /** A new disk, with the data folder that its installation has made. */
  #format(): void {
    this.root = new SimFolder();
    this.make(DATA_FOLDER);
    this.root.sync();
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Nothing is answered until the disk is well again. */
  hang(): void {
    this.#isHung = true;
  }

  heal(): void {
    this.#isHung = false;
    this.failure = 0;
    this.isFull = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  /** The power goes. */
  crash(): void {
    this.root.crash(this.#random);
    this.#waiting.length = 0;
  }

  /** Everything is lost. */
  wipe(): void {
    this.#format();
    this.#waiting.length = 0;
  }

  /** Every file below `path`. */
  *filesBelow(path: string): Generator<readonly [path: string, file: SimFile]> {
    const node = this.find(path);
    if (!(node instanceof SimFolder)) return;
    for (const [name, child] of node.entries) {
      if (child instanceof SimFile) yield [`${path}/${name}`, child];
      else yield* this.filesBelow(`${path}/${name}`);
    }
  }

  find(path: string): SimFile | SimFolder | undefined {
    let node: SimFile | SimFolder | undefined = this.root;
    for (const name of path.split('/')) {
      if (name === '') continue;
      if (!(node instanceof SimFolder)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  /** The files as the present run of `process` sees them. */
  filesOf(process: SimProcess): Files {
    const { life } = process;
    const isHere = (): boolean => process.life === life && process.alive;
    /** Does `work` once the disk comes to it; never where the process ends before. */
    const inTime = <Value>(delayMs: number, work: () => Value): Promise<Value> =>
      new Promise((resolve, reject) => {
        const run = (): void => {
          if (!isHere()) return;
          if (this.#isHung) return void this.#waiting.push(run);
          try {
            resolve(work());
          } catch (thrown) {
            reject(thrown);
          }
        };
        if (delayMs === 0) run();
        else this.#clock.after(delayMs, process, run);
      });
    return filesOver(this, inTime, (from, to) => this.#random.int(from, to), isHere);
  }

  // What the operations are made of; each throws the system's error.

  folder(path: string): SimFolder {
    const node = this.find(path);
    if (node === undefined) throw systemError('ENOENT', path);
    if (node instanceof SimFolder) return node;
    throw systemError('ENOTDIR', path);
  }

  file(path: string): SimFile {
    const node = this.find(path);
    if (node === undefined) throw systemError('ENOENT', path);
    if (node instanceof SimFile) return node;
    throw systemError('EISDIR', path);
  }

  put(path: string, node: SimFile | SimFolder | undefined): void {
    this.folder(dirname(path)).set(basename(path), node, this.stamp());
  }

  make(path: string): SimFolder {
    const folder = new SimFolder();
    this.put(path, folder);
    return folder;
  }

  /** Unix time, later with each change. */
  stamp(): number {
    return BEGIN_UNIX_MS + this.#clock.nowMs + (++this.#changes % 1000) / 1000;
  }

  /** Throws where this write, sync or rename is one that fails. */
  risk(path: string): void {
    if (this.isFull) throw systemError('ENOSPC', path);
    if (this.#random.chance(this.failure)) throw systemError('EIO', path);
  }
}

type InTime = <Value>(delayMs: number, work: () => Value) => Promise<Value>;

function filesOver(
  disk: SimDisk,
  inTime: InTime,
  int: (from: number, to: number) => number,
  isHere: () => boolean,
): Files {
  const soon = (): number => int(0, 3);
  return {
    open: (path, flags) =>
      inTime(0, () => {
        const found = disk.find(path);
        if (flags === 'r') {
          if (found === undefined) throw systemError('ENOENT', path);
          return handleOf(disk, path, found, inTime, int, isHere);
        }
        if (found !== undefined && flags === 'wx') throw systemError('EEXIST', path);
        disk.risk(path);
        const file = found instanceof SimFile ? found : new SimFile();
        file.bytes = Buffer.alloc(0);
        if (found === undefined) disk.put(path, file);
        return handleOf(disk, path, file, inTime, int, isHere);
      }),
    openBlocking: (path, flags) => blockingHandleOf(disk, path, flags),
    readFile: (path) => inTime(0, () => Buffer.from(disk.file(path).bytes)),
    writeFile: (path, text) =>
      inTime(soon(), () => {
        disk.risk(path);
        const file = new SimFile();
        file.bytes = Buffer.from(text);
        disk.put(path, file);
      }),
    appendFile: (path, text) =>
      inTime(soon(), () => {
        disk.risk(path);
        const found = disk.find(path);
        const file = found instanceof SimFile ? found : new SimFile();
        file.bytes = Buffer.concat([file.bytes, Buffer.from(text)]);
        file.durable = undefined;
        if (found === undefined) disk.put(path, file);
      }),
    rename: (from, to) =>
      inTime(int(0, 4), () => {
        disk.risk(to);
        const node = disk.find(from);
        if (node === undefined) throw systemError('ENOENT', from);
        disk.put(to, node);
        disk.put(from, undefined);
        disk.watcher.removed(from);
      }),
    rm: (path, options) =>
      inTime(soon(), () => {
        if (disk.find(path) === undefined) {
          if (options?.force === true) return;
          throw systemError('ENOENT', path);
        }
        disk.put(path, undefined);
        disk.watcher.removed(path);
      }),
    mkdir: (path) => inTime(0, () => makeFolders(disk, path)),
    readdir: (path) => inTime(0, () => [...disk.folder(path).entries.keys()]),
    stat: (path) =>
      inTime(0, () => {
        const node = disk.find(path);
        if (node === undefined) throw systemError('ENOENT', path);
        const isFile = node instanceof SimFile;
        return {
          size: isFile ? node.bytes.length : 0,
          mtimeMs: node.changedAtMs,
          ctimeMs: node.changedAtMs,
          isFile: () => isFile,
          isDirectory: () => !isFile,
        };
      }),
    statfs: () =>
      inTime(0, () => ({ bavail: disk.isFull ? 0 : FREE_BYTES / BLOCK_BYTES, bsize: BLOCK_BYTES })),
    access: (path) =>
      inTime(0, () => {
        if (disk.find(path) === undefined) throw systemError('ENOENT', path);
      }),
    utimes: (path, _accessed, modified) =>
      inTime(0, () => {
        disk.file(path).changedAtMs = modified.getTime();
      }),
  };
}

function makeFolders(disk: SimDisk, path: string): string | undefined {
  if (disk.find(path) !== undefined) {
    disk.folder(path);
    return undefined;
  }
  const first = makeFolders(disk, dirname(path));
  disk.risk(path);
  disk.make(path);
  return first ?? path;
}

function handleOf(
  disk: SimDisk,
  path: string,
  node: SimFile | SimFolder,
  inTime: InTime,
  int: (from: number, to: number) => number,
  isHere: () => boolean,
): OpenFile {
  const own = (): SimFile => {
    if (node instanceof SimFile) return node;
    throw systemError('EISDIR', path);
  };
  return {
    read: (buffer, offset, length, position) =>
      inTime(0, () => {
        const bytesRead = own().bytes.copy(buffer, offset, position, position + length);
        return { bytesRead };
      }),
    write: (buffer, offset, length) =>
      inTime(int(0, 3), () => {
        disk.risk(path);
        const file = own();
        file.bytes = Buffer.concat([file.bytes, buffer.subarray(offset, offset + length)]);
        file.durable = undefined;
        file.changedAtMs = disk.stamp();
        return { bytesWritten: length };
      }),
    sync: async () => {
      await inTime(int(0, 8), () => disk.watcher.strikes());
      // The power may have gone: nothing more happens in this run.
      if (!isHere()) return new Promise<never>(() => undefined);
      disk.risk(path);
      if (disk.lies) return;
      if (node instanceof SimFile) node.durable = node.bytes;
      else node.sync();
    },
    stat: () => inTime(0, () => ({ size: own().bytes.length })),
    close: () => inTime(0, () => undefined),
  };
}

/**
 * What a worker thread of the product does, at one moment: a run that has ended asks for nothing, as
 * its promises never resolve.
 */
function blockingHandleOf(disk: SimDisk, path: string, flags: 'r' | 'r+' | 'wx'): BlockingFile {
  if (flags === 'wx') {
    if (disk.find(path) !== undefined) throw systemError('EEXIST', path);
    disk.risk(path);
    disk.put(path, new SimFile());
  }
  const file = disk.file(path);
  return {
    byteLength: file.bytes.length,
    read: (into, position) => {
      if (file.bytes.copy(into, 0, position, position + into.length) === into.length) return;
      throw new SteleError('CORRUPT', `${path} ends early.`);
    },
    write: (bytes, position) => {
      disk.risk(path);
      const length = Math.max(file.bytes.length, position + bytes.length);
      file.bytes = Buffer.concat([file.bytes], length);
      file.bytes.set(bytes, position);
      file.durable = undefined;
      file.changedAtMs = disk.stamp();
    },
    sync: () => {
      disk.risk(path);
      if (!disk.lies) file.durable = file.bytes;
    },
    close: () => undefined,
  };
}

/** As `node:fs` throws them. */
function systemError(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
