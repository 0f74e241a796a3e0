// Policies of caches, simulated: which records of a trace would be there. They take no account of
// what they need besides the records, unlike the product's cache, which is compared with them.

/** A cache of records that are named 0, 1, 2 ... */
export interface SimulatedCache {
  /** Reads a record, which is cached afterwards or not. Returns whether it was. */
  read(record: number): boolean;
}

/** Makes a cache of `capacityBytes` for records of `sizes` bytes; `trace` is what will be read. */
export type Policy = (
  capacityBytes: number,
  sizes: Uint16Array,
  trace: Int32Array,
) => SimulatedCache;

export const POLICIES: Readonly<Record<string, Policy>> = {
  FIFO: (capacityBytes, sizes) => new QueueCache(capacityBytes, sizes, false),
  LRU: (capacityBytes, sizes) => new QueueCache(capacityBytes, sizes, true),
  'W-TinyLFU': (capacityBytes, sizes) => new TinyLfu(capacityBytes, sizes),
  'S3-FIFO, used once': (capacityBytes, sizes) => new S3FifoModel(capacityBytes, sizes, 1),
  'S3-FIFO, used twice': (capacityBytes, sizes) => new S3FifoModel(capacityBytes, sizes, 2),
  'optimum (Belady)': (capacityBytes, sizes, trace) => new Belady(capacityBytes, sizes, trace),
};

/** A linked list of records, oldest first. A record is in one queue at most. */
class Queue {
  bytes = 0;
  count = 0;
  readonly #sizes: Uint16Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #end: number;

  constructor(sizes: Uint16Array) {
    this.#sizes = sizes;
    this.#end = sizes.length;
    this.#next = new Int32Array(sizes.length + 1).fill(-1);
    this.#previous = new Int32Array(sizes.length + 1).fill(-1);
    this.#next[this.#end] = this.#previous[this.#end] = this.#end;
  }

  has(record: number): boolean {
    return this.#next[record] !== -1;
  }

  /** The oldest record. */
  get oldest(): number {
    return this.#next[this.#end] as number;
  }

  push(record: number): void {
    const last = this.#previous[this.#end] as number;
    this.#next[last] = record;
    this.#previous[record] = last;
    this.#next[record] = this.#end;
    this.#previous[this.#end] = record;
    this.bytes += this.#sizes[record] as number;
    this.count++;
  }

  remove(record: number): void {
    const next = this.#next[record] as number;
    const previous = this.#previous[record] as number;
    this.#next[previous] = next;
    this.#previous[next] = previous;
    this.#next[record] = this.#previous[record] = -1;
    this.bytes -= this.#sizes[record] as number;
    this.count--;
  }

  pop(): number {
    const record = this.oldest;
    this.remove(record);
    return record;
  }
}

/** LRU if a read renews a record; FIFO otherwise. */
class QueueCache implements SimulatedCache {
  readonly #capacityBytes: number;
  readonly #queue: Queue;
  readonly #renews: boolean;

  constructor(capacityBytes: number, sizes: Uint16Array, renews: boolean) {
    this.#capacityBytes = capacityBytes;
    this.#queue = new Queue(sizes);
    this.#renews = renews;
  }

  read(record: number): boolean {
    const queue = this.#queue;
    const isHit = queue.has(record);
    if (isHit && this.#renews) queue.remove(record);
    if (!isHit || this.#renews) queue.push(record);
    while (queue.bytes > this.#capacityBytes) queue.pop();
    return isHit;
  }
}

const SMALL_PART = 0.1;
const USES_MAX = 3;

/** S3-FIFO as in the paper (SOSP 2023), with an exact ghost. */
class S3FifoModel implements SimulatedCache {
  readonly #capacityBytes: number;
  readonly #small: Queue;
  readonly #main: Queue;
  readonly #uses: Uint8Array;
  /** When a record left the small queue, in evictions; 0: not lately. */
  readonly #ghost: Int32Array;
  readonly #usesToStay: number;
  #evictions = 1;

  constructor(capacityBytes: number, sizes: Uint16Array, usesToStay: number) {
    this.#capacityBytes = capacityBytes;
    this.#small = new Queue(sizes);
    this.#main = new Queue(sizes);
    this.#uses = new Uint8Array(sizes.length);
    this.#ghost = new Int32Array(sizes.length);
    this.#usesToStay = usesToStay;
  }

  read(record: number): boolean {
    if (this.#small.has(record) || this.#main.has(record)) {
      this.#uses[record] = Math.min(USES_MAX, (this.#uses[record] as number) + 1);
      return true;
    }
    const leftAt = this.#ghost[record] as number;
    const isKnown = leftAt > 0 && this.#evictions - leftAt <= this.#main.count;
    this.#ghost[record] = this.#uses[record] = 0;
    (isKnown ? this.#main : this.#small).push(record);
    while (this.#small.bytes + this.#main.bytes > this.#capacityBytes) this.#evict();
    return false;
  }

  #evict(): void {
    if (this.#small.bytes < SMALL_PART * this.#capacityBytes) return this.#evictFromMain();
    const record = this.#small.pop();
    if ((this.#uses[record] as number) >= this.#usesToStay) {
      this.#uses[record] = 0;
      this.#main.push(record);
    } else this.#ghost[record] = this.#evictions++;
  }

  #evictFromMain(): void {
    for (;;) {
      const record = this.#main.pop();
      if (this.#uses[record] === 0) return;
      this.#uses[record]!--;
      this.#main.push(record);
    }
  }
}

const WINDOW_PART = 0.01;
const PROTECTED_PART = 0.8;
const SKETCH_ROWS = 4;
const COUNT_MAX = 15;
const READS_PER_RECORD_UNTIL_HALVED = 10;

/** W-TinyLFU (Einziger, Friedman and Manes, 2017): a window, and a segmented LRU with admission. */
class TinyLfu implements SimulatedCache {
  readonly #capacityBytes: number;
  readonly #window: Queue;
  readonly #probation: Queue;
  readonly #protected: Queue;
  readonly #counts: Uint8Array;
  readonly #width: number;
  readonly #readsUntilHalved: number;
  #reads = 0;

  constructor(capacityBytes: number, sizes: Uint16Array) {
    this.#capacityBytes = capacityBytes;
    this.#window = new Queue(sizes);
    this.#probation = new Queue(sizes);
    this.#protected = new Queue(sizes);
    const meanBytes = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
    const records = Math.max(1, capacityBytes / meanBytes);
    this.#width = 2 ** Math.ceil(Math.log2(records * 2));
    this.#counts = new Uint8Array(this.#width * SKETCH_ROWS);
    this.#readsUntilHalved = records * READS_PER_RECORD_UNTIL_HALVED;
  }

  read(record: number): boolean {
    this.#count(record);
    if (this.#window.has(record)) {
      this.#window.remove(record);
      this.#window.push(record);
      return true;
    }
    if (this.#protected.has(record) || this.#probation.has(record)) {
      (this.#protected.has(record) ? this.#protected : this.#probation).remove(record);
      this.#protected.push(record);
      const protectedBytes = this.#capacityBytes * (1 - WINDOW_PART) * PROTECTED_PART;
      while (this.#protected.bytes > protectedBytes) this.#probation.push(this.#protected.pop());
      return true;
    }
    this.#window.push(record);
    while (this.#window.bytes > this.#capacityBytes * WINDOW_PART) this.#admit(this.#window.pop());
    return false;
  }

  #admit(record: number): void {
    const mainBytes = this.#capacityBytes * (1 - WINDOW_PART);
    this.#probation.push(record);
    while (this.#probation.bytes + this.#protected.bytes > mainBytes) {
      const victims = this.#probation.count > 1 ? this.#probation : this.#protected;
      const victim = victims.oldest;
      if (victim !== record && this.#estimate(record) <= this.#estimate(victim)) {
        return this.#probation.remove(record);
      }
      victims.remove(victim);
    }
  }

  #placeOf(record: number, row: number): number {
    const mixed = Math.imul(record ^ Math.imul(row + 1, 0x9e3779b1), 0x85ebca6b);
    return (
      row * this.#width + ((Math.imul(mixed ^ (mixed >>> 15), 0xc2b2ae35) >>> 7) % this.#width)
    );
  }

  #estimate(record: number): number {
    let least = COUNT_MAX;
    for (let row = 0; row < SKETCH_ROWS; row++) {
      least = Math.min(least, this.#counts[this.#placeOf(record, row)] as number);
    }
    return least;
  }

  #count(record: number): void {
    for (let row = 0; row < SKETCH_ROWS; row++) {
      const place = this.#placeOf(record, row);
      if ((this.#counts[place] as number) < COUNT_MAX) this.#counts[place]!++;
    }
    if (++this.#reads < this.#readsUntilHalved) return;
    this.#reads /= 2;
    for (let place = 0; place < this.#counts.length; place++) this.#counts[place]! >>>= 1;
  }
}

/** Evicts what is read again last (Belady, 1966): no policy without knowledge of the future is better. */
class Belady implements SimulatedCache {
  readonly #capacityBytes: number;
  readonly #sizes: Uint16Array;
  /** By read: the next read of the same record. */
  readonly #nextRead: Int32Array;
  /** By record that is cached: its next read. */
  readonly #next: Int32Array;
  /** A heap of [next read, record], the latest first; outdated ones are skipped. */
  readonly #heap: Float64Array;
  #heapLength = 0;
  #bytes = 0;
  #at = 0;

  constructor(capacityBytes: number, sizes: Uint16Array, trace: Int32Array) {
    this.#capacityBytes = capacityBytes;
    this.#sizes = sizes;
    this.#nextRead = new Int32Array(trace.length);
    const last = new Int32Array(sizes.length).fill(trace.length);
    for (let at = trace.length - 1; at >= 0; at--) {
      const record = trace[at] as number;
      this.#nextRead[at] = last[record] as number;
      last[record] = at;
    }
    this.#next = new Int32Array(sizes.length).fill(-1);
    this.#heap = new Float64Array(trace.length + 1);
  }

  read(record: number): boolean {
    const isHit = this.#next[record] !== -1;
    const next = this.#nextRead[this.#at++] as number;
    this.#next[record] = next;
    this.#push(next * 2 ** 24 + record);
    if (!isHit) this.#bytes += this.#sizes[record] as number;
    while (this.#bytes > this.#capacityBytes) {
      const latest = this.#pop();
      const victim = latest % 2 ** 24;
      if (this.#next[victim] !== Math.floor(latest / 2 ** 24)) continue;
      this.#next[victim] = -1;
      this.#bytes -= this.#sizes[victim] as number;
    }
    return isHit;
  }

  #push(value: number): void {
    const heap = this.#heap;
    let at = this.#heapLength++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if ((heap[parent] as number) >= value) break;
      heap[at] = heap[parent] as number;
      at = parent;
    }
    heap[at] = value;
  }

  #pop(): number {
    const heap = this.#heap;
    const top = heap[0] as number;
    const value = heap[--this.#heapLength] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heapLength) break;
      if (child + 1 < this.#heapLength && heap[child + 1]! > heap[child]!) child++;
      if ((heap[child] as number) <= value) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = value;
    return top;
  }
}
