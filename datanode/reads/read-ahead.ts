// Read-ahead: the GETs that have arrived after the present one, or the next keys of a batch, are
// hashed, and the memory that they need is read, before the first of them is answered.
//
//   *2 $3 GET $5 key:1 | *2 $3 GET $5 key:2 | ...        bytes that have arrived
//         |                      |
//     hash, slot             hash, slot                  1. for all of them
//     index line             index line                  2. one word of each line is read
//     record                 record                      3. two bytes of each record are read
//         v                      v
//     GET key:1 answered, GET key:2 answered, ...        4. by then all of it is in the cache
//
// A single lookup waits for memory twice, and the processor can do nothing else meanwhile. The
// waits of independent reads overlap if nothing stands between them; hence the short loops. The
// answers are the same without it: it only remembers the hash and the slot of a key by its place in
// the buffer, and `take` returns them only for that place, that buffer and that table.
//
// Hot: plain functions over numbers and bytes; nothing is allocated.

import { GET_BYTES_MIN, peekGet, peeked } from '../../resp/wire/peek-get.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import type { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { LINE_BYTES } from '../../segment/layout.ts';
import { likelyRecord, lineStart } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { lookupHashed, lookupInShard } from './lookup.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/**
 * Enough for the waits to overlap, and few enough for all lines to stay in the first-level cache.
 */
export const READ_AHEAD_KEYS = 16;
export class ReadAhead {
  slot = 0;
  h1 = 0;
  h2 = 0;
  /** Uses the values read, so that the reads are not optimised away. */
  sink = 0;
  #buffer: Uint8Array | undefined;
  #count = 0;
  #next = 0;
  readonly #starts = new Int32Array(READ_AHEAD_KEYS);
  readonly #slots = new Int32Array(READ_AHEAD_KEYS);
  readonly #h1 = new Int32Array(READ_AHEAD_KEYS);
  readonly #h2 = new Int32Array(READ_AHEAD_KEYS);
  readonly #tables: (VersionTable | undefined)[] = Array.from(
    { length: READ_AHEAD_KEYS },
    () => undefined,
  );
  /** Per key: the word at which its index line begins, then the offset of its record. */
  readonly #places = new Int32Array(READ_AHEAD_KEYS);
  readonly #segments: (Segment | undefined)[] = Array.from(
    { length: READ_AHEAD_KEYS },
    () => undefined,
  );

  /** Forgets all keys. Must be called whenever bytes may have moved. */
  clear(): void {
    // A table that stays referenced would keep the memory of a dropped version alive.
    for (let index = this.#next; index < this.#count; index++) {
      this.#tables[index] = undefined;
      this.#segments[index] = undefined;
    }
    this.#buffer = undefined;
    this.#count = 0;
    this.#next = 0;
  }

  /**
   * Notes the GETs in `bytes[at, end)`, where a command begins. Stops at anything but a complete
   * GET.
   */
  fill(bytes: Uint8Array, at: number, end: number, table: VersionTable): void {
    this.clear();
    // With one command there is nothing to overlap.
    if (end - at < 2 * GET_BYTES_MIN) return;
    let from = at;
    while (this.#count < READ_AHEAD_KEYS && peekGet(bytes, from, end)) {
      this.note(bytes, peeked.start, peeked.end, table);
      from = peeked.next;
    }
    this.touch();
  }

  /**
   * Looks up the key like `lookupInShard`, and sets `slot` to its slot. Cheaper for keys that were
   * noted, in the order in which they were.
   */
  lookup(bytes: Uint8Array, start: number, end: number, table: VersionTable): LookupStatus {
    if (!this.take(bytes, start, table)) {
      this.slot = slotOfKey(bytes, start, end);
      const shard = shardOfSlot(this.slot, table.shards.length);
      return lookupInShard(table, shard, bytes, start, end);
    }
    const shard = shardOfSlot(this.slot, table.shards.length);
    return lookupHashed(table, shard, bytes, start, end, this.h1, this.h2);
  }

  /**
   * Reads the memory of all noted keys: three passes over all of them, so that the reads of one
   * pass overlap.
   */
  touch(): void {
    const segments = this.#segments;
    const places = this.#places;
    let sink = 0;
    for (let index = 0; index < this.#count; index++) {
      const segment = segments[index];
      if (segment !== undefined) sink ^= segment.lines[places[index] as number] as number;
    }
    for (let index = 0; index < this.#count; index++) {
      const segment = segments[index];
      if (segment === undefined) continue;
      places[index] = likelyRecord(segment, places[index] as number, this.#h2[index] as number);
    }
    for (let index = 0; index < this.#count; index++) {
      const segment = segments[index];
      const place = places[index] as number;
      if (segment === undefined || place < 0) continue;
      // Records span cache lines: this one and, for the usual sizes, the next.
      sink ^= (segment.bytes[place] as number) ^ (segment.bytes[place + LINE_BYTES] ?? 0);
    }
    this.sink = sink;
  }

  /** Whether the key at `start` was noted; if so, `slot`, `h1` and `h2` are set to its values. */
  take(bytes: Uint8Array, start: number, table: VersionTable): boolean {
    const at = this.#next;
    if (at >= this.#count || this.#starts[at] !== start) return false;
    if (this.#buffer !== bytes || this.#tables[at] !== table) return false;
    this.slot = this.#slots[at] as number;
    this.h1 = this.#h1[at] as number;
    this.h2 = this.#h2[at] as number;
    this.#tables[at] = undefined;
    this.#segments[at] = undefined;
    this.#next = at + 1;
    if (this.#next === this.#count) this.#buffer = undefined;
    return true;
  }

  /**
   * Notes a key, at most READ_AHEAD_KEYS between two calls of `clear`, all of one buffer. Call
   * `touch` after the last.
   */
  note(bytes: Uint8Array, start: number, end: number, table: VersionTable): void {
    const slot = slotOfKey(bytes, start, end);
    const segment = table.shards[shardOfSlot(slot, table.shards.length)]?.[0];
    const index = this.#count++;
    this.#buffer = bytes;
    this.#tables[index] = table;
    this.#starts[index] = start;
    this.#slots[index] = slot;
    this.#segments[index] = segment;
    if (segment === undefined) return;
    const h1 = hashKey(bytes, start, end, segment.seed1, segment.seed2);
    this.#h1[index] = h1;
    this.#h2[index] = lastHash2();
    this.#places[index] = lineStart(segment, h1);
  }
}
