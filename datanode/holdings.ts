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
// Invariant: a segment is in here only after its bytes were verified and are durable on disk.

import type { Segment } from '../segment/reader.ts';
import type { HeldSegment, ListHoldingsResponse } from '../proto/gen/stele/v1/datanode.ts';

const JOURNAL_ENTRIES_MAX = 10_000;

interface Change {
  readonly revision: number;
  readonly held: HeldSegment;
  readonly added: boolean;
}

interface Held {
  readonly segment: Segment;
  /** When it was taken in, or last claimed. */
  revision: number;
}

export class Holdings {
  readonly #byKeyspace = new Map<string, Map<string, Held>>();
  readonly #listeners = new Set<(held: HeldSegment) => void>();
  #journal: Change[] = [];
  #revision = 1;
  #segmentBytes = 0;
  #count = 0;

  get revision(): number {
    return this.#revision;
  }

  /** Bytes of all segments held. */
  get segmentBytes(): number {
    return this.#segmentBytes;
  }

  get count(): number {
    return this.#count;
  }

  get(keyspaceUid: string, segmentId: string): Segment | undefined {
    return this.#byKeyspace.get(keyspaceUid)?.get(segmentId)?.segment;
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
    this.#segmentBytes += segment.bytes.length;
    segments.set(segmentId, { segment, revision: this.#revision + 1 });
    this.#changed({ keyspaceUid, segmentId }, true);
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
    this.#segmentBytes -= held.segment.bytes.length;
    this.#changed({ keyspaceUid, segmentId }, false);
    return true;
  }

  /** Calls `listener` after each change. */
  onChange(listener: (held: HeldSegment) => void): void {
    this.#listeners.add(listener);
  }

  *all(): Generator<{ keyspaceUid: string; segmentId: string; segment: Segment }> {
    for (const [keyspaceUid, segments] of this.#byKeyspace) {
      for (const [segmentId, { segment }] of segments) yield { keyspaceUid, segmentId, segment };
    }
  }

  /** All of one keyspace. */
  *of(keyspaceUid: string): Generator<Segment> {
    for (const { segment } of this.#byKeyspace.get(keyspaceUid)?.values() ?? []) yield segment;
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
    for (const { keyspaceUid, segmentId } of this.all()) added.push({ keyspaceUid, segmentId });
    return { revision: this.#revision, full: true, added, removed: [] };
  }

  #changed(held: HeldSegment, added: boolean): void {
    this.#revision++;
    this.#journal.push({ revision: this.#revision, held, added });
    if (this.#journal.length > JOURNAL_ENTRIES_MAX) {
      this.#journal = this.#journal.slice(JOURNAL_ENTRIES_MAX / 2);
    }
    for (const listener of this.#listeners) listener(held);
  }
}
