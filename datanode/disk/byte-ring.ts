// The order of a FIFO of entries of any length in a stretch of memory: a new entry is appended at the
// head, the oldest one is at the tail. Everything is counted in words of four bytes.
//
//     from          tail         head                to
//      |  free       | entries    |  free             |
//
//     from     head      tail             wrapAt     to        after the head has begun at `from` again
//      | entries | free   | entries        |  unused  |
//
// Invariant: an entry is contiguous. What is too short at the end is left unused until the tail has
// passed it.
//
// Hot: plain numbers; nothing is allocated.

export class ByteRing {
  readonly #from: number;
  readonly #to: number;
  readonly #countMax: number;
  #head: number;
  #wrapAt: number;
  #reached: number;
  /** Where the oldest entry begins, if there is one. */
  tail: number;
  count = 0;

  /** A ring of the words [from, to), for `countMax` entries. */
  constructor(from: number, to: number, countMax: number) {
    this.#from = this.#head = this.#reached = this.tail = from;
    this.#to = this.#wrapAt = to;
    this.#countMax = countMax;
  }

  get length(): number {
    return this.#to - this.#from;
  }

  /** Words that have ever been in use. */
  get reached(): number {
    return this.#reached - this.#from;
  }

  /**
   * Appends an entry of `length` words, at most as many as the ring has. Returns where it begins; -1
   * if the oldest entry must be removed first.
   */
  append(length: number): number {
    if (this.count === this.#countMax) return -1;
    if (this.count === 0) {
      this.#head = this.tail = this.#from;
      this.#wrapAt = this.#to;
    } else if (this.#head <= this.tail) {
      if (this.tail - this.#head < length) return -1;
    } else if (this.#to - this.#head < length) {
      if (this.tail - this.#from < length) return -1;
      this.#wrapAt = this.#head;
      this.#head = this.#from;
    }
    const at = this.#head;
    this.#head += length;
    if (this.#head > this.#reached) this.#reached = this.#head;
    this.count++;
    return at;
  }

  /** Removes the oldest entry, which has `length` words. */
  removeOldest(length: number): void {
    this.count--;
    this.tail += length;
    if (this.tail !== this.#wrapAt) return;
    this.tail = this.#from;
    this.#wrapAt = this.#to;
  }
}
