// What this node holds, verified: segments by keyspace and id, with a revision that rises at every
// change and a short journal, so that the master can ask for what changed.
//
// A segment's name is its content, so a load may be told "it is here already" of a segment that the
// master has just ordered away with an old version. Who is told so claims it: the revision rises,
// and an order that was decided at an earlier revision no longer removes it.
//
//   master   knows revision 7, orders: drop S as of 7  ------------------+
//   load     offers S  -> "here already", S claimed at 8                 v
//   datanode                                              8 > 7: S stays
//
// A keyspace that is suspended is parked: its segments are listed as before, but their bytes are on
// disk only, and `get` does not have them (suspension.ts).
//
// Invariant: a segment is in here only after its bytes were verified and are durable on disk.

import type { Segment } from '../../segment/reader.ts';
import type { HeldSegment, ListHoldingsResponse } from '../../proto/gen/stele/v1/datanode.ts';

const JOURNAL_ENTRIES_MAX = 10_000;

interface Change {
  readonly revision: number;
  readonly held: HeldSegment;
  readonly added: boolean;
}

interface Held {
  /** Undefined: parked. */
  segment: Segment | undefined;
  readonly byteLength: number;
  /** When it was taken in, or last claimed. */
  revision: number;
}

export class Holdings {
  readonly #byKeyspace = new Map<string, Map<string, Held>>();
  /** Uids of keyspaces that stay on disk: what comes of them is parked at once. */
  readonly #parking = new Set<string>();
  /** By uid: how many segments are on disk only; none that has none. */
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

  get count(): number {
    return this.#count;
  }

  /** Undefined for what is not here, and for what is parked. */
  get(keyspaceUid: string, segmentId: string): Segment | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.segment;
  }

  /** Whether the segment is here, in memory or parked. */
  has(keyspaceUid: string, segmentId: string): boolean {
    return this.#byKeyspace.get(keyspaceUid)?.has(segmentId) === true;
  }

  /** True if the segment is here; orders decided before now then no longer remove it. */
  claim(keyspaceUid: string, segmentId: string): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    if (held === undefined) return false;
    held.revision = ++this.#revision;
    return true;
  }

  /** Holds the segment from now on; one that is here already is claimed. */
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

  /** Frees the memory of a keyspace, and of what comes of it from now on. */
  park(keyspaceUid: string): void {
    this.#parking.add(keyspaceUid);
    for (const [segmentId, held] of this.#byKeyspace.get(keyspaceUid) ?? []) {
      if (held.segment === undefined) continue;
      held.segment = undefined;
      this.#segmentBytes -= held.byteLength;
      this.#countParked(keyspaceUid, 1);
      this.#tell({ keyspaceUid, segmentId });
    }
  }

  /** What comes of the keyspace from now on is held in memory; what is parked waits for `restore`. */
  unpark(keyspaceUid: string): void {
    this.#parking.delete(keyspaceUid);
  }

  isParking(keyspaceUid: string): boolean {
    return this.#parking.has(keyspaceUid);
  }

  /** A parked segment was read and verified again. False when it is not parked any more. */
  restore(keyspaceUid: string, segmentId: string, segment: Segment): boolean {
    const held = this.#byKeyspace.get(keyspaceUid)?.get(segmentId);
    if (held === undefined || held.segment !== undefined || this.#parking.has(keyspaceUid)) {
      return false;
    }
    held.segment = segment;
    this.#segmentBytes += held.byteLength;
    this.#countParked(keyspaceUid, -1);
    this.#tell({ keyspaceUid, segmentId });
    return true;
  }

  /** Uids of the keyspaces of which anything is held. */
  keyspaceUids(): string[] {
    return [...this.#byKeyspace.keys()];
  }

  /** All that is held of a keyspace, in memory or parked. */
  segmentIdsOf(keyspaceUid: string): string[] {
    return [...(this.#byKeyspace.get(keyspaceUid)?.keys() ?? [])];
  }

  /** Segments of the keyspace that are on disk only. */
  parkedOf(keyspaceUid: string): { readonly segmentId: string; readonly byteLength: number }[] {
    if (!this.#parkedCounts.has(keyspaceUid)) return [];
    const held = [...(this.#byKeyspace.get(keyspaceUid) ?? [])];
    return held.flatMap(([segmentId, { byteLength, segment }]) =>
      segment === undefined ? [{ segmentId, byteLength }] : [],
    );
  }

  /** Uids of keyspaces of which something is on disk only, or is to be. */
  parkedKeyspaces(): string[] {
    const parking = [...this.#parking].filter((uid) => this.#byKeyspace.has(uid));
    return [...new Set([...parking, ...this.#parkedCounts.keys()])];
  }

  /** Bytes of a segment, in memory or parked; undefined: it is not here. */
  byteLengthOf(keyspaceUid: string, segmentId: string): number | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.byteLength;
  }

  #countParked(keyspaceUid: string, change: number): void {
    const count = (this.#parkedCounts.get(keyspaceUid) ?? 0) + change;
    if (count > 0) this.#parkedCounts.set(keyspaceUid, count);
    else this.#parkedCounts.delete(keyspaceUid);
  }

  /** False when it was not there, or was claimed after `asOfRevision`. */
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

  /** Calls `listener` when a segment comes or goes, on disk or in memory alone. */
  onChange(listener: (held: HeldSegment) => void): void {
    this.#listeners.add(listener);
  }

  /** All of one keyspace that is in memory. */
  *of(keyspaceUid: string): Generator<Segment> {
    for (const { segment } of this.#byKeyspace.get(keyspaceUid)?.values() ?? []) {
      if (segment !== undefined) yield segment;
    }
  }

  /** Everything, or (if the journal still reaches back) what changed after `sinceRevision`. */
  list(sinceRevision: number): ListHoldingsResponse {
    const oldest = this.#journal[0]?.revision ?? this.#revision + 1;
    const known = sinceRevision > 0 && sinceRevision <= this.#revision;
    if (!known || sinceRevision + 1 < oldest) return this.#listAll();
    const last = new Map<string, Change>();
    for (const change of this.#journal) {
      if (change.revision <= sinceRevision) continue;
      last.set(`${change.held.keyspaceUid}/${change.held.segmentId}`, change);
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
    this.#tell(held);
  }

  #tell(held: HeldSegment): void {
    for (const listener of this.#listeners) listener(held);
  }
}
