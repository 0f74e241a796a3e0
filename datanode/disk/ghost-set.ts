// The hashes of what was evicted lately, in bounded memory: the ghost queue of S3-FIFO as its authors
// implement it, a table of fingerprints with the time of their insertion.
//
//   word = time (16 bits) | fingerprint (16 bits)         four words to a bucket, the oldest is replaced
//
// It may forget a hash too early, and take one hash for another (about one in 16,000): both only
// change which records a cache keeps.
//
// Hot: plain numbers; nothing is allocated.

const WAYS = 4;
const TIME_MASK = 0xffff;
/** The time goes around after four times the insertions that fill the table. */
const TICKS = 16_384;
/** Spreads a hash that has chosen a place elsewhere already. */
const SPREAD = 0x9e3779b1;

export class GhostSet {
  readonly #words: Uint32Array;
  readonly #scale: number;
  readonly #insertionsPerTick: number;
  #insertions = 0;

  /** `words`: zeros; as many as the hashes to remember, a multiple of four. */
  constructor(words: Uint32Array) {
    this.#words = words;
    this.#scale = words.length / WAYS / 2 ** 32;
    this.#insertionsPerTick = Math.ceil(words.length / TICKS);
  }

  add(hash: number): void {
    const bucket = this.#bucketOf(hash);
    const now = this.#now();
    let oldest = bucket;
    let oldestAge = -1;
    for (let at = bucket; at < bucket + WAYS; at++) {
      const word = this.#words[at] as number;
      const age = word === 0 ? TIME_MASK + 1 : (now - (word >>> 16)) & TIME_MASK;
      if (age > oldestAge) [oldest, oldestAge] = [at, age];
    }
    this.#words[oldest] = (now << 16) | (hash & 0xffff);
    this.#insertions++;
  }

  /** Removes the hash; returns whether it was one of the last `among` that were added. */
  take(hash: number, among: number): boolean {
    const bucket = this.#bucketOf(hash);
    const now = this.#now();
    for (let at = bucket; at < bucket + WAYS; at++) {
      const word = this.#words[at] as number;
      if (word === 0 || (word & 0xffff) !== (hash & 0xffff)) continue;
      this.#words[at] = 0;
      return ((now - (word >>> 16)) & TIME_MASK) * this.#insertionsPerTick <= among;
    }
    return false;
  }

  #bucketOf(hash: number): number {
    return Math.floor((Math.imul(hash, SPREAD) >>> 0) * this.#scale) * WAYS;
  }

  #now(): number {
    return Math.floor(this.#insertions / this.#insertionsPerTick) & TIME_MASK;
  }
}
