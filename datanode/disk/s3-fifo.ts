// A cache of records in one piece of memory, by S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues
// are all you need for cache eviction, SOSP 2023).
//
//                    seen lately (ghost)
//      new record ------------------------------+
//          |                                    v
//          v                              +-> main ring (90%) --- not used again ---> gone
//      small ring (10%) -- used twice --> |     ^        |
//          |                                    +--------+  used: one use less, to the head again
//          +--- otherwise ---> gone, its hash to the ghost
//
// Most records are read once and leave by the small ring, so a scan does not displace what is used.
//
//      memory   [ small ring | main ring | index | ghost ]
//      entry    [ segment u32 | start u32 | uses, length | record, to the next multiple of 4 ]
//      index    open addressing: position of the entry (26 bits), tag (6 bits); 0 is free
//
// A record is identified by the number of its open segment and its offset in the file. Segment numbers
// are not reused, so what belongs to a segment that is gone is never found, and ages out.
//
// Invariants: everything is in `byteCount` bytes; a call costs a bounded number of steps; nothing is
// allocated after the constructor. While it is not full, it keeps every record.
//
// Hot: plain functions over numbers.

import { finalMix } from '../../segment/hash.ts';
import { ByteRing } from './byte-ring.ts';
import { GhostSet } from './ghost-set.ts';

/** Positions have 26 bits, in words. */
export const S3_FIFO_BYTES_MAX: number = 256 * 1024 * 1024;
/** Larger records would displace too many others for what reading them costs. */
const RECORD_BYTES_MAX = 64 * 1024;
const PAGE_BYTES = 4096;
/** In the index and in the ghost, each at a random place. */
const PAGES_PER_RECORD = 2;
const HEAD_WORDS = 3;
/** Position 0 means "free" in the index. */
const FIRST_WORD = 4;
const SMALL_PART = 0.1;
/** The small ring has room for so many of the largest records, at least. */
const LARGEST_IN_SMALL = 8;
/** Bytes of the rings for each place of the index, and of the ghost. */
const RING_BYTES_PER_PLACE = 48;
const RING_BYTES_PER_GHOST = 96;
const INDEX_FILL_MAX = 0.8;
const POSITION_MASK = 0x03ffffff;
const USE = 0x40000000;
const USES_MAX = 3;
const LENGTH_MASK = 0x3fffffff;
const USES_TO_STAY = 2;
/** Entries that one new record may move to the head of the main ring: an eviction never goes around it. */
const MOVES_MAX = 64;

export class S3Fifo {
  readonly byteCount: number;
  /** Records with more bytes are not kept. */
  readonly recordBytesMax: number;
  /** The memory of the records: what `find` returns is an offset in it. */
  readonly bytes: Buffer;
  readonly view: DataView;
  readonly #words: Uint32Array;
  readonly #index: Uint32Array;
  readonly #indexScale: number;
  readonly #ghost: GhostSet;
  readonly #small: ByteRing;
  readonly #main: ByteRing;
  #movesLeft = 0;
  #added = 0;
  /** Whether the main ring has ever been full. */
  #hasBeenFull = false;

  /** Takes `byteCount` bytes of memory, at most S3_FIFO_BYTES_MAX. Throws RangeError if there is none. */
  constructor(byteCount: number) {
    const bytesPerRingByte = 1 + 4 / RING_BYTES_PER_PLACE + 4 / RING_BYTES_PER_GHOST;
    const ringBytes = Math.floor(byteCount / bytesPerRingByte);
    const ghostWords = Math.max(4, 4 * Math.floor(ringBytes / RING_BYTES_PER_GHOST / 4));
    const places = Math.floor(ringBytes / RING_BYTES_PER_PLACE);
    const words = Math.floor(byteCount / 4);
    const ringWords = words - places - ghostWords;
    // Shared memory, of which the collector knows nothing: for each large ArrayBuffer it would collect
    // first, tens of milliseconds in which nobody is answered.
    const memory = new SharedArrayBuffer(words * 4);
    this.byteCount = memory.byteLength;
    this.#words = new Uint32Array(memory, 0, ringWords);
    this.#index = new Uint32Array(memory, ringWords * 4, places);
    this.#indexScale = places / 2 ** 32;
    this.#ghost = new GhostSet(new Uint32Array(memory, (ringWords + places) * 4, ghostWords));
    this.bytes = Buffer.from(memory, 0, ringWords * 4);
    this.view = new DataView(memory, 0, ringWords * 4);
    const smallEnd = FIRST_WORD + Math.floor((ringWords - FIRST_WORD) * SMALL_PART);
    const countMax = Math.floor(places * INDEX_FILL_MAX);
    const smallCountMax = Math.max(1, Math.floor(countMax * SMALL_PART));
    this.#small = new ByteRing(FIRST_WORD, smallEnd, smallCountMax);
    this.#main = new ByteRing(smallEnd, ringWords, countMax - smallCountMax);
    const largest = Math.floor((this.#small.length * 4) / LARGEST_IN_SMALL);
    this.recordBytesMax = Math.min(RECORD_BYTES_MAX, largest - HEAD_WORDS * 4 - 4);
  }

  /** Upper bound of the bytes that were ever written: the system provides the others when they are. */
  get touchedBytes(): number {
    const ringBytes = (this.#small.reached + this.#main.reached) * 4;
    const otherBytes = this.byteCount - this.bytes.length;
    return ringBytes + Math.min(otherBytes, this.#added * PAGES_PER_RECORD * PAGE_BYTES);
  }

  /** Records kept. */
  get count(): number {
    return this.#small.count + this.#main.count;
  }

  /**
   * Where the record at offset `start` of a segment begins in `bytes`, and counts a use of it; -1 if
   * it is not here. Valid until the next `add`. `hash`: see `hashOfPlace`.
   */
  find(segment: number, start: number, hash: number): number {
    const place = this.#placeOf(segment, start, hash);
    if (place < 0) return -1;
    const at = (this.#index[place] as number) & POSITION_MASK;
    const uses = this.#words[at + 2] as number;
    if (uses >>> 30 < USES_MAX) this.#words[at + 2] = uses + USE;
    return (at + HEAD_WORDS) * 4;
  }

  /** Keeps a copy of the record `bytes[from, from + length)`, at most `recordBytesMax` bytes. */
  add(
    segment: number,
    start: number,
    hash: number,
    bytes: Uint8Array,
    from: number,
    length: number,
  ): void {
    // Several readers may have missed it at once.
    if (this.find(segment, start, hash) >= 0) return;
    this.#movesLeft = MOVES_MAX;
    this.#added++;
    const words = HEAD_WORDS + ((length + 3) >>> 2);
    const isKnown = this.#ghost.take(hash, this.#main.count);
    const at = isKnown ? this.#appendToMain(words) : this.#appendToSmall(words);
    this.#words[at] = segment;
    this.#words[at + 1] = start;
    this.#words[at + 2] = length;
    this.bytes.set(bytes.subarray(from, from + length), (at + HEAD_WORDS) * 4);
    this.#insert(at, hash);
  }

  #appendToSmall(words: number): number {
    for (;;) {
      const at = this.#small.append(words);
      if (at >= 0) return at;
      this.#leaveSmall();
    }
  }

  #appendToMain(words: number): number {
    for (;;) {
      const at = this.#main.append(words);
      if (at >= 0) return at;
      this.#hasBeenFull = true;
      this.#leaveMain();
    }
  }

  /** Moves the oldest entry of the small ring to the main ring, or evicts it. */
  #leaveSmall(): void {
    const words = this.#words;
    const from = this.#small.tail;
    const uses = words[from + 2] as number;
    const length = lengthOf(uses);
    const hash = this.#hashAt(from);
    if (uses >>> 30 < USES_TO_STAY && this.#hasBeenFull) {
      this.#erase(from, hash);
      this.#ghost.add(hash);
    } else {
      const to = this.#appendToMain(length);
      words.copyWithin(to, from, from + length);
      words[to + 2] = uses & LENGTH_MASK;
      this.#move(from, to, hash);
    }
    this.#small.removeOldest(length);
  }

  /** Moves the oldest entry of the main ring to its head, or evicts it. */
  #leaveMain(): void {
    const words = this.#words;
    const from = this.#main.tail;
    const uses = words[from + 2] as number;
    const length = lengthOf(uses);
    const hash = this.#hashAt(from);
    if (uses < USE || this.#movesLeft-- <= 0) {
      this.#erase(from, hash);
      this.#main.removeOldest(length);
      return;
    }
    this.#main.removeOldest(length);
    // What was free at the head and what is free now are adjacent, or it fits where it was.
    const to = this.#main.append(length);
    words.copyWithin(to, from, from + length);
    words[to + 2] = uses - USE;
    this.#move(from, to, hash);
  }

  #hashAt(at: number): number {
    return hashOfPlace(this.#words[at] as number, this.#words[at + 1] as number);
  }

  /** The place in the index of a record; -1 if it is not here. */
  #placeOf(segment: number, start: number, hash: number): number {
    const index = this.#index;
    const words = this.#words;
    for (let place = this.#homeOf(hash); ;) {
      const entry = index[place] as number;
      if (entry === 0) return -1;
      // The tag is the lowest bits of the hash; most other entries differ in it.
      if ((entry ^ (hash << 26)) >>> 26 === 0) {
        const at = entry & POSITION_MASK;
        if (words[at] === segment && words[at + 1] === start) return place;
      }
      if (++place === index.length) place = 0;
    }
  }

  #homeOf(hash: number): number {
    return Math.floor((hash >>> 0) * this.#indexScale);
  }

  #insert(at: number, hash: number): void {
    const index = this.#index;
    let place = this.#homeOf(hash);
    while (index[place] !== 0) if (++place === index.length) place = 0;
    index[place] = (hash << 26) | at;
  }

  /** The place in the index of the entry at `at`, which is there. */
  #placeAt(at: number, hash: number): number {
    const index = this.#index;
    const wanted = ((hash << 26) | at) >>> 0;
    let place = this.#homeOf(hash);
    while (index[place] !== wanted) if (++place === index.length) place = 0;
    return place;
  }

  #move(from: number, to: number, hash: number): void {
    this.#index[this.#placeAt(from, hash)] = (hash << 26) | to;
  }

  /** Removes an entry from the index; later ones move up, so that no search ends at its place. */
  #erase(at: number, hash: number): void {
    const index = this.#index;
    const count = index.length;
    let hole = this.#placeAt(at, hash);
    for (let place = hole; ;) {
      if (++place === count) place = 0;
      const entry = index[place] as number;
      if (entry === 0) break;
      const home = this.#homeOf(this.#hashAt(entry & POSITION_MASK));
      const fromHome = place < home ? place - home + count : place - home;
      const fromHole = place < hole ? place - hole + count : place - hole;
      if (fromHome < fromHole) continue;
      index[hole] = entry;
      hole = place;
    }
    index[hole] = 0;
  }
}

/** The hash of the place of a record, signed: 32 bits, all of them mixed. */
export function hashOfPlace(segment: number, start: number): number {
  return finalMix(Math.imul(segment, 0x9e3779b1) ^ start);
}

/** Words of an entry. */
function lengthOf(uses: number): number {
  return HEAD_WORDS + (((uses & LENGTH_MASK) + 3) >>> 2);
}
