// The verified segments that this node holds, by keyspace and id, with a revision that rises at
// every change and a short journal, so that the master can ask for the changes.
//
// A segment's name identifies its content. So a load may be answered "already here" for a segment
// that the master has just ordered to drop with an old version. That answer claims the segment: its
// revision rises, and an order that was decided at an earlier revision no longer removes it.
//
//   master   knows revision 7, orders: drop S as of 7  ------------------+
//   load     offers S  -> "already here", S claimed at 8                 v
//   datanode                                              8 > 7: S stays
//
// A held segment is in memory, or on disk with its index in memory, or parked: listed as before, and
// with nothing in memory. Which of them it should be follows from the tier of its keyspace; until
// tiers.ts has moved it, it stays as it is.
//
// Invariant: a segment is in here only after its bytes were verified and are durable on disk.

import { segmentKey } from '../../base/segment-name.ts';
import type { SegmentKey } from '../../base/segment-name.ts';
import type { Segment } from '../../segment/reader.ts';
import { isReadable } from '../disk/disk-segment.ts';
import type { DiskSegment } from '../disk/disk-segment.ts';
import type { HeldSegment, ListHoldingsResponse } from '../../proto/gen/stele/v1/datanode.ts';

const JOURNAL_ENTRIES_MAX = 10_000;

interface Change {
  readonly revision: number;
  readonly held: HeldSegment;
  readonly added: boolean;
}

/** A segment from which records can be read. */
export type ReadableSegment = Segment | DiskSegment;

/** Where the segments of a keyspace should be. `none`: on disk only, while it is suspended. */
export type Tier = 'memory' | 'disk' | 'none';

/** A segment that is not where the tier of its keyspace wants it. */
export interface Misplaced {
  readonly segmentId: string;
  /** Of its file. */
  readonly byteLength: number;
  /** What it takes of memory where it is. */
  readonly memoryBytes: number;
}

interface Held {
  /** Undefined while parked. */
  segment: ReadableSegment | undefined;
  /** Of the file. */
  readonly byteLength: number;
  /** The revision at which it was added or last claimed. */
  revision: number;
}

export class Holdings {
  readonly #byKeyspace = new Map<string, Map<string, Held>>();
  /** By uid; absent: memory. */
  readonly #tiers = new Map<string, Exclude<Tier, 'memory'>>();
  readonly #listeners = new Set<(held: HeldSegment) => void>();
  #journal: Change[] = [];
  #revision = 1;
  #wholeBytes = 0;
  #indexBytes = 0;
  #diskBytes = 0;
  #count = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Bytes of memory that segments take: whole ones, and the indexes of those on disk. */
  get segmentBytes(): number {
    return this.#wholeBytes + this.#indexBytes;
  }

  /** The part of `segmentBytes` for indexes and checksums of segments whose records are on disk. */
  get indexBytes(): number {
    return this.#indexBytes;
  }

  /** Bytes of the files of segments whose records are read from disk. */
  get diskBytes(): number {
    return this.#diskBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Undefined if the segment is not here, or not in memory. */
  get(keyspaceUid: string, segmentId: string): Segment | undefined {
    const segment = this.readable(keyspaceUid, segmentId);
    return segment !== undefined && isInMemory(segment) ? segment : undefined;
  }

  /** Undefined if the segment is not here or is parked. */
  readable(keyspaceUid: string, segmentId: string): ReadableSegment | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.segment;
  }

  /** Whether the segment is here, wherever its bytes are. */
  has(keyspaceUid: string, segmentId: string): boolean {
    return this.#byKeyspace.get(keyspaceUid)?.has(segmentId) === true;
  }

  /** Whether the segment is here. If so, drop orders decided before now no longer remove it. */
  claim(keyspaceUid: string, segmentId: string): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    if (held === undefined) return false;
    held.revision = ++this.#revision;
    return true;
  }

  /** Adds the segment; if it is already here, it is claimed. One of a suspended keyspace is parked. */
  add(keyspaceUid: string, segmentId: string, segment: ReadableSegment): void {
    if (this.claim(keyspaceUid, segmentId)) return closeIfOnDisk(segment);
    let segments = this.#byKeyspace.get(keyspaceUid);
    if (segments === undefined) {
      segments = new Map();
      this.#byKeyspace.set(keyspaceUid, segments);
    }
    this.#count++;
    const held: Held = {
      segment: undefined,
      byteLength: segment.header.fileBytes,
      revision: this.#revision + 1,
    };
    segments.set(segmentId, held);
    if (this.tierOf(keyspaceUid) === 'none') closeIfOnDisk(segment);
    else this.#setSegment(held, segment);
    this.#changed({ keyspaceUid, segmentId }, true);
  }

  /** Where the segments of a keyspace should be. */
  tierOf(keyspaceUid: string): Tier {
    return this.#tiers.get(keyspaceUid) ?? 'memory';
  }

  /** Sets where the segments of a keyspace should be. With `none` their memory is freed at once. */
  setTier(keyspaceUid: string, tier: Tier): void {
    if (tier === 'memory') this.#tiers.delete(keyspaceUid);
    else this.#tiers.set(keyspaceUid, tier);
    if (tier !== 'none') return;
    for (const [segmentId, held] of this.#byKeyspace.get(keyspaceUid) ?? []) {
      if (held.segment === undefined) continue;
      this.#setSegment(held, undefined);
      this.#notify({ keyspaceUid, segmentId });
    }
  }

  /**
   * Replaces a held segment by itself in memory or on disk, where it should be. Returns false, and
   * closes its file, if it is no longer here or should be elsewhere by now.
   */
  move(keyspaceUid: string, segmentId: string, segment: ReadableSegment): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    if (held === undefined || this.tierOf(keyspaceUid) === 'none') {
      closeIfOnDisk(segment);
      return false;
    }
    this.#setSegment(held, segment);
    this.#notify({ keyspaceUid, segmentId });
    return true;
  }

  /** Whether the segment is here, and not where the tier of its keyspace wants it. */
  isMisplaced(keyspaceUid: string, segmentId: string): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    return held !== undefined && !isPlaced(held.segment, this.tierOf(keyspaceUid));
  }

  /** The segments that are not where the keyspace's tier wants them. */
  misplacedOf(keyspaceUid: string): Misplaced[] {
    const tier = this.tierOf(keyspaceUid);
    const misplaced: Misplaced[] = [];
    for (const [segmentId, { byteLength, segment }] of this.#byKeyspace.get(keyspaceUid) ?? []) {
      if (isPlaced(segment, tier)) continue;
      misplaced.push({ segmentId, byteLength, memoryBytes: memoryOf(segment) });
    }
    return misplaced;
  }

  /** Memory that the segments of a keyspace take, and bytes of their files. */
  bytesOf(keyspaceUid: string): { readonly memoryBytes: number; readonly fileBytes: number } {
    let [memoryBytes, fileBytes] = [0, 0];
    for (const { byteLength, segment } of this.#byKeyspace.get(keyspaceUid)?.values() ?? []) {
      memoryBytes += memoryOf(segment);
      fileBytes += byteLength;
    }
    return { memoryBytes, fileBytes };
  }

  #setSegment(held: Held, segment: ReadableSegment | undefined): void {
    const before = held.segment;
    held.segment = segment;
    this.#account(held, before, -1);
    this.#account(held, segment, 1);
    if (before !== undefined) closeIfOnDisk(before);
  }

  #account({ byteLength }: Held, segment: ReadableSegment | undefined, sign: 1 | -1): void {
    if (segment === undefined) return;
    if (isInMemory(segment)) this.#wholeBytes += sign * memoryOf(segment);
    else {
      this.#indexBytes += sign * memoryOf(segment);
      this.#diskBytes += sign * byteLength;
    }
  }

  /** Uids of the keyspaces with at least one segment. */
  keyspaceUids(): string[] {
    return [...this.#byKeyspace.keys()];
  }

  /** Ids of all segments of a keyspace. */
  segmentIdsOf(keyspaceUid: string): string[] {
    return [...(this.#byKeyspace.get(keyspaceUid)?.keys() ?? [])];
  }

  /** Uids of keyspaces that have parked segments, or whose segments are to be parked. */
  parkedKeyspaces(): string[] {
    const uids: string[] = [];
    for (const [uid, segments] of this.#byKeyspace) {
      if (this.tierOf(uid) === 'none' || hasParked(segments)) uids.push(uid);
    }
    return uids;
  }

  /** Size of the segment's file; undefined if it is not here. */
  byteLengthOf(keyspaceUid: string, segmentId: string): number | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.byteLength;
  }

  /** Removes a segment. Returns false if it was not here, or was claimed after `asOfRevision`. */
  remove(
    keyspaceUid: string,
    segmentId: string,
    asOfRevision: number = Number.POSITIVE_INFINITY,
  ): boolean {
    const segments = this.#byKeyspace.get(keyspaceUid);
    const held = segments?.get(segmentId);
    if (segments === undefined || held === undefined || held.revision > asOfRevision) return false;
    segments.delete(segmentId);
    if (segments.size === 0) this.#byKeyspace.delete(keyspaceUid);
    this.#count--;
    this.#setSegment(held, undefined);
    this.#changed({ keyspaceUid, segmentId }, false);
    return true;
  }

  /** Closes the files of segments on disk; nothing can be read from them afterwards. */
  closeFiles(): void {
    for (const segments of this.#byKeyspace.values()) {
      for (const { segment } of segments.values()) {
        if (segment !== undefined) closeIfOnDisk(segment);
      }
    }
  }

  /** Calls `listener` when a segment is added, removed or moved. */
  onChange(listener: (held: HeldSegment) => void): void {
    this.#listeners.add(listener);
  }

  /** The segments of a keyspace that are not parked. */
  *of(keyspaceUid: string): Generator<ReadableSegment> {
    for (const { segment } of this.#byKeyspace.get(keyspaceUid)?.values() ?? []) {
      if (segment !== undefined) yield segment;
    }
  }

  /**
   * The changes after `sinceRevision`, or everything if the journal does not reach back that far.
   */
  list(sinceRevision: number): ListHoldingsResponse {
    const oldest = this.#journal[0]?.revision ?? this.#revision + 1;
    const known = sinceRevision > 0 && sinceRevision <= this.#revision;
    if (!known || sinceRevision + 1 < oldest) return this.#listAll();
    const last = new Map<SegmentKey, Change>();
    for (const change of this.#journal) {
      if (change.revision <= sinceRevision) continue;
      last.set(segmentKey(change.held.keyspaceUid, change.held.segmentId), change);
    }
    const changes = [...last.values()];
    return {
      revision: this.#revision,
      full: false,
      added: changes.filter((change) => change.added).map((change) => change.held),
      removed: changes.filter((change) => !change.added).map((change) => change.held),
    };
  }

  #listAll(): ListHoldingsResponse {
    const added: HeldSegment[] = [];
    for (const [keyspaceUid, segments] of this.#byKeyspace) {
      for (const segmentId of segments.keys()) added.push({ keyspaceUid, segmentId });
    }
    return { revision: this.#revision, full: true, added, removed: [] };
  }

  #changed(held: HeldSegment, added: boolean): void {
    this.#revision++;
    this.#journal.push({ revision: this.#revision, held, added });
    if (this.#journal.length > JOURNAL_ENTRIES_MAX) {
      this.#journal = this.#journal.slice(JOURNAL_ENTRIES_MAX / 2);
    }
    this.#notify(held);
  }

  #notify(held: HeldSegment): void {
    for (const listener of this.#listeners) listener(held);
  }
}

function hasParked(segments: ReadonlyMap<string, Held>): boolean {
  for (const { segment } of segments.values()) if (segment === undefined) return true;
  return false;
}

export function isInMemory(segment: ReadableSegment): segment is Segment {
  return 'bytes' in segment;
}

function closeIfOnDisk(segment: ReadableSegment): void {
  if (!isInMemory(segment)) segment.file.close();
}

function memoryOf(segment: ReadableSegment | undefined): number {
  if (segment === undefined) return 0;
  return isInMemory(segment) ? segment.bytes.length : segment.residentBytes;
}

function isPlaced(segment: ReadableSegment | undefined, tier: Tier): boolean {
  if (segment === undefined) return tier === 'none';
  if (!isInMemory(segment)) return tier === 'disk';
  return tier === 'memory' || (tier === 'disk' && !isReadable(segment.header));
}
