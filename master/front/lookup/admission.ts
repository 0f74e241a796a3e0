// Decides which values are worth a place in the cache: those that were requested before, recently.
//
// Most keys of a large keyspace are read rarely. Caching such a key costs more than the cache will
// ever save by it, and evicts one that is read often; a client that reads everything once would
// empty the cache of everything useful. So a key must be missed twice. The first miss sets one bit
// (a Bloom filter with one hash, the doorkeeper of TinyLFU). When the filter has as many keys as it
// can distinguish well, all bits are cleared.

const BITS_PER_KEY = 8;
const KEYS_MIN = 4096;
const KEYS_MAX = 16 * 1024 * 1024;

export class Admission {
  readonly #bits: Uint32Array;
  readonly #mask: number;
  readonly #notedMax: number;
  #noted = 0;

  /** For a cache of about `entryCount` entries; 1 to 2 bytes each. */
  constructor(entryCount: number) {
    const keys = Math.min(KEYS_MAX, Math.max(KEYS_MIN, entryCount));
    const bitCount = 2 ** Math.ceil(Math.log2(keys * BITS_PER_KEY));
    this.#bits = new Uint32Array(bitCount / 32);
    this.#mask = bitCount - 1;
    this.#notedMax = bitCount / BITS_PER_KEY;
  }

  /** Whether a key of this hash (32 bits) was recorded before; records it. */
  wasSeen(hash: number): boolean {
    const bit = hash & this.#mask;
    const word = bit >>> 5;
    const before = this.#bits[word] as number;
    const after = before | (1 << (bit & 31));
    if (after >>> 0 === before) return true;
    if (++this.#noted > this.#notedMax) {
      this.#bits.fill(0);
      this.#noted = 1;
      this.#bits[word] = 1 << (bit & 31);
    } else this.#bits[word] = after;
    return false;
  }
}
