// Looking ahead: the GETs that have arrived behind the present one, or the next keys of a batch, are
// hashed, and the memory that they will need is read, before the first of them is answered.
//
//   *2 $3 GET $5 key:1 | *2 $3 GET $5 key:2 | ...        bytes that have arrived
//         |                      |
//     hash, slot             hash, slot                  1. for all of them
//     index line             index line                  2. one word of each line is read
//     record                 record                      3. two bytes of each record are read
//         v                      v
//     GET key:1 answered, GET key:2 answered, ...        4. by then all of it is in the cache
//
// A lookup by itself waits for memory twice, and the processor can do nothing else meanwhile. The
// waits of independent reads overlap, if nothing stands between them: hence the short loops. The answers are the same without it: what is found here
// is the hash and the slot of a key by its place in the buffer, and `take` gives them only for that
// place, that buffer and that table.
//
// Hot: plain functions over numbers and bytes; nothing is allocated.

import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { hashKey, lastHash2 } from '../../segment/hash.ts';
import type { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { LINE_BYTES } from '../../segment/layout.ts';
import { likelyRecord, lineStart } from '../../segment/reader.ts';
import type { Segment } from '../../segment/reader.ts';
import { lookupHashed, lookupInShard } from './lookup.ts';
import type { VersionTable } from '../storage/version-tables.ts';

/** Enough for the waits to overlap, few enough for all of it to stay in the first cache. */
export const READ_AHEAD_KEYS = 16;
/** `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, twice: with one command there is nothing to overlap. */
const BYTES_WORTH_IT = 42;
const KEY_BYTES_MAX = 999;

// `*2\r\n` and `$3\r\n` as little-endian words; the name's letters in upper case, without the bit 0x20.
const STAR_TWO = 0x0a0d322a;
const DOLLAR_THREE = 0x0a0d3324;
const CASE_BITS = 0x00202020;
const GET_AND_RETURN = 0x0d544547;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DOLLAR = 0x24;
const DIGIT_0 = 0x30;

export class ReadAhead {
  slot = 0;
  h1 = 0;
  h2 = 0;
  /** Keeps the reads alive; means nothing. */
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
  /** Of each key: the word at which its index line begins, then the offset of its record. */
  readonly #places = new Int32Array(READ_AHEAD_KEYS);
  readonly #segments: (Segment | undefined)[] = Array.from(
    { length: READ_AHEAD_KEYS },
    () => undefined,
  );

  /** Forgets what it knows; to be called whenever bytes may have moved. */
  clear(): void {
    // What is not held is free to go: a table would keep the memory of a version that was dropped.
    for (let index = this.#next; index < this.#count; index++) {
      this.#tables[index] = undefined;
      this.#segments[index] = undefined;
    }
    this.#buffer = undefined;
    this.#count = 0;
    this.#next = 0;
  }

  /** Looks at `bytes[at, end)`, where a command begins. Stops at what is no whole GET. */
  fill(bytes: Uint8Array, at: number, end: number, table: VersionTable): void {
    this.clear();
    if (end - at < BYTES_WORTH_IT) return;
    while (this.#count < READ_AHEAD_KEYS) {
      const next = this.#add(bytes, at, end, table);
      if (next < 0) break;
      at = next;
    }
    this.touch();
  }

  /**
   * Looks the key up as `lookupInTable` does; `slot` is its slot afterwards. Cheaper for the keys that
   * were noted, in the order in which they were.
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
   * Reads the memory of all keys noted: three passes, each over all of them, so that the reads of one
   * pass are under way together.
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
      // Records lie across cache lines: this one and, for the usual sizes, the next.
      sink ^= (segment.bytes[place] as number) ^ (segment.bytes[place + LINE_BYTES] ?? 0);
    }
    this.sink = sink;
  }

  /** Whether the key at `start` was looked at; then `slot`, `h1`, `h2` are its. */
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

  /** Takes the GET at `at`; returns where the next command begins, or -1. */
  #add(bytes: Uint8Array, at: number, end: number, table: VersionTable): number {
    if (at + 16 > end || readWord(bytes, at) !== STAR_TWO) return -1;
    if (readWord(bytes, at + 4) !== DOLLAR_THREE) return -1;
    if ((readWord(bytes, at + 8) & ~CASE_BITS) !== GET_AND_RETURN) return -1;
    if (bytes[at + 12] !== LINE_FEED || bytes[at + 13] !== DOLLAR) return -1;
    let length = 0;
    let digitAt = at + 14;
    for (; digitAt < end && bytes[digitAt] !== CARRIAGE_RETURN; digitAt++) {
      const digit = (bytes[digitAt] as number) - DIGIT_0;
      if (digit < 0 || digit > 9) return -1;
      length = length * 10 + digit;
      if (length > KEY_BYTES_MAX) return -1;
    }
    const start = digitAt + 2;
    const keyEnd = start + length;
    if (keyEnd + 2 > end) return -1;
    this.note(bytes, start, keyEnd, table);
    return keyEnd + 2;
  }

  /**
   * Notes a key; at most READ_AHEAD_KEYS from one `clear` to the next, all of one buffer. `touch` when
   * all are noted.
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

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}
