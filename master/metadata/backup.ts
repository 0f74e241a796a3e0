// The second copy of the catalog: a snapshot, and a log of every commit after it. It is read only
// if the store is damaged. A commit costs in proportion to its changes, whatever else is in the
// catalog. A new snapshot is written at every start, and when the log has outgrown the last one.
//
//   catalog-backup.json           <crc32> {"format":2,"revision":7,"log":"<id>"}
//                                 <crc32> {"key":"...","value":"...","revision":3}      one line per entry
//                                 <crc32> {"entries":1}
//   catalog-backup.log            <crc32> {"log":"<id>","after":"<id of the log before>"}
//                                 <crc32> {"revision":8,"changes":[{"key":"...","value":"..."},{"key":"..."}]}
//   catalog-backup.previous.json  the snapshot and the log before, until the next ones replace them
//   catalog-backup.previous.log
//
// Snapshots are written and read line by line: a catalog may be larger than any string, and writing
// in pieces does not block the event loop. Format 1, of 0.1.0, was one JSON document with a
// checksum; it is still read.
//
// A line of a log counts only in the log that its snapshot names (or in the one after that), with
// its checksum, and after the revision before it. A torn line, a gap, or a log of another history
// ends the reading; the lines before it add up to a state that the catalog once had.
//
// Invariants: at every moment, also while files are replaced, snapshots and logs together hold
// every commit whose write has resolved; bytes in a log are never written twice.

import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder, writeFileDurable, writeFully } from '../../base/disk/durable-file.ts';
import { systemErrorCode } from '../../base/errors.ts';
import type { Entry } from './port.ts';

const FORMAT = 2;
/** The formats of the second copy of the catalog, and of `stele metadata backup`. */
export const BACKUP_FORMATS = { written: FORMAT, read: [1, FORMAT] } as const;
const READ_BYTES = 128 * 1024;
const PART_BYTES = 256 * 1024;
const SNAPSHOT = 'catalog-backup.json';
const LOG = 'catalog-backup.log';
const PREVIOUS_SNAPSHOT = 'catalog-backup.previous.json';
const PREVIOUS_LOG = 'catalog-backup.previous.log';
/** A log below this size is never worth a new snapshot. */
const LOG_BYTES_MIN = 1024 * 1024;

export interface BackupContent {
  readonly revision: number;
  readonly entries: readonly Entry[];
}

/** One commit: every key that it wrote or (without a value) removed. */
export interface BackupCommit {
  readonly revision: number;
  readonly changes: readonly { readonly key: string; readonly value?: string }[];
}

/**
 * Writes to `folder`, one operation at a time. Commits that arrive meanwhile are written together.
 */
export class BackupWriter {
  readonly #folder: string;
  readonly #content: () => BackupContent;
  #file: FileHandle | undefined;
  #logId = '';
  #logBytes = 0;
  #logBytesMax = LOG_BYTES_MIN;
  #pending: BackupCommit[] = [];
  #writing: Promise<void> = Promise.resolve();

  /** `content` returns all entries for the next snapshot. */
  constructor(folder: string, content: () => BackupContent) {
    this.#folder = folder;
    this.#content = content;
  }

  /** Starts with a snapshot of the present content; may continue existing files. */
  start(): Promise<void> {
    const present = readNewestBackup(this.#folder);
    if (present !== undefined && isSame(present.content, this.#content()))
      this.#logId = present.log;
    return this.#enqueue(async () => {
      await this.#repairSnapshot();
      await this.#startLog();
    });
  }

  /** Resolves when the commit is on disk, in the log or in a snapshot. */
  write(commit: BackupCommit): Promise<void> {
    this.#pending.push(commit);
    return this.#enqueue(() => this.#writePending());
  }

  close(): Promise<void> {
    return this.#enqueue(() => this.#closeLog());
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  async #writePending(): Promise<void> {
    const commits = this.#pending;
    this.#pending = [];
    // A log that failed is not written to again: the snapshot has these commits, too.
    if (this.#file === undefined) return this.#startLog();
    if (commits.length === 0) return;
    const bytes = Buffer.from(commits.map(encodeLine).join(''));
    try {
      await writeFully(this.#file, bytes);
      await this.#file.datasync();
    } catch (thrown) {
      await this.#closeLog();
      throw thrown;
    }
    this.#logBytes += bytes.length;
    if (this.#logBytes > this.#logBytesMax) await this.#startLog();
  }

  /**
   * Renames the present files to the previous ones, then writes a snapshot and an empty log. After
   * a crash between any two steps the reader finds the older snapshot and its log.
   */
  async #startLog(): Promise<void> {
    await this.#closeLog();
    this.#pending = [];
    const content = this.#content();
    const before = this.#logId;
    const log = randomBytes(8).toString('hex');
    await renameIfThere(join(this.#folder, SNAPSHOT), join(this.#folder, PREVIOUS_SNAPSHOT));
    await renameIfThere(join(this.#folder, LOG), join(this.#folder, PREVIOUS_LOG));
    let snapshotBytes = 0;
    await writeFileDurable(
      join(this.#folder, SNAPSHOT),
      snapshotParts({ ...content, log }, (bytes) => (snapshotBytes += bytes)),
    );
    const file = await open(join(this.#folder, LOG), 'w', 0o644);
    try {
      await writeFully(file, Buffer.from(encodeLine({ log, after: before })));
      await file.datasync();
      await syncFolder(this.#folder);
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
    this.#file = file;
    this.#logId = log;
    this.#logBytes = 0;
    this.#logBytesMax = Math.max(LOG_BYTES_MIN, snapshotBytes);
  }

  /** A torn snapshot must not replace the intact one before it. */
  async #repairSnapshot(): Promise<void> {
    const path = join(this.#folder, SNAPSHOT);
    if (readSnapshot(path) !== undefined || !existsSync(path)) return;
    await writeFileDurable(path, snapshotParts({ ...this.#content(), log: this.#logId }));
  }

  async #closeLog(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'ENOENT') throw thrown;
  }
}

function encodeLine(record: object): string {
  const text = JSON.stringify(record);
  return `${checksum(text)} ${text}\n`;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}

export interface Snapshot extends BackupContent {
  /** The id of the log that continues from here; absent in backups of 0.1.0. */
  readonly log?: string;
}

/** The lines of a snapshot, several at a time; `onPart` receives the size of each part. */
export function* snapshotParts(
  { revision, log, entries }: Snapshot,
  onPart: (byteCount: number) => void = () => undefined,
): Generator<Buffer> {
  let text = encodeLine({ format: FORMAT, revision, log });
  for (const { key, value, revision: entryRevision } of entries) {
    text += encodeLine({ key, value, revision: entryRevision });
    if (text.length < PART_BYTES) continue;
    const part = Buffer.from(text);
    onPart(part.length);
    text = '';
    yield part;
  }
  const last = Buffer.from(text + encodeLine({ entries: entries.length }));
  onPart(last.length);
  yield last;
}

export interface FoundBackup {
  /** The snapshot's file. */
  readonly file: string;
  readonly content: BackupContent;
  /** The id of its last log. */
  readonly log: string;
}

/** The newest state that can be restored from `folder`. */
export function readNewestBackup(folder: string): FoundBackup | undefined {
  const logs = [PREVIOUS_LOG, LOG].flatMap((name) => readLog(join(folder, name)) ?? []);
  for (const file of [SNAPSHOT, PREVIOUS_SNAPSHOT]) {
    const snapshot = readSnapshot(join(folder, file));
    if (snapshot !== undefined) return { file, ...replay(snapshot, logs) };
  }
  // The very first log starts from nothing, so it needs no snapshot.
  const first = logs.find(({ commits }) => commits[0]?.revision === 1);
  if (first === undefined) return undefined;
  return { file: LOG, ...replay({ revision: 0, entries: [], log: first.log }, logs) };
}

interface ReadLog {
  readonly log: string;
  readonly after: string;
  readonly commits: readonly BackupCommit[];
}

/** Applies the commits that follow the snapshot without a gap. */
function replay(snapshot: Snapshot, logs: readonly ReadLog[]): Omit<FoundBackup, 'file'> {
  const byKey = new Map(snapshot.entries.map((entry) => [entry.key, entry]));
  let { revision } = snapshot;
  let log = snapshot.log ?? '';
  let next = logs.find((each) => each.log === log && log !== '');
  while (next !== undefined) {
    log = next.log;
    for (const commit of next.commits) {
      // A log that was begun after a failure may repeat commits of its snapshot.
      if (commit.revision > revision + 1) return foundIn(byKey, revision, log);
      if (commit.revision <= revision) continue;
      apply(byKey, commit);
      revision = commit.revision;
    }
    const last = log;
    next = logs.find((each) => each.after === last && each.log !== last);
  }
  return foundIn(byKey, revision, log);
}

function foundIn(byKey: ReadonlyMap<string, Entry>, revision: number, log: string) {
  return { content: { revision, entries: [...byKey.values()] }, log };
}

function isSame(left: BackupContent, right: BackupContent): boolean {
  if (left.revision !== right.revision || left.entries.length !== right.entries.length)
    return false;
  const byKey = new Map(left.entries.map((entry) => [entry.key, entry]));
  return right.entries.every(({ key, revision, value }) => {
    const other = byKey.get(key);
    return other?.value === value && other.revision === revision;
  });
}

function apply(byKey: Map<string, Entry>, { changes, revision }: BackupCommit): void {
  for (const { key, value } of changes) {
    if (value === undefined) byKey.delete(key);
    else byKey.set(key, { key, value, revision });
  }
}

/** The lines up to the first torn one; undefined without an intact first line. */
function readLog(path: string): ReadLog | undefined {
  const [head, ...commits] = intactLines(path);
  if (head === undefined || !isLogHead(head)) return undefined;
  return { ...head, commits: commits.filter(isCommit) };
}

/** The records of the lines up to the first torn one. */
function* intactLines(path: string): Generator {
  for (const line of linesOf(path)) {
    const text = line.slice(9);
    if (text === '' || line.slice(0, 9) !== `${checksum(text)} `) return;
    yield JSON.parse(text);
  }
}

/** Lines that end with a line feed; none if the file is missing or cannot be read. */
function* linesOf(path: string): Generator<string> {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    // No backup; the caller decides what that means.
    return;
  }
  try {
    const piece = Buffer.allocUnsafe(READ_BYTES);
    let left: Buffer[] = [];
    for (let count = readPiece(file, piece); count > 0; count = readPiece(file, piece)) {
      let start = 0;
      for (let end = piece.indexOf(10); end >= 0 && end < count; end = piece.indexOf(10, start)) {
        yield Buffer.concat([...left, piece.subarray(start, end)]).toString();
        left = [];
        start = end + 1;
      }
      left.push(Buffer.from(piece.subarray(start, count)));
    }
  } finally {
    closeSync(file);
  }
}

/** Bytes read; 0 at the end, and if the disk fails. */
function readPiece(file: number, piece: Buffer): number {
  try {
    return readSync(file, piece);
  } catch {
    return 0;
  }
}

/** Undefined if it is truncated, damaged or missing. */
export function readSnapshot(path: string): Snapshot | undefined {
  const lines = intactLines(path);
  const head = lines.next().value as
    { format?: unknown; revision?: unknown; log?: unknown } | undefined;
  if (head === undefined) return readFormat1(path);
  if (head.format !== FORMAT || typeof head.revision !== 'number') return undefined;
  const entries: Entry[] = [];
  for (const record of lines) {
    const { entries: count, ...entry } = record as Partial<Entry> & { entries?: number };
    if (count !== undefined) {
      const log = typeof head.log === 'string' ? head.log : '';
      return count === entries.length ? { revision: head.revision, entries, log } : undefined;
    }
    entries.push(entry as Entry);
  }
  return undefined;
}

/** One JSON document: `{"format":1,"sha256":"...","body":"{\"revision\":7,\"entries\":[...]}"}`. */
function readFormat1(path: string): Snapshot | undefined {
  try {
    const outer: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isFormat1(outer) || sha256(outer.body) !== outer.sha256) return undefined;
    return JSON.parse(outer.body) as Snapshot;
  } catch {
    return undefined;
  }
}

function isFormat1(value: unknown): value is { readonly sha256: string; readonly body: string } {
  if (typeof value !== 'object' || value === null) return false;
  const { format, sha256: sum, body } = value as Record<string, unknown>;
  return format === 1 && typeof sum === 'string' && typeof body === 'string';
}

function isLogHead(value: unknown): value is { readonly log: string; readonly after: string } {
  if (typeof value !== 'object' || value === null) return false;
  return 'log' in value && typeof value.log === 'string' && 'after' in value;
}

function isCommit(value: unknown): value is BackupCommit {
  return typeof value === 'object' && value !== null && 'revision' in value && 'changes' in value;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
