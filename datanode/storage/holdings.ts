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
// A suspended keyspace is parked: its segments are listed as before, but their bytes are only on
// disk, and `get` does not return them (suspension.ts).
//
// Invariant: a segment is in here only after its bytes were verified and are durable on disk.

import { segmentKey } from '../../base/segment-name.ts';
import type { SegmentKey } from '../../base/segment-name.ts';
import type { Segment } from '../../segment/reader.ts';
import type { HeldSegment, ListHoldingsResponse } from '../../proto/gen/stele/v1/datanode.ts';

const JOURNAL_ENTRIES_MAX = 10_000;

interface Change {
  readonly revision: number;
  readonly held: HeldSegment;
  readonly added: boolean;
}

interface Held {
  /** Undefined while parked. */
  segment: Segment | undefined;
  readonly byteLength: number;
  /** The revision at which it was added or last claimed. */
  revision: number;
}

export class Holdings {
  readonly #byKeyspace = new Map<string, Map<string, Held>>();
  /** Uids of keyspaces whose segments stay on disk: a segment added to one is parked at once. */
  readonly #parking = new Set<string>();
  /** The number of parked segments by uid; without entries of 0. */
  readonly #parkedCounts = new Map<string, number>();
  readonly #listeners = new Set<(held: HeldSegment) => void>();
  #journal: Change[] = [];
  #revision = 1;
  #segmentBytes = 0;
  #count = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Bytes of all segments in memory. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  /** Bytes of the files of all segments in the disk tier. */
  get diskBytes(): number {
    return 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Undefined if the segment is not here or is parked. */
  get(keyspaceUid: string, segmentId: string): Segment | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.segment;
  }

  /** Whether the segment is here, in memory or parked. */
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

  /** Adds the segment; if it is already here, it is claimed. */
  add(keyspaceUid: string, segmentId: string, segment: Segment): void {
    if (this.claim(keyspaceUid, segmentId)) return;
    let segments = this.#byKeyspace.get(keyspaceUid);
    if (segments === undefined) {
      segments = new Map();
      this.#byKeyspace.set(keyspaceUid, segments);
    }
    this.#count++;
    const isParked = this.#parking.has(keyspaceUid);
    const byteLength = segment.bytes.length;
    if (isParked) this.#countParked(keyspaceUid, 1);
    else this.#segmentBytes += byteLength;
    const revision = this.#revision + 1;
    segments.set(segmentId, { segment: isParked ? undefined : segment, byteLength, revision });
    this.#changed({ keyspaceUid, segmentId }, true);
  }

  /** Frees the memory of a keyspace; segments added from now on stay on disk too. */
  park(keyspaceUid: string): void {
    this.#parking.add(keyspaceUid);
    for (const [segmentId, held] of this.#byKeyspace.get(keyspaceUid) ?? []) {
      if (held.segment === undefined) continue;
      held.segment = undefined;
      this.#segmentBytes -= held.byteLength;
      this.#countParked(keyspaceUid, 1);
      this.#notify({ keyspaceUid, segmentId });
    }
  }

  /** Segments added to the keyspace from now on stay in memory; parked ones wait for `restore`. */
  unpark(keyspaceUid: string): void {
    this.#parking.delete(keyspaceUid);
  }

  isParking(keyspaceUid: string): boolean {
    return this.#parking.has(keyspaceUid);
  }

  /**
   * Brings a parked segment back, which was read and verified again. Returns false if it is no
   * longer parked.
   */
  restore(keyspaceUid: string, segmentId: string, segment: Segment): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    if (held === undefined || held.segment !== undefined || this.#parking.has(keyspaceUid)) {
      return false;
    }
    held.segment = segment;
    this.#segmentBytes += held.byteLength;
    this.#countParked(keyspaceUid, -1);
    this.#notify({ keyspaceUid, segmentId });
    return true;
  }

  /** Uids of the keyspaces with at least one segment. */
  keyspaceUids(): string[] {
    return [...this.#byKeyspace.keys()];
  }

  /** Ids of all segments of a keyspace, in memory or parked. */
  segmentIdsOf(keyspaceUid: string): string[] {
    return [...(this.#byKeyspace.get(keyspaceUid)?.keys() ?? [])];
  }

  /** The parked segments of the keyspace. */
  parkedOf(keyspaceUid: string): { readonly segmentId: string; readonly byteLength: number }[] {
    if (!this.#parkedCounts.has(keyspaceUid)) return [];
    const held = [...(this.#byKeyspace.get(keyspaceUid) ?? [])];
    return held.flatMap(([segmentId, { byteLength, segment }]) =>
      segment === undefined ? [{ segmentId, byteLength }] : [],
    );
  }

  /** Uids of keyspaces that have parked segments, or whose segments are to be parked. */
  parkedKeyspaces(): string[] {
    const parking = [...this.#parking].filter((uid) => this.#byKeyspace.has(uid));
    return [...new Set([...parking, ...this.#parkedCounts.keys()])];
  }

  /** Size of a segment, in memory or parked; undefined if it is not here. */
  byteLengthOf(keyspaceUid: string, segmentId: string): number | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.byteLength;
  }

  #countParked(keyspaceUid: string, change: number): void {
    const count = (this.#parkedCounts.get(keyspaceUid) ?? 0) + change;
    if (count > 0) this.#parkedCounts.set(keyspaceUid, count);
    else this.#parkedCounts.delete(keyspaceUid);
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
    if (held.segment === undefined) this.#countParked(keyspaceUid, -1);
    else this.#segmentBytes -= held.byteLength;
    this.#changed({ keyspaceUid, segmentId }, false);
    return true;
  }

  /** Calls `listener` when a segment is added or removed, parked or restored. */
  onChange(listener: (held: HeldSegment) => void): void {
    this.#listeners.add(listener);
  }

  /** The segments of a keyspace that are in memory. */
  *of(keyspaceUid: string): Generator<Segment> {
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
